//! Interop and fault tests with real servers and real clients on loopback.
//!
//! They need the server binary (`QUORATE_BIN`, or a release build), Java, Maven, Python and
//! Chromium; what is missing makes them fail.

mod ensemble_chart;
mod faults;
mod helm;
mod interop;
mod operator_scope;
mod operator_traces;
mod page;
mod suites;
mod twin;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

static MACHINE: Mutex<()> = Mutex::new(());

/// Gives one test the machine: each brings up several servers, and time-outs are real.
fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the binaries of this crate are.
fn binaries() -> &'static Path {
    let program = Path::new(env!("CARGO_BIN_EXE_quorate-e2e-client"));
    program.parent().unwrap_or(program)
}
