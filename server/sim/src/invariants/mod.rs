//! What must always hold, a file each with its source and a test on a made-up violation.
//!
//! The world tells [`Invariants`] what servers and clients do; the first thing that must not be
//! ends the run. None of them looks into the core: they see logs, epochs, packets and replies.

use std::fmt;

pub(crate) mod agreement;
pub(crate) mod conduct;
pub(crate) mod configs;
pub(crate) mod convergence;
pub(crate) mod durability;
pub(crate) mod empty_disk;
pub(crate) mod epochs;
pub(crate) mod exactly_once;
pub(crate) mod hand_over;
pub(crate) mod lasting;
pub(crate) mod leadership;
pub(crate) mod liveness;
pub(crate) mod local_sessions;
pub(crate) mod real_time;
pub(crate) mod replies;
pub(crate) mod session_expiry;
pub(crate) mod session_order;
pub(crate) mod sweeps;
pub(crate) mod total_order;
pub(crate) mod watches;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// What a check says.
pub(crate) type Verdict = Result<(), Violation>;

/// Makes a violation of `invariant` unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    invariant: &'static str,
    detail: impl FnOnce() -> String,
) -> Verdict {
    if holds {
        return Ok(());
    }
    Err(Violation {
        invariant,
        detail: detail(),
    })
}
