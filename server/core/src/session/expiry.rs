//! Deadlines in buckets of one tick (`ExpiryQueue`): many sessions, few distinct deadlines.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::SessionId;

use crate::time::Mono;

/// Sessions by the end of the tick in which their time runs out.
#[derive(Debug)]
pub(crate) struct ExpiryQueue {
    tick_ms: u64,
    buckets: BTreeMap<Mono, BTreeSet<SessionId>>,
    deadline: BTreeMap<SessionId, Mono>,
}

impl ExpiryQueue {
    pub(crate) fn new(tick_ms: u64) -> Self {
        Self {
            tick_ms,
            buckets: BTreeMap::new(),
            deadline: BTreeMap::new(),
        }
    }

    /// Sets the deadline anew: `timeout_ms` from now, rounded up to the end of a tick.
    pub(crate) fn touch(&mut self, session: SessionId, now: Mono, timeout_ms: u64) {
        let tick = self.tick_ms;
        let at = Mono::from_ms(((now.as_ms() + timeout_ms) / tick + 1) * tick);
        if self.deadline.get(&session) == Some(&at) {
            return;
        }
        self.remove(session);
        self.deadline.insert(session, at);
        self.buckets.entry(at).or_default().insert(session);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        if let Some(at) = self.deadline.remove(&session)
            && let Some(bucket) = self.buckets.get_mut(&at)
        {
            bucket.remove(&session);
            if bucket.is_empty() {
                self.buckets.remove(&at);
            }
        }
    }

    /// All deadlines, soonest first, with the sessions of each.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Mono, Vec<SessionId>)> + '_ {
        self.buckets
            .iter()
            .map(|(at, sessions)| (*at, sessions.iter().copied().collect()))
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.buckets.keys().next().copied()
    }

    /// Takes the sessions whose deadline has come.
    pub(crate) fn take_due(&mut self, now: Mono) -> Vec<SessionId> {
        let mut due = Vec::new();
        while let Some((at, sessions)) = self.buckets.first_key_value()
            && *at <= now
        {
            due.extend(sessions.iter().copied());
            let at = *at;
            self.buckets.remove(&at);
        }
        for session in &due {
            self.deadline.remove(session);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_session_dies_between_its_timeout_and_one_tick_more() {
        let mut queue = ExpiryQueue::new(1000);
        queue.touch(SessionId(1), Mono::from_ms(500), 2000);
        assert_eq!(queue.next(), Some(Mono::from_ms(3000)));
        assert_eq!(queue.take_due(Mono::from_ms(2999)), []);
        queue.touch(SessionId(1), Mono::from_ms(1000), 2000);
        assert_eq!(queue.take_due(Mono::from_ms(3000)), []);
        assert_eq!(queue.take_due(Mono::from_ms(4000)), [SessionId(1)]);
        assert_eq!(queue.next(), None);
    }
}
