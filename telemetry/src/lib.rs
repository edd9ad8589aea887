//! What the server and the operator tell about themselves: the log, whose levels can change while they run,
//! and traces.

mod levels;
mod log;
#[cfg(feature = "testing")]
pub mod testing;
pub mod traces;

pub use levels::{BadLevels, Levels};
pub use log::{InForce, Log, LogFormat, Source, Targets};
