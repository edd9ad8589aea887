//! Quantiles of what was observed, within an eighth of their value, in fixed space.
//!
//! Apache's providers keep samples; buckets that grow with the value need no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Values below this have a bucket each.
const EXACT: u64 = 16;

/// Buckets per power of two above.
const PER_OCTAVE: u64 = 8;

/// The largest power of two that has buckets; larger values go to the last.
const OCTAVE_MAX: u64 = 40;

/// Number of buckets: the exact ones, and those of the octaves 4 to 40.
const LEN: usize = 16 + 37 * 8;

/// Counts by bucket.
#[derive(Debug)]
pub(super) struct Quantiles(Box<[AtomicU64]>);

impl Default for Quantiles {
    fn default() -> Self {
        Self((0..LEN).map(|_| AtomicU64::new(0)).collect())
    }
}

/// The bucket of a value.
fn bucket(value: u64) -> u64 {
    if value < EXACT {
        return value;
    }
    let octave = u64::from(value.ilog2());
    if octave > OCTAVE_MAX {
        return LEN as u64 - 1;
    }
    let within = (value >> (octave - 3)) - PER_OCTAVE;
    EXACT + (octave - 4) * PER_OCTAVE + within
}

/// The smallest value of a bucket.
fn floor(bucket: u64) -> u64 {
    if bucket < EXACT {
        return bucket;
    }
    let (octave, within) = ((bucket - EXACT) / PER_OCTAVE, (bucket - EXACT) % PER_OCTAVE);
    (PER_OCTAVE + within) << (octave + 1)
}

impl Quantiles {
    pub(super) fn observe(&self, value: u64) {
        let at = usize::try_from(bucket(value)).unwrap_or(LEN - 1);
        if let Some(count) = self.0.get(at) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn at(&self, per_mille: u64) -> u64 {
        let total: u64 = self.0.iter().map(|n| n.load(Relaxed)).sum();
        let wanted = total.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (at, count) in (0..).zip(&self.0) {
            seen += count.load(Relaxed);
            if seen >= wanted {
                return floor(at);
            }
        }
        0
    }

    pub(super) fn reset(&self) {
        for count in &self.0 {
            count.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_that_is_near() {
        for value in (0..4096).chain((12..60).map(|n| (1_u64 << n) - 1)) {
            let low = floor(bucket(value));
            assert!(low <= value, "{value}");
            if value < 1 << 40 {
                assert!(value - low <= value / 8, "{value} in the bucket from {low}");
            }
            assert!(bucket(value) < LEN as u64, "{value}");
        }
    }

    #[test]
    fn quantiles_of_a_hundred() {
        let quantiles = Quantiles::default();
        assert_eq!(quantiles.at(500), 0);
        for value in 1..=100 {
            quantiles.observe(value % 10);
        }
        assert_eq!((quantiles.at(500), quantiles.at(999)), (4, 9));
        quantiles.reset();
        assert_eq!(quantiles.at(999), 0);
    }
}
