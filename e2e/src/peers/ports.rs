//! Free ports on loopback.
//!
//! They are taken from below the range that the kernel gives to outgoing connections, so that a
//! client's own port never sits on the port of a server that is about to come back.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// First port of the range.
const FIRST: u16 = 12_000;

/// Ports in the range; its end stays below 32768, where outgoing ports begin on Linux.
const COUNT: u32 = 20_000;

static GIVEN: AtomicU32 = AtomicU32::new(0);

/// Returns a port that nobody listens on and that this process did not get before.
///
/// # Errors
/// When the whole range is taken.
pub fn free() -> Result<u16> {
    // Each process begins elsewhere, so that two test runs seldom meet.
    let start = process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let n = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST.saturating_add(u16::try_from(n).unwrap_or_default());
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}
