//! The port that clients use: sessions and four-letter words.

mod connection;
mod four_letter;
mod gate;
mod greeting;
mod listener;

pub use connection::{Client, ClientMessage};
pub use gate::Gate;
pub use greeting::Speaks;
pub use listener::{ClientPort, run};
