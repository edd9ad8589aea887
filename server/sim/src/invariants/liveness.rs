//! Liveness: once the faults are over, a leader is there and writes succeed within a bound.
//!
//! Zab, "liveness" needs a stable leader and a quorum (DSN 2011, section 4); the bound is generous:
//! clients reconnect, elections repeat and a learner may need a snapshot.

use super::{Verdict, ensure};
use crate::queue::Us;

const NAME: &str = "liveness";

/// From the end of the faults to a write that succeeds, us: some ten rounds of initLimit.
pub(crate) const RECOVERY_MAX_US: Us = 10_000_000;

/// When the faults ended and the first write succeeded after that.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    healed_at: Option<Us>,
    wrote_at: Option<Us>,
}

impl Liveness {
    /// The faults are over.
    pub(crate) fn healed(&mut self, now: Us) {
        self.healed_at = Some(now);
    }

    /// A write was acknowledged.
    pub(crate) fn wrote(&mut self, now: Us) {
        if self.healed_at.is_some() {
            self.wrote_at.get_or_insert(now);
        }
    }

    /// Whether the ensemble works again.
    pub(crate) fn recovered(&self) -> bool {
        self.wrote_at.is_some()
    }

    /// Time goes on.
    pub(crate) fn check(&self, now: Us, picture: impl FnOnce() -> String) -> Verdict {
        let late = self.healed_at.is_some_and(|at| now > at + RECOVERY_MAX_US);
        ensure(!late || self.recovered(), NAME, || {
            format!(
                "no write succeeded within {} s after the faults ended: {}",
                RECOVERY_MAX_US / 1_000_000,
                picture()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensemble_that_stays_down_is_found() {
        let mut liveness = Liveness::default();
        liveness.wrote(1);
        liveness.healed(5);
        assert!(liveness.check(RECOVERY_MAX_US, String::new).is_ok());
        assert!(liveness.check(RECOVERY_MAX_US + 6, String::new).is_err());
        liveness.wrote(RECOVERY_MAX_US);
        assert!(liveness.check(RECOVERY_MAX_US + 6, String::new).is_ok());
    }
}
