//! The gaps between successful writes around a change of leaders.

use std::time::{Duration, Instant};

use super::session::Ledger;
use super::{Change, What};
use crate::progress::Progress;

/// A gap that ends later than this after a change is not of its making.
const AFTER: Duration = Duration::from_secs(10);

/// Prints, of each kind of change, the gaps of all writers: of each the longest around each change.
/// The clients of a server that was stopped are left out.
pub(crate) fn print(progress: &Progress, who: &str, ledgers: &[Ledger], changes: &[Change]) {
    for what in What::ALL {
        let mut gaps: Vec<f64> = changes
            .iter()
            .filter(|change| change.what == what)
            .flat_map(|change| ledgers.iter().filter_map(|l| gap(&l.writes, change)))
            .collect();
        gaps.sort_by(f64::total_cmp);
        let quantile = |q: usize| gaps.get((gaps.len() * q / 100).min(gaps.len().max(1) - 1));
        if let (Some(median), Some(p99), Some(max)) = (quantile(50), quantile(99), gaps.last()) {
            progress.say(format!(
                "{who}, {}: gap between successful writes median {median:.0} ms, p99 {p99:.0} ms, \
                 longest {max:.0} ms ({} gaps of writers on servers that stayed)",
                what.name(),
                gaps.len()
            ));
        }
    }
}

/// The gap in which the change lies; `None` for the clients of the server that went.
fn gap(writes: &[(Instant, u8)], change: &Change) -> Option<f64> {
    let at = change.at;
    let next = writes.iter().position(|(when, _)| *when > at)?;
    // The write under way at that moment, and the one after it, may both be late.
    let pairs = writes.get(next.checked_sub(1)?..)?.windows(2);
    let (before, server) = *writes.get(next - 1)?;
    if Some(server) == change.gone || before + AFTER < at {
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
