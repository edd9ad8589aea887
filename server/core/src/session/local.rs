//! Sessions that only this server knows (`LocalSessionTracker`, `UpgradeableSessionTracker`): no
//! transaction begins or ends them, this server's clock alone says when they are over, and they end
//! with the role under which they began. The first ephemeral makes a session global: it leaves this
//! table and gets a createSession transaction with the same id.

use std::collections::BTreeMap;

use zk_wire::SessionId;

use super::expiry::ExpiryQueue;
use crate::time::Mono;

#[derive(Debug)]
struct LocalSession {
    /// As negotiated when it began: what an upgrade makes known to all.
    first_timeout_ms: i32,
}

/// The local sessions of this server.
#[derive(Debug)]
pub(crate) struct LocalSessions {
    sessions: BTreeMap<SessionId, LocalSession>,
    expiry: ExpiryQueue,
}

fn ms(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}

impl LocalSessions {
    pub(crate) fn new(tick_ms: u64) -> Self {
        Self {
            sessions: BTreeMap::new(),
            expiry: ExpiryQueue::new(tick_ms),
        }
    }

    /// Begins a session.
    pub(crate) fn add(&mut self, id: SessionId, timeout_ms: i32, now: Mono) {
        let session = LocalSession {
            first_timeout_ms: timeout_ms,
        };
        self.sessions.insert(id, session);
        self.expiry.touch(id, now, ms(timeout_ms));
    }

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(crate) fn len(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// A sign of life, with the time-out that the connection negotiated; false when the session is
    /// not one of these.
    pub(crate) fn touch(&mut self, id: SessionId, timeout_ms: i32, now: Mono) -> bool {
        let known = self.contains(id);
        if known {
            self.expiry.touch(id, now, ms(timeout_ms));
        }
        known
    }

    /// The session is about to become global, or has ended; gives the time-out that it began with,
    /// ms.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<i32> {
        self.expiry.remove(id);
        self.sessions.remove(&id).map(|s| s.first_timeout_ms)
    }

    /// Forgets all: the role under which they began is over.
    pub(crate) fn clear(&mut self) {
        for id in std::mem::take(&mut self.sessions).into_keys() {
            self.expiry.remove(id);
        }
    }

    /// When the next session may be due.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.expiry.next()
    }

    /// Sessions whose time is over; they are forgotten.
    pub(crate) fn take_expired(&mut self, now: Mono) -> Vec<SessionId> {
        let due = self.expiry.take_due(now);
        for id in &due {
            self.sessions.remove(id);
        }
        due
    }

    /// All deadlines, soonest first, with the sessions of each.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (Mono, Vec<SessionId>)> + '_ {
        self.expiry.buckets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_session_ends_by_silence_upgrade_or_with_the_role() {
        let (now, [a, b, c]) = (Mono::from_ms(0), [1, 2, 3].map(SessionId));
        let mut local = LocalSessions::new(1000);
        for id in [a, b, c] {
            local.add(id, 4000, now);
        }
        assert!(local.touch(b, 9000, now) && !local.touch(SessionId(9), 9000, now));
        assert_eq!(local.remove(b), Some(4000), "not what a renewal negotiated");
        assert_eq!(local.remove(b), None);
        assert!(local.touch(c, 6000, now));
        assert_eq!(local.take_expired(Mono::from_ms(5000)), [a]);
        assert!(!local.contains(a) && local.contains(c) && local.len() == 1);
        local.clear();
        assert_eq!((local.next_deadline(), local.len()), (None, 0));
    }
}
