//! The gaps between successful writes around a change of leaders.

use std::time::{Duration, Instant};

use super::Change;
use super::session::Ledger;
use crate::progress::Progress;

/// A gap that ends later than this after a change is not of its making.
const AFTER: Duration = Duration::from_secs(10);

/// Milliseconds, sorted: of each writer, the longest gap around each change.
#[derive(Debug)]
pub(crate) struct Gaps {
    passed: Vec<f64>,
    killed: Vec<f64>,
    complaints: usize,
}

impl Gaps {
    pub(crate) fn of(
        ledgers: &[Ledger],
        passed: &[Change],
        killed: &[Change],
        complaints: usize,
    ) -> Self {
        let all = |changes: &[Change]| {
            let mut gaps: Vec<f64> = changes
                .iter()
                .flat_map(|change| ledgers.iter().filter_map(|l| gap(&l.writes, *change)))
                .collect();
            gaps.sort_by(f64::total_cmp);
            gaps
        };
        Self {
            passed: all(passed),
            killed: all(killed),
            complaints,
        }
    }

    pub(crate) fn print(&self, progress: &Progress, who: &str) {
        for (what, gaps) in [("hand-over", &self.passed), ("kill -9", &self.killed)] {
            let quantile = |q: usize| gaps.get((gaps.len() * q / 100).min(gaps.len() - 1));
            if let (Some(median), Some(p99), Some(max)) = (quantile(50), quantile(99), gaps.last())
            {
                progress.say(format!(
                    "{who}, {what}: gap between successful writes median {median:.0} ms, p99 \
                     {p99:.0} ms, longest {max:.0} ms ({} of writers on servers that stayed)",
                    gaps.len()
                ));
            }
        }
        progress.say(format!("{who}: {} things noticed", self.complaints));
    }
}

/// The gap in which `at` lies; `None` for the clients of the server that went.
fn gap(writes: &[(Instant, u8)], (at, gone): Change) -> Option<f64> {
    let next = writes.iter().position(|(when, _)| *when > at)?;
    // The write under way at that moment, and the one after it, may both be late.
    let pairs = writes.get(next.checked_sub(1)?..)?.windows(2);
    let (before, server) = *writes.get(next - 1)?;
    if Some(server) == gone || before + AFTER < at {
        return None;
    }
    pairs
        .take_while(|pair| {
            pair.first()
                .is_some_and(|(when, _)| *when < at + Duration::from_millis(600))
        })
        .filter_map(|pair| match pair {
            [(a, _), (b, _)] => Some(b.duration_since(*a).as_secs_f64() * 1e3),
            _ => None,
        })
        .max_by(f64::total_cmp)
}
