//! The recent committed transactions, and how to bring a learner level with them.

use std::collections::VecDeque;

use zk_wire::Zxid;

use crate::db::Entry;

/// Applied transactions, oldest first, without gaps within an epoch.
#[derive(Debug)]
pub(crate) struct History {
    recent: VecDeque<Entry>,
    /// How many are kept (`commitLogCount`).
    len_max: usize,
}

/// How a learner is brought level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncPlan {
    /// It has a prefix of the history: it gets what is after its last transaction.
    Diff,
    /// It has transactions that never were: it cuts its log behind `keep`, which is the end of the
    /// history.
    Trunc {
        /// Last zxid to keep.
        keep: Zxid,
    },
    /// Too far behind, or of another history: the whole state.
    Snap,
}

impl History {
    pub(crate) fn new(mut recent: VecDeque<Entry>, len_max: usize) -> Self {
        recent.drain(..recent.len().saturating_sub(len_max));
        Self { recent, len_max }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        if self.recent.len() >= self.len_max {
            self.recent.pop_front();
        }
        self.recent.push_back(entry);
    }

    /// Forgets what is behind `to`.
    pub(crate) fn cut(&mut self, to: Zxid) {
        while self.recent.back().is_some_and(|e| e.zxid() > to) {
            self.recent.pop_back();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.recent.clear();
    }

    /// The oldest that is kept.
    pub(crate) fn first(&self) -> Option<Zxid> {
        self.recent.front().map(Entry::zxid)
    }

    /// Whether there is a history here, and it begins after `zxid`.
    pub(crate) fn begins_after(&self, zxid: Zxid) -> bool {
        self.first().is_some_and(|first| first > zxid)
    }

    /// Transactions after `zxid`.
    pub(crate) fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Entry> {
        self.recent.iter().skip_while(move |e| e.zxid() <= zxid)
    }

    /// Chooses how to bring a learner level.
    ///
    /// `learner` is the last zxid that it has logged, committed or not; `applied` is the state of
    /// this server. Zab, synchronization phase; mirrors `LearnerHandler.syncFollower`.
    pub(crate) fn sync_plan(&self, applied: Zxid, learner: Zxid) -> SyncPlan {
        if learner == applied {
            return SyncPlan::Diff;
        }
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else {
            // Nothing but a state: only who has more of the same epoch can be brought level by less.
            return if learner > applied && learner.counter() != 0 && applied != Zxid::ZERO {
                SyncPlan::Trunc { keep: applied }
            } else {
                SyncPlan::Snap
            };
        };
        let (min, max) = (first.zxid(), last.zxid());
        // A learner at the very start of an epoch has no transaction of it.
        let epoch_start = learner.counter() == 0;
        if learner > max && !epoch_start {
            return SyncPlan::Trunc { keep: max };
        }
        if learner < min || learner > max {
            return SyncPlan::Snap;
        }
        if epoch_start || self.recent.iter().any(|e| e.zxid() == learner) {
            return SyncPlan::Diff;
        }
        // In the range but unknown: transactions of a leader that nobody followed.
        SyncPlan::Snap
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::txn::{Txn, TxnBody, TxnHeader};
    use zk_wire::{Epoch, SessionId, Xid};

    use super::*;

    fn history(zxids: &[(u32, u32)]) -> History {
        let entry = |(epoch, counter): &(u32, u32)| {
            let zxid = Zxid::new(Epoch(*epoch), *counter);
            let header = TxnHeader {
                session: SessionId(1),
                xid: Xid(0),
                zxid,
                time_ms: 0,
            };
            let txn = Txn {
                header,
                body: TxnBody::Error { code: -1 },
                digest: None,
            };
            Entry {
                txn,
                raw: Bytes::new(),
            }
        };
        History::new(zxids.iter().map(entry).collect(), 500)
    }

    #[test]
    fn plans() {
        let z = |epoch, counter| Zxid::new(Epoch(epoch), counter);
        let h = history(&[(1, 3), (1, 4), (1, 5), (2, 1), (2, 2)]);
        let plan = |learner| h.sync_plan(z(2, 2), learner);
        assert_eq!(plan(z(2, 2)), SyncPlan::Diff);
        assert_eq!(plan(z(1, 4)), SyncPlan::Diff);
        assert_eq!(plan(z(2, 0)), SyncPlan::Diff);
        assert_eq!(plan(z(2, 9)), SyncPlan::Trunc { keep: z(2, 2) });
        assert_eq!(plan(z(3, 7)), SyncPlan::Trunc { keep: z(2, 2) });
        assert_eq!(plan(z(1, 9)), SyncPlan::Snap, "a tail that nobody followed");
        assert_eq!(plan(z(1, 2)), SyncPlan::Snap);
        assert_eq!(plan(z(3, 0)), SyncPlan::Snap);
        assert_eq!(plan(Zxid::ZERO), SyncPlan::Snap);
        // The leader has begun epoch 3, and a learner has all of what was before.
        assert_eq!(h.sync_plan(z(3, 0), z(2, 2)), SyncPlan::Diff);
        assert_eq!(h.after(z(1, 5)).count(), 2);
        assert_eq!(
            history(&[]).sync_plan(Zxid::ZERO, Zxid::ZERO),
            SyncPlan::Diff
        );
        assert_eq!(history(&[]).sync_plan(z(1, 0), Zxid::ZERO), SyncPlan::Snap);
        assert_eq!(history(&[]).sync_plan(Zxid::ZERO, z(1, 4)), SyncPlan::Snap);
    }
}
