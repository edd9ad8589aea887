//! The log: to standard error, as text or as JSON lines; `RUST_LOG` chooses levels.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// Switches the log of a server on; to be called once.
pub fn init(format: LogFormat) {
    start(format, "info");
}

/// Switches the log of a tool on, whose own output is what counts; to be called once.
pub fn init_quiet(format: LogFormat) {
    start(format, "warn");
}

fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
