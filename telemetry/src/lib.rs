//! What the server and the operator tell about themselves: the log, whose levels can change while they run.

mod levels;
mod log;

pub use levels::{BadLevels, Levels};
pub use log::{InForce, Log, LogFormat, Source, Targets};
