//! Acknowledgements of the epoch, and who of those has more than the leader (quorum.md section 5).
//!
//! A voter with a newer history must not be led: what it has more may be committed. A server that is to
//! get its vote only by a config that this leader has proposed and not committed may have more, too, and
//! be needed for a quorum of that config, while those who have not heard of it cannot elect it. What it
//! has more was never committed, and may be cut,
//! - by a quorum of the config in force: this leader was elected by one, none of which has more;
//! - by a quorum of the proposed one, if the voters of that one that have no more than this leader leave
//!   no quorum of others, or if so many voters of the config in force lack the proposed one that it
//!   cannot have come into force.
//!
//! (Apache's leader refuses it in any case, and such an ensemble stands still.)

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::{Epoch, Sid, Zxid};

use crate::ensemble::Ensemble;

/// What was acknowledged so far.
#[derive(Debug)]
pub(super) struct EpochAcks {
    pub(super) epoch: Epoch,
    /// The end of the history of each voter that has no more than this leader.
    level: BTreeMap<Sid, Zxid>,
    /// Those of the config to come that have more.
    ahead: BTreeSet<Sid>,
}

impl EpochAcks {
    /// Begins with the leader's own.
    pub(super) fn new(epoch: Epoch, me: Sid, last_logged: Zxid) -> Self {
        Self {
            epoch,
            level: [(me, last_logged)].into(),
            ahead: BTreeSet::new(),
        }
    }

    /// A voter that has no more than this leader.
    pub(super) fn level(&mut self, sid: Sid, last: Zxid) {
        self.level.insert(sid, last);
    }

    /// One that has more. False when it must not be led by this leader.
    pub(super) fn ahead(&mut self, sid: Sid, ensemble: &Ensemble) -> bool {
        let newcomer = ensemble.is_voter(sid) && !ensemble.votes_now(sid);
        if newcomer {
            self.ahead.insert(sid);
        }
        newcomer
    }

    /// Whether a quorum of every config that counts has acknowledged.
    pub(super) fn are_enough(&self, ensemble: &Ensemble) -> bool {
        let level = self.level.keys().copied();
        if self.may_have_committed_more(ensemble) {
            return ensemble.is_quorum(level);
        }
        ensemble.is_quorum(level.chain(self.ahead.iter().copied()))
    }

    /// Whether something that this leader does not have may have been committed by the proposed config.
    fn may_have_committed_more(&self, ensemble: &Ensemble) -> bool {
        let Some(proposed) = ensemble.proposed() else {
            return true;
        };
        let (at, committed) = (Zxid::from_wire(proposed.version), ensemble.committed());
        let others = proposed
            .voters()
            .filter(|sid| !self.level.contains_key(sid));
        let may_have_logged = |sid: &Sid| self.level.get(sid).is_none_or(|last| *last >= at);
        proposed.is_quorum(others)
            && committed.is_quorum(committed.voters().filter(may_have_logged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bugs::Bugs;
    use crate::ensemble::tests::members;

    /// Server 3 leads, its history ends at 9, and it has logged at 7 that 2 gets a vote.
    #[track_caller]
    fn check(now: &[i64], next: &[i64], level: &[(i64, i64)], expected: bool) {
        let mut ensemble = Ensemble::new(members(now, 1), Sid(3), Bugs::default());
        assert!(ensemble.propose(members(next, 7)));
        let mut acks = EpochAcks::new(Epoch(2), Sid(3), Zxid::from_wire(9));
        assert!(acks.ahead(Sid(2), &ensemble));
        assert!(!acks.ahead(Sid(1), &ensemble), "it votes now");
        assert!(!acks.ahead(Sid(8), &ensemble), "it never votes");
        for (sid, last) in level {
            acks.level(Sid(*sid), Zxid::from_wire(*last));
        }
        assert_eq!(acks.are_enough(&ensemble), expected);
    }

    #[test]
    fn a_newcomer_that_has_more_counts_only_if_nothing_of_that_can_be_committed() {
        // Not without a quorum of the config in force.
        check(&[1, 3], &[2, 3], &[], false);
        check(&[1, 3], &[2, 3], &[(1, 7)], true);
        check(&[3], &[2, 3], &[], true);
        // 2 and 4 may have gone on without 3, if 1 or 5 had heard of the config that lets them.
        check(&[1, 3, 5], &[2, 3, 4], &[(1, 7)], false);
        check(&[1, 3, 5], &[2, 3, 4], &[(1, 6)], false);
        check(&[1, 3, 5], &[2, 3, 4], &[(1, 6), (5, 5)], true);
        check(&[1, 3, 5], &[2, 3, 4], &[(1, 7), (4, 8)], true);
        // Where enough others are level, nobody asks the newcomer.
        check(&[1, 3], &[1, 2, 3], &[(1, 7)], true);
    }
}
