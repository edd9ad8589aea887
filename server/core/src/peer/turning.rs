//! A config gave this server another role under the same leader: it turns to it when the writes of
//! its clients that are under way have their answers.
//!
//! The leader may still have to do what it was asked over the old connection after the new one was
//! brought level: what came of such a write could not be told any more, and its client would lose its
//! connection for a change of the members that it need not notice.

use super::{Peer, Role};
use crate::io::Outputs;
use crate::time::{Mono, Now};

/// Ticks for which the old role is kept at most.
const TICKS_MAX: u64 = 2;

/// The end of the old role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turning {
    until: Mono,
    /// Whether clients are held by now.
    holds: bool,
}

impl Turning {
    /// Begins; the new role comes after two ticks at the latest.
    pub(crate) fn begin(now: Now, tick_ms: u64) -> Self {
        Self {
            until: now.mono.plus(TICKS_MAX * tick_ms),
            holds: false,
        }
    }

    /// When the old role ends at the latest.
    pub(super) fn until(self) -> Mono {
        self.until
    }
}

impl Peer {
    /// Holds what clients ask from here on, and ends the old role when nothing is under way.
    pub(super) fn turn(&mut self, now: Now, out: &mut Outputs) {
        let Some(mut turning) = self.local.turning else {
            return;
        };
        if !matches!(self.role, Role::Learner(_)) {
            self.local.turning = None;
            return;
        }
        if !turning.holds {
            turning.holds = true;
            self.local.turning = Some(turning);
            self.suspend_clients(now, out);
        }
        if turning.until <= now.mono || !self.local.clients.waits_for_writes() {
            self.end_role("the members changed", true, now, out);
        }
    }
}
