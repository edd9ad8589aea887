//! The port that clients use: sessions and four-letter words.

mod admission;
mod connection;
mod four_letter;
mod frames;
mod gate;
mod greeting;
mod in_process;
mod large;
mod listener;
mod pace;
mod places;
mod stats;
mod znode;

pub use connection::{Client, ClientMessage};
pub(crate) use four_letter::{
    NOT_SERVING, by_path, conf_port, directory_sizes, environment, version,
};
pub use gate::{Gate, Room};
pub use greeting::Speaks;
pub use in_process::{InProcessError, change_members};
pub use listener::{ClientPort, run};
pub use stats::{ConnPicture, ConnStats};
pub use znode::{Hidden, Znode, ZnodeError, read_znode};
