//! When the last writes were logged, durable and applied.

use std::collections::VecDeque;
use std::time::Duration;

use zk_core::DiskSeq;
use zk_wire::Zxid;

/// Writes that are remembered: more than may be under way.
const REMEMBERED: usize = 65_536;

/// The way of a write through the log of this server. Times are since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteTimes {
    /// It went to the log: as leader when it was proposed, as learner when the proposal came.
    pub logged: Duration,
    /// This server's disk had it; `None`: not yet.
    pub durable: Option<Duration>,
    /// A quorum had it, and it was applied; `None`: only now.
    pub applied: Option<Duration>,
}

#[derive(Debug)]
struct Write {
    zxid: Zxid,
    seq: DiskSeq,
    times: WriteTimes,
}

/// The writes under way, oldest first.
#[derive(Debug, Default)]
pub struct Writes(VecDeque<Write>);

impl Writes {
    /// One goes to the log.
    pub fn logged(&mut self, zxid: Zxid, seq: DiskSeq, now: Duration) {
        // What was logged under an earlier leader and comes anew has its later place.
        while self.0.back().is_some_and(|last| last.zxid >= zxid) {
            self.0.pop_back();
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Write {
            zxid,
            seq,
            times: WriteTimes {
                logged: now,
                durable: None,
                applied: None,
            },
        });
    }

    /// The disk has done everything up to `through`.
    pub fn durable(&mut self, through: DiskSeq, now: Duration) {
        let not_yet = |write: &&mut Write| write.times.durable.is_none();
        let done = self.0.iter_mut().rev();
        for write in done
            .skip_while(|write| write.seq > through)
            .take_while(not_yet)
        {
            write.times.durable = Some(now);
        }
    }

    /// One is applied.
    pub fn applied(&mut self, zxid: Zxid, now: Duration) {
        if let Some(write) = self.find(zxid).and_then(|at| self.0.get_mut(at)) {
            write.times.applied = Some(now);
        }
    }

    /// What is known of one.
    #[must_use]
    pub fn of(&self, zxid: Zxid) -> Option<WriteTimes> {
        Some(self.0.get(self.find(zxid)?)?.times)
    }

    /// Forgets what was applied: its reply has left.
    pub fn forget_applied(&mut self) {
        while self
            .0
            .front()
            .is_some_and(|first| first.times.applied.is_some())
        {
            self.0.pop_front();
        }
    }

    fn find(&self, zxid: Zxid) -> Option<usize> {
        self.0.binary_search_by_key(&zxid, |write| write.zxid).ok()
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_write_has_its_times_until_its_reply_has_left() {
        let mut writes = Writes::default();
        writes.logged(zxid(1, 1), DiskSeq(5), at(1));
        writes.logged(zxid(1, 2), DiskSeq(7), at(2));
        writes.durable(DiskSeq(6), at(3));
        writes.applied(zxid(1, 1), at(4));
        let first = WriteTimes {
            logged: at(1),
            durable: Some(at(3)),
            applied: Some(at(4)),
        };
        assert_eq!(writes.of(zxid(1, 1)), Some(first));
        writes.forget_applied();
        assert_eq!(writes.of(zxid(1, 1)), None);
        let second = writes.of(zxid(1, 2)).unwrap();
        assert_eq!((second.durable, second.applied), (None, None));
        writes.durable(DiskSeq(7), at(5));
        writes.durable(DiskSeq(8), at(6));
        assert_eq!(writes.of(zxid(1, 2)).unwrap().durable, Some(at(5)));
    }

    #[test]
    fn what_a_new_leader_brings_replaces_what_was_never_applied() {
        let mut writes = Writes::default();
        writes.logged(zxid(1, 8), DiskSeq(1), at(1));
        writes.logged(zxid(1, 9), DiskSeq(2), at(1));
        writes.logged(zxid(1, 9), DiskSeq(3), at(2));
        assert_eq!(writes.of(zxid(1, 9)).unwrap().logged, at(2));
        writes.logged(zxid(2, 1), DiskSeq(4), at(3));
        writes.applied(zxid(2, 1), at(4));
        writes.forget_applied();
        assert_eq!(writes.of(zxid(2, 1)).unwrap().applied, Some(at(4)));
    }

    #[test]
    fn as_much_is_remembered_as_may_be() {
        let mut writes = Writes::default();
        let last = u32::try_from(REMEMBERED).unwrap() + 10;
        for counter in 1..=last {
            writes.logged(zxid(1, counter), DiskSeq(u64::from(counter)), at(1));
        }
        assert_eq!(writes.0.len(), REMEMBERED);
        assert_eq!(writes.of(zxid(1, 10)), None);
        assert!(writes.of(zxid(1, last)).is_some());
    }
}
