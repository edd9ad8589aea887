//! Who is alive and who owns it: the leader's view, which decides (`SessionTrackerImpl`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zk_wire::SessionId;
use zk_wire::client::ErrorCode;

use super::expiry::ExpiryQueue;
use crate::io::LinkId;
use crate::time::Mono;

/// The server through which a session talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The leader itself.
    Here,
    /// A learner, by its connection. Nothing that comes late over an older one counts.
    Learner(LinkId),
}

#[derive(Debug)]
struct Session {
    timeout_ms: u64,
    owner: Option<Owner>,
    closing: bool,
}

/// Ended sessions that are remembered: many more than learners can have requests under way for.
const ENDED_MAX: usize = 10_000;

/// Global sessions with their deadlines.
#[derive(Debug)]
pub(crate) struct SessionTracker {
    sessions: BTreeMap<SessionId, Session>,
    /// Sessions that ended, so that a late request of one is not taken for that of a local session
    /// of another server; oldest first.
    ended: VecDeque<SessionId>,
    ended_ids: BTreeSet<SessionId>,
    expiry: ExpiryQueue,
}

fn ms(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}

impl SessionTracker {
    /// Tracks `sessions`, each with its full time-out from `now` on: time without a leader does not
    /// count against a session.
    pub(crate) fn new(
        sessions: impl Iterator<Item = (SessionId, i32)>,
        tick_ms: u64,
        now: Mono,
    ) -> Self {
        let mut tracker = Self {
            sessions: BTreeMap::new(),
            ended: VecDeque::new(),
            ended_ids: BTreeSet::new(),
            expiry: ExpiryQueue::new(tick_ms),
        };
        for (id, timeout_ms) in sessions {
            tracker.add(id, timeout_ms, None, now);
        }
        tracker
    }

    /// Begins to track a session; a known one is touched.
    pub(crate) fn add(&mut self, id: SessionId, timeout_ms: i32, owner: Option<Owner>, now: Mono) {
        let session = self.sessions.entry(id).or_insert(Session {
            timeout_ms: ms(timeout_ms),
            owner,
            closing: false,
        });
        if owner.is_some() {
            session.owner = owner;
        }
        if !session.closing {
            self.expiry.touch(id, now, session.timeout_ms);
        }
    }

    /// A sign of life, with the time-out that the connection negotiated; false when the session is
    /// gone or closing.
    pub(crate) fn touch(&mut self, id: SessionId, timeout_ms: i32, now: Mono) -> bool {
        match self.sessions.get_mut(&id) {
            Some(session) if !session.closing => {
                session.timeout_ms = ms(timeout_ms);
                self.expiry.touch(id, now, session.timeout_ms);
                true
            }
            _ => false,
        }
    }

    /// Whether there is such a session, closing or not.
    pub(crate) fn knows(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Through whom a session acts, as far as it is known.
    pub(crate) fn owner(&self, id: SessionId) -> Option<Owner> {
        self.sessions.get(&id).and_then(|session| session.owner)
    }

    /// Whether a living session acts through another server than `owner`.
    pub(crate) fn has_moved(&self, id: SessionId, owner: Owner) -> bool {
        let session = self.sessions.get(&id).filter(|s| !s.closing);
        session.and_then(|s| s.owner).is_some_and(|o| o != owner)
    }

    /// Whether the session lives and may act through `owner`; an unowned one becomes its.
    pub(crate) fn check(&mut self, id: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        match self.sessions.get_mut(&id) {
            Some(session) if !session.closing => {
                if *session.owner.get_or_insert(owner) == owner {
                    Ok(())
                } else {
                    Err(ErrorCode::SessionMoved)
                }
            }
            _ => Err(ErrorCode::SessionExpired),
        }
    }

    /// A client came back through `owner`; false when its session is gone or closing.
    pub(crate) fn reopen(
        &mut self,
        id: SessionId,
        timeout_ms: i32,
        owner: Owner,
        now: Mono,
    ) -> bool {
        let alive = self.touch(id, timeout_ms, now);
        if let Some(session) = self.sessions.get_mut(&id).filter(|_| alive) {
            session.owner = Some(owner);
        }
        alive
    }

    /// A learner has another connection: what acted through the old one, over which nothing comes any
    /// more, acts through the new one. A session that moved to another server stays there.
    pub(crate) fn pass_on(&mut self, from: LinkId, to: LinkId) {
        for session in self.sessions.values_mut() {
            if session.owner == Some(Owner::Learner(from)) {
                session.owner = Some(Owner::Learner(to));
            }
        }
    }

    /// From here on the session answers no request.
    pub(crate) fn set_closing(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closing = true;
        }
        self.expiry.remove(id);
    }

    /// Forgets a session whose end is applied.
    pub(crate) fn remove(&mut self, id: SessionId) {
        self.sessions.remove(&id);
        self.expiry.remove(id);
        if !self.ended_ids.insert(id) {
            return;
        }
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
        {
            self.ended_ids.remove(&oldest);
        }
    }

    /// Whether the session ended not long ago.
    pub(crate) fn has_ended(&self, id: SessionId) -> bool {
        self.ended_ids.contains(&id)
    }

    /// All deadlines, soonest first, with the sessions of each.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (Mono, Vec<SessionId>)> + '_ {
        self.expiry.buckets()
    }

    /// When the next session may be due.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.expiry.next()
    }

    /// Sessions whose time is over; they are closing now.
    pub(crate) fn take_expired(&mut self, now: Mono) -> Vec<SessionId> {
        let due = self.expiry.take_due(now);
        for id in &due {
            self.set_closing(*id);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_closing() {
        let now = Mono::from_ms(0);
        let id = SessionId(1);
        let (here, there) = (Owner::Here, Owner::Learner(LinkId(2)));
        let mut tracker = SessionTracker::new([(id, 4000)].into_iter(), 1000, now);
        assert_eq!(tracker.check(id, here), Ok(()));
        assert_eq!(tracker.check(id, there), Err(ErrorCode::SessionMoved));
        assert!(tracker.reopen(id, 4000, there, now));
        assert_eq!(tracker.check(id, there), Ok(()));
        assert_eq!(tracker.take_expired(Mono::from_ms(6000)), [id]);
        assert_eq!(tracker.check(id, there), Err(ErrorCode::SessionExpired));
        assert!(!tracker.reopen(id, 4000, here, now));
        assert!(!tracker.touch(id, 4000, now));
        tracker.remove(id);
        assert_eq!(tracker.next_deadline(), None);
        assert!(tracker.has_ended(id) && !tracker.knows(id));
    }
}
