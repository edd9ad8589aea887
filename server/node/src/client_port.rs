//! The port that clients use: sessions and four-letter words.

mod admission;
mod connection;
mod four_letter;
mod frames;
mod gate;
mod greeting;
mod large;
mod listener;
mod pace;
mod places;

pub use connection::{Client, ClientMessage};
pub use gate::{Gate, Room};
pub use greeting::Speaks;
pub use listener::{ClientPort, run};
