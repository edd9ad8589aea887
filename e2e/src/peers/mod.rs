//! Real servers of both kinds on loopback, and a client for them: what interop tests, fault tests
//! and the benchmark stand on.

pub mod admin;
pub mod apache;
pub mod apache_ends;
pub mod client;
pub mod ensemble;
pub mod four_letter;
pub mod ports;
pub mod process;
pub mod programs;
pub mod quorate;
pub mod server;
pub mod tool;
pub mod tree;

pub use client::{Client, Failure};
pub use ensemble::{Ensemble, Settings};
pub use process::Process;
pub use server::{Kind, Server};

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Looks at a condition until it yields a value.
///
/// # Errors
/// When it does not within `limit`; the text carries the last reason that `look` gave.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(why) if began.elapsed() > limit => {
                bail!("{what}: not within {:.1} s: {why}", limit.as_secs_f32())
            }
            Err(_) => thread::sleep(POLL_INTERVAL),
        }
    }
}
