//! Runs seeds and tells how they ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::checks::Counts;
use crate::invariants::Violation;
use crate::queue::Us;
use crate::seed::RunConfig;
use crate::world::World;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What must not be and was; `None`: all is well.
    pub violation: Option<Violation>,
    /// What happened.
    pub counts: Counts,
    /// Virtual time, us.
    pub virtual_us: Us,
    /// Hash of everything that happened, in order.
    pub trace_hash: u64,
    /// How long the run took.
    pub took: Duration,
}

/// Runs one seed.
#[must_use]
pub fn run_seed(config: &RunConfig) -> Report {
    let start = Instant::now();
    let mut world = World::new(config);
    // A broken assertion in the core is a finding like any other.
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match outcome {
        Ok(verdict) => verdict.err(),
        Err(panic) => Some(Violation {
            invariant: "no panic",
            detail: panic_text(panic.as_ref()),
        }),
    };
    Report {
        seed: config.seed,
        violation,
        counts: world.cx.checks.counts,
        virtual_us: world.cx.q.now(),
        trace_hash: world.cx.trace.hash(),
        took: start.elapsed(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").to_owned()
}

/// Runs the seeds from `first` on, `count` of them, on `threads` threads; gives each report to `each`
/// in the order of completion, until that says `false`.
pub fn run_many(
    config: &RunConfig,
    first: u64,
    count: u64,
    threads: usize,
    mut each: impl FnMut(&Report) -> bool,
) {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let end = first.saturating_add(count);
    // As many reports as threads wait at most.
    let (send, receive) = mpsc::sync_channel(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let config = RunConfig { seed, ..*config };
                    if send.send(run_seed(&config)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        while let Ok(report) = receive.recv() {
            if !stop.load(Ordering::Relaxed) && !each(&report) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
}
