//! `zoo.cfg` text to typed settings, once, at start.
//!
//! Every key that Apache ZooKeeper 3.9 knows is either obeyed, or named in a warning as one without
//! meaning or not supported yet, or refused when ignoring it would be unsafe. A bad value is refused
//! with its file, line, key and a remedy. Nothing outside of this module reads keys.

mod error;
mod identity;
mod keys;
mod members;
mod properties;
mod reader;
mod settings;

pub use error::ConfigError;
pub use identity::{PodIdentity, settle_my_id};
pub use settings::{AdminSettings, BindAddress, Mode, Settings};
