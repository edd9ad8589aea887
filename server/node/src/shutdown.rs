//! The end: in order on a signal, at once on an error that makes going on wrong.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

/// Everything must be over by then: the kubelet and people wait no longer with good reason.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Exit codes of Apache ZooKeeper 3.9 (`ExitCode`).
pub mod exit_code {
    /// An unexpected error.
    pub const UNEXPECTED: i32 = 1;
    /// Invalid arguments or configuration.
    pub const INVALID_INVOCATION: i32 = 2;
    /// The data directory cannot be used.
    pub const DATA_DIR: i32 = 3;
    /// The admin port cannot be had.
    pub const ADMIN: i32 = 4;
    /// A snapshot could not be written.
    pub const SNAPSHOT: i32 = 10;
    /// The election port cannot be had.
    pub const ELECTION_PORT: i32 = 14;
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// Signals cannot be caught.
pub async fn requested() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => info!("SIGTERM: stopping"),
        _ = int.recv() => info!("SIGINT: stopping"),
    }
    Ok(())
}

/// Ends the process because it must not go on: a server that cannot write, or whose state is in
/// doubt, must not answer another request. What was acknowledged is on disk already.
pub fn fatal(code: i32, why: &str) -> ! {
    error!("{why}; exiting with code {code}");
    std::process::exit(code)
}
