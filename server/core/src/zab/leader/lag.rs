//! How far a learner is behind its leader.
//!
//! A follower acknowledges what it has on disk. An observer acknowledges nothing, but answers each PING
//! behind what it was sent before: the answer tells what it has received, and how late that is.

use std::collections::VecDeque;

use zk_wire::Zxid;

use crate::time::Mono;

/// Moments that are remembered at most, of each kind: more than come within `syncLimit`, after which a
/// learner that is silent loses its connection.
const NOTES_MAX: usize = 64;

/// A PING that is not answered.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// What it carries, and its answer with it.
    carries: Zxid,
    /// The last that was sent before it.
    behind: Zxid,
    at: Mono,
}

/// What one learner has, as far as its leader can tell.
#[derive(Debug)]
pub(crate) struct Lag {
    connected_at: Mono,
    /// It has everything up to here.
    confirmed: Zxid,
    /// What it will have when it acknowledges NEWLEADER.
    in_sync: Zxid,
    /// When some of the proposals were sent that it has not acknowledged, oldest first.
    notes: VecDeque<(Zxid, Mono)>,
    /// The last proposal that it was sent.
    newest: Option<(Zxid, Mono)>,
    pings: VecDeque<Asked>,
    /// How late the last answer was, ms, and how many transactions had followed its PING.
    late: (u64, u64),
}

/// How far a learner is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Transactions.
    pub(crate) txns: u64,
    /// How late it was when it was heard last, ms.
    pub(crate) late_ms: u64,
    /// When the oldest was sent that it has not confirmed, where that is known.
    pub(crate) since: Option<Mono>,
}

impl Lag {
    /// Of a learner that connects now.
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            connected_at: now,
            confirmed: Zxid::ZERO,
            in_sync: Zxid::ZERO,
            notes: VecDeque::new(),
            newest: None,
            pings: VecDeque::new(),
            late: (0, 0),
        }
    }

    /// It is sent what it lacks behind `has`, up to `through`.
    pub(crate) fn sync_sent(&mut self, has: Zxid, through: Zxid) {
        self.confirmed = has;
        self.in_sync = through;
    }

    /// It has all of that.
    pub(crate) fn sync_done(&mut self) {
        self.confirmed = self.in_sync;
        self.forget_notes();
    }

    /// A proposal was sent; one in `spacing_ms` is remembered.
    pub(crate) fn sent(&mut self, zxid: Zxid, now: Mono, spacing_ms: u64) {
        self.newest = Some((zxid, now));
        let due = self
            .notes
            .back()
            .is_none_or(|(_, at)| at.plus(spacing_ms) <= now);
        if due && self.notes.len() < NOTES_MAX {
            self.notes.push_back((zxid, now));
        }
    }

    /// It has everything up to `zxid` on disk.
    pub(crate) fn acked(&mut self, zxid: Zxid) {
        self.confirmed = self.confirmed.max(zxid);
        self.forget_notes();
    }

    fn forget_notes(&mut self) {
        while self
            .notes
            .front()
            .is_some_and(|(zxid, _)| *zxid <= self.confirmed)
        {
            self.notes.pop_front();
        }
        if self.notes.is_empty() {
            let rest = self.newest.filter(|(zxid, _)| *zxid > self.confirmed);
            self.notes.extend(rest);
        }
    }

    /// A PING was sent that carries `carries`, behind everything up to `behind`.
    pub(crate) fn pinged(&mut self, carries: Zxid, behind: Zxid, now: Mono) {
        if self.pings.len() < NOTES_MAX {
            self.pings.push_back(Asked {
                carries,
                behind,
                at: now,
            });
        }
    }

    /// A PING was answered by a learner that does not acknowledge, while `last` was the last that it
    /// was sent.
    pub(crate) fn answered(&mut self, carries: Zxid, last: Zxid, now: Mono) {
        let Some(ping) = self.take_ping(carries) else {
            return;
        };
        self.confirmed = self.confirmed.max(ping.behind);
        let late_ms = u64::try_from(now.since(ping.at).as_millis()).unwrap_or(u64::MAX);
        let txns = distance(self.confirmed, last);
        self.late = if txns == 0 { (0, 0) } else { (late_ms, txns) };
    }

    /// A PING was answered by a learner that acknowledges.
    pub(crate) fn heard(&mut self, carries: Zxid) {
        self.take_ping(carries);
    }

    /// Answers come in the order of the PINGs. One that fits none says nothing.
    fn take_ping(&mut self, carries: Zxid) -> Option<Asked> {
        let at = self.pings.iter().position(|p| p.carries == carries)?;
        self.pings.drain(..=at).next_back()
    }

    /// How far it is behind `last` while it is brought level.
    pub(crate) fn in_sync(&self, last: Zxid) -> Behind {
        Behind {
            txns: distance(self.confirmed, last),
            late_ms: 0,
            since: Some(self.connected_at),
        }
    }

    /// How far a follower is behind `last`, the last proposal.
    pub(crate) fn of_follower(&self, last: Zxid) -> Behind {
        let oldest = self.notes.front().map(|(_, at)| *at);
        let since = [oldest, self.overdue()].into_iter().flatten().min();
        Behind {
            txns: distance(self.confirmed, last),
            late_ms: 0,
            since,
        }
    }

    /// How far an observer is behind `last`, the last that was committed.
    pub(crate) fn of_observer(&self, last: Zxid) -> Behind {
        let since = self.overdue();
        let txns = distance(self.confirmed, last);
        let (late_ms, late_txns) = if txns == 0 { (0, 0) } else { self.late };
        Behind {
            // What followed the last PING on its way to it is not known to be missing there.
            txns: if since.is_some() { txns } else { late_txns },
            late_ms,
            since,
        }
    }

    /// Since when an answer is missing. One PING may be under way.
    fn overdue(&self) -> Option<Mono> {
        let oldest = self.pings.front().filter(|_| self.pings.len() > 1);
        oldest.map(|ping| ping.at)
    }
}

/// How many transactions follow `from` up to `to`, as far as that is known: of earlier epochs it is not.
fn distance(from: Zxid, to: Zxid) -> u64 {
    let known_from = if from.epoch() == to.epoch() {
        from.counter()
    } else {
        0
    };
    if from >= to {
        return 0;
    }
    u64::from(to.counter().saturating_sub(known_from))
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(2), counter)
    }

    fn ms(ms: u64) -> Mono {
        Mono::from_ms(ms)
    }

    /// Level at transaction 10.
    fn level() -> Lag {
        let mut lag = Lag::new(ms(0));
        lag.sync_sent(z(4), z(10));
        assert_eq!(lag.in_sync(z(10)).txns, 6);
        assert_eq!(lag.in_sync(z(10)).since, Some(ms(0)));
        lag.sync_done();
        lag
    }

    const NONE: Behind = Behind {
        txns: 0,
        late_ms: 0,
        since: None,
    };

    #[test]
    fn a_follower_is_behind_by_what_it_has_not_acknowledged() {
        let mut lag = level();
        assert_eq!(lag.of_follower(z(10)), NONE);
        for n in 1..=30 {
            lag.sent(z(10 + n), ms(100 + u64::from(n)), 10);
        }
        let behind = lag.of_follower(z(40));
        assert_eq!((behind.txns, behind.since), (30, Some(ms(101))));
        lag.acked(z(11));
        let behind = lag.of_follower(z(40));
        assert_eq!((behind.txns, behind.since), (29, Some(ms(111))));
        lag.acked(z(39));
        let behind = lag.of_follower(z(40));
        assert_eq!((behind.txns, behind.since), (1, Some(ms(130))));
        lag.acked(z(40));
        assert_eq!(lag.of_follower(z(40)), NONE);
    }

    #[test]
    fn silence_is_a_lag_as_soon_as_a_second_ping_is_unanswered() {
        let mut lag = level();
        lag.pinged(z(10), z(10), ms(1000));
        assert_eq!(lag.of_follower(z(10)), NONE);
        assert_eq!(lag.of_observer(z(10)), NONE);
        lag.pinged(z(10), z(10), ms(2000));
        assert_eq!(lag.of_follower(z(10)).since, Some(ms(1000)));
        assert_eq!(lag.of_observer(z(10)).since, Some(ms(1000)));
        lag.heard(z(10));
        assert_eq!(lag.of_follower(z(10)), NONE);
    }

    #[test]
    fn an_observer_is_as_late_as_its_answers() {
        let mut lag = level();
        lag.pinged(z(21), z(20), ms(1000));
        assert_eq!(lag.of_observer(z(20)), NONE, "nothing is known yet");
        lag.answered(z(21), z(25), ms(1040));
        let behind = lag.of_observer(z(26));
        assert_eq!((behind.txns, behind.late_ms, behind.since), (5, 40, None));
        lag.pinged(z(30), z(30), ms(2000));
        lag.answered(z(30), z(30), ms(2040));
        assert_eq!(lag.of_observer(z(30)), NONE, "it has everything");
    }

    #[test]
    fn the_lag_of_an_observer_that_is_silent_grows() {
        let mut lag = level();
        lag.pinged(z(10), z(10), ms(1000));
        lag.pinged(z(50), z(50), ms(2000));
        let behind = lag.of_observer(z(60));
        assert_eq!((behind.txns, behind.since), (50, Some(ms(1000))));
        lag.answered(z(10), z(60), ms(2500));
        let behind = lag.of_observer(z(60));
        assert_eq!(
            (behind.txns, behind.late_ms, behind.since),
            (50, 1500, None)
        );
    }

    #[test]
    fn an_answer_that_fits_no_ping_says_nothing() {
        let mut lag = level();
        lag.pinged(z(12), z(12), ms(1000));
        lag.answered(z(99), z(99), ms(1001));
        lag.pinged(z(13), z(13), ms(2000));
        assert_eq!(lag.of_observer(z(13)).since, Some(ms(1000)));
        assert_eq!(lag.of_observer(z(13)).txns, 3);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut lag = level();
        for n in 0..10_000 {
            lag.sent(z(11 + n), ms(u64::from(n)), 1);
            lag.pinged(z(11 + n), z(11 + n), ms(u64::from(n)));
        }
        assert_eq!((lag.notes.len(), lag.pings.len()), (NOTES_MAX, NOTES_MAX));
        assert_eq!(lag.of_follower(z(10_010)).since, Some(ms(0)));
        lag.acked(z(10_010));
        lag.heard(z(74));
        assert_eq!(lag.of_follower(z(10_010)), NONE);
    }

    #[test]
    fn of_another_epoch_only_what_is_known_is_counted() {
        let before = Zxid::new(Epoch(1), 4_000_000_000);
        assert_eq!(distance(before, z(0)), 0);
        assert_eq!(distance(before, z(3)), 3);
        assert_eq!(distance(z(3), before), 0);
        assert_eq!(distance(z(5), z(3)), 0);
    }
}
