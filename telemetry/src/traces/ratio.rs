//! Which part of what could be traced is.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// The golden ratio of 2^64: multiples of it lie evenly in the range, whatever beats the caller has.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// A part of everything, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Eq for Ratio {}

/// Why a text is no such part.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no part of all; write a number from 0 to 1, for example 0.01 for one of a hundred"
)]
pub struct BadRatio(String);

impl Ratio {
    /// Everything.
    pub const ALL: Self = Self(1.0);

    /// One of a hundred.
    pub const HUNDREDTH: Self = Self(0.01);
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Ratio {
    type Err = BadRatio;

    fn from_str(text: &str) -> Result<Self, BadRatio> {
        let part: Option<f64> = text.parse().ok();
        part.filter(|part| (0.0..=1.0).contains(part))
            .map(Self)
            .ok_or_else(|| BadRatio(text.chars().take(64).collect()))
    }
}

/// Chooses that part of what it is asked about.
#[derive(Debug)]
pub struct Sampler {
    /// What is below this is chosen; `None`: everything.
    below: Option<u64>,
    at: AtomicU64,
}

impl Sampler {
    /// Chooses `ratio`.
    #[must_use]
    pub fn new(ratio: Ratio) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of the range; what the numbers lose is far less than one of a million"
        )]
        let below = (ratio.0 < 1.0).then_some((ratio.0 * u64::MAX as f64) as u64);
        Self {
            below,
            at: AtomicU64::new(0),
        }
    }

    /// Whether the next one is chosen.
    pub fn chooses(&self) -> bool {
        self.below
            .is_none_or(|below| self.at.fetch_add(STRIDE, Ordering::Relaxed) < below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(ratio: &str, of: usize) -> usize {
        let sampler = Sampler::new(ratio.parse().unwrap());
        (0..of).filter(|_| sampler.chooses()).count()
    }

    #[test]
    fn the_part_that_was_asked_for_is_chosen() {
        assert_eq!(chosen("1", 1000), 1000);
        assert_eq!(chosen("0", 1000), 0);
        for (ratio, expected) in [("0.01", 1000_usize), ("0.5", 50_000), ("0.001", 100)] {
            let chosen = chosen(ratio, 100_000);
            assert!(chosen.abs_diff(expected) <= 2, "{ratio}: {chosen}");
        }
    }

    #[test]
    fn two_that_take_turns_are_chosen_alike() {
        let sampler = Sampler::new("0.1".parse().unwrap());
        let mut counts = [0_usize; 2];
        for turn in 0..20_000 {
            if sampler.chooses() {
                counts[turn % 2] += 1;
            }
        }
        assert!(counts[0].abs_diff(counts[1]) < 10, "{counts:?}");
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "-0.1", "1.1", "NaN", "inf", "1%"] {
            let why = text.parse::<Ratio>().unwrap_err().to_string();
            assert!(why.contains("from 0 to 1"), "{why}");
        }
    }
}
