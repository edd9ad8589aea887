//! How long things take: counts by fixed bounds, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds, µs: from a flush of a fast disk to a long election.
const BOUNDS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Durations by their bounds.
#[derive(Debug, Default)]
pub struct Histogram {
    within: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    sum_us: AtomicU64,
}

/// What a histogram shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Upper bounds in µs, and how many durations are not above each.
    pub(crate) upto: Vec<(u64, u64)>,
    /// All.
    pub(crate) count: u64,
    /// Their sum, µs.
    pub(crate) sum_us: u64,
}

impl Histogram {
    /// Observes a duration.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < us);
        let count = self.within.get(at).unwrap_or(&self.beyond);
        count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// What was observed so far.
    pub(crate) fn buckets(&self) -> Buckets {
        let mut count = 0;
        let within = BOUNDS.into_iter().zip(&self.within);
        let upto = within
            .map(|(bound, n)| {
                count += n.load(Relaxed);
                (bound, count)
            })
            .collect();
        Buckets {
            upto,
            count: count + self.beyond.load(Relaxed),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_from_its_bound_on() {
        let histogram = Histogram::default();
        for us in [0, 100, 101, 250, 251, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let buckets = histogram.buckets();
        let first = [(100, 2), (250, 4), (500, 5), (1000, 5)];
        assert_eq!(buckets.upto[..4], first);
        assert_eq!(buckets.upto.last(), Some(&(60_000_000, 6)));
        assert_eq!((buckets.count, buckets.sum_us), (7, 120_000_703));
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted());
    }
}
