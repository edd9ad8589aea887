//! Voters that have promised a later epoch than the one that is led.
//!
//! A server that tried to lead and failed after its promise may not follow the lower epoch that
//! others established meanwhile: only a new epoch above its promise brings its vote back. (With
//! Apache it stays out until some other cause makes an election.) Since the quorum port believes
//! whoever connects, one such message must not depose a leader: the voter has to insist.

use std::collections::BTreeMap;

use zk_wire::{Epoch, Sid};

use crate::time::Mono;

/// How often a voter must come back with the same promise.
const TRIES: u32 = 3;
/// And for how many ticks at least.
const TICKS: u64 = 2;
/// An epoch this far above the present one was never promised to anybody: each costs an election.
pub(super) const EPOCH_LEAP_MAX: u32 = 1 << 20;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct LatePromises {
    heard: BTreeMap<Sid, (Epoch, u32, Mono)>,
}

impl LatePromises {
    /// A voter says that it has promised `epoch`; true when it has insisted.
    pub(super) fn insists(&mut self, voter: Sid, epoch: Epoch, now: Mono, tick_ms: u64) -> bool {
        let entry = self.heard.entry(voter).or_insert((epoch, 0, now));
        if entry.0 != epoch {
            *entry = (epoch, 0, now);
        }
        entry.1 += 1;
        entry.1 >= TRIES && entry.2.plus(TICKS * tick_ms) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_or_a_burst_of_them_is_not_enough() {
        let mut late = LatePromises::default();
        let mut hear = |epoch, ms| late.insists(Sid(1), Epoch(epoch), Mono::from_ms(ms), 1000);
        assert!(!hear(9, 0) && !hear(9, 1) && !hear(9, 2) && !hear(9, 1999));
        assert!(hear(9, 2000));
        assert!(!hear(10, 2001), "another promise begins anew");
    }
}
