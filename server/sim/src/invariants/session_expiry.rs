//! Session expiry: the ensemble ends no session whose client it heard within the time-out, and time
//! without a leader does not count.
//!
//! Apache ZooKeeper, `SessionTrackerImpl` and `LeaderZooKeeperServer`: the leader alone decides, by
//! what it heard itself and what its learners' pings told; a new leader gives every session its full
//! time-out anew.

use std::collections::BTreeMap;

use zk_wire::SessionId;

use super::{Verdict, ensure};

const NAME: &str = "session expiry";

/// What each server's process has heard, as time in ms.
#[derive(Debug, Default)]
pub(crate) struct SessionExpiry {
    leads_since: BTreeMap<u8, u64>,
    heard: BTreeMap<(u8, SessionId), u64>,
}

impl SessionExpiry {
    /// A leader begins to broadcast.
    pub(crate) fn activates(&mut self, sid: u8, now_ms: u64) {
        self.leads_since.insert(sid, now_ms);
    }

    /// A server hears of a session: from its client, or in a learner's ping.
    pub(crate) fn hears(&mut self, sid: u8, session: SessionId, now_ms: u64) {
        self.heard.insert((sid, session), now_ms);
    }

    /// When a server last heard of a session.
    pub(crate) fn heard(&self, sid: u8, session: SessionId) -> Option<u64> {
        self.heard.get(&(sid, session)).copied()
    }

    /// A leader ends a session for its silence.
    pub(crate) fn expires(
        &self,
        sid: u8,
        session: SessionId,
        timeout_ms: u64,
        now_ms: u64,
    ) -> Verdict {
        let since = self.leads_since.get(&sid).copied();
        let heard = self.heard.get(&(sid, session)).copied();
        let Some(last) = since.max(heard) else {
            return ensure(false, NAME, || {
                format!("server {sid} expires {session} and never led")
            });
        };
        ensure(now_ms.saturating_sub(last) >= timeout_ms, NAME, || {
            format!(
                "server {sid} expires {session} at {now_ms} ms, {} ms after it heard of it \
                 ({heard:?}) or began to lead ({since:?}); the time-out is {timeout_ms} ms",
                now_ms.saturating_sub(last)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_too_early_after_contact_or_election_is_found() {
        let mut expiry = SessionExpiry::default();
        let session = SessionId(7);
        expiry.activates(1, 1_000);
        assert!(expiry.expires(1, session, 400, 1_300).is_err());
        assert!(expiry.expires(1, session, 400, 1_500).is_ok());
        expiry.hears(1, session, 1_450);
        assert!(expiry.expires(1, session, 400, 1_800).is_err());
        assert!(expiry.expires(1, session, 400, 1_850).is_ok());
        assert!(expiry.expires(2, session, 400, 9_000).is_err());
    }
}
