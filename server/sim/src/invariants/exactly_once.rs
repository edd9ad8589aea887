//! Exactly once: a request of a client becomes one transaction at most, and only while its session
//! lives.
//!
//! Apache ZooKeeper, `PrepRequestProcessor` and `SessionTrackerImpl`: every write carries the
//! session and the client's number; nothing of a session comes behind its closeSession.
//!
//! A client that lost its connection looks with a sync and a read on the next one whether its write
//! came to be, and asks again if not: what it did not see then must never come to be.

use std::collections::BTreeMap;

use zk_wire::txn::{Txn, TxnBody};
use zk_wire::{SessionId, Xid, Zxid};

use super::{Verdict, ensure};

const NAME: &str = "exactly once";

/// Requests and sessions of the committed history.
#[derive(Debug, Default)]
pub(crate) struct ExactlyOnce {
    requests: BTreeMap<(SessionId, Xid), Zxid>,
    /// The last request of each session that had an effect.
    newest: BTreeMap<SessionId, Xid>,
    ended: BTreeMap<SessionId, Zxid>,
    /// The first request on the present connection of a session, and the state that a sync on that
    /// connection showed.
    settled: BTreeMap<SessionId, (Xid, Zxid)>,
    begun: BTreeMap<SessionId, Zxid>,
    /// Whether a session may write before it begins for all.
    pub local_sessions: bool,
    /// Whether the requests of a session have the same numbers again on its next connection.
    pub numbers_anew: bool,
}

impl ExactlyOnce {
    /// The next committed transaction.
    pub(crate) fn committed(&mut self, txn: &Txn) -> Verdict {
        let (session, xid, zxid) = (txn.header.session, txn.header.xid, txn.header.zxid);
        if session == SessionId::NONE {
            return Ok(());
        }
        match &txn.body {
            TxnBody::CreateSession { .. } => {
                let first = *self.begun.entry(session).or_insert(zxid);
                return ensure(first == zxid, NAME, || {
                    format!("session {session} begins at {first} and again at {zxid}")
                });
            }
            // The failure of a request that came too late is no effect of the session.
            body if is_fruitless(body) => {}
            TxnBody::Error { .. } => {}
            // Nor is a second end, through a server where an earlier request for it waited: Apache
            // does not ask whether the session lives, either.
            TxnBody::CloseSession { .. } if self.ended.contains_key(&session) => return Ok(()),
            TxnBody::CloseSession { .. }
            | TxnBody::Create(_)
            | TxnBody::Delete { .. }
            | TxnBody::SetData { .. }
            | TxnBody::SetAcl { .. }
            | TxnBody::Check { .. }
            | TxnBody::Multi(_) => {
                let ended = self.ended.get(&session);
                ensure(
                    ended.is_none() && (self.local_sessions || self.begun.contains_key(&session)),
                    NAME,
                    || format!("{zxid} is of session {session}, which is not alive ({ended:?})"),
                )?;
            }
        }
        if matches!(txn.body, TxnBody::CloseSession { .. }) {
            self.ended.insert(session, zxid);
        }
        // The ensemble's own requests of a session, its expiry, have no number.
        if xid.0 > 0 && !self.numbers_anew {
            self.in_order(txn)?;
            self.not_given_up(txn)?;
            let first = *self.requests.entry((session, xid)).or_insert(zxid);
            ensure(first == zxid, NAME, || {
                format!("request {xid} of session {session} is both {first} and {zxid}")
            })?;
        }
        Ok(())
    }

    /// A client's requests have their effects in the order in which it asked for them, wherever it
    /// was connected.
    fn in_order(&mut self, txn: &Txn) -> Verdict {
        let closes = matches!(txn.body, TxnBody::CloseSession { .. });
        // Whoever asks for the end gets it, from wherever: as in Apache, no owner is asked.
        if is_fruitless(&txn.body) || closes {
            return Ok(());
        }
        let (session, xid, zxid) = (txn.header.session, txn.header.xid, txn.header.zxid);
        let newest = self.newest.insert(session, xid).unwrap_or_default();
        ensure(newest <= xid, NAME, || {
            format!("{zxid} is request {xid} of session {session}, which had {newest} before")
        })
    }

    /// A sync is answered on a connection whose first request is `first`.
    pub(crate) fn synced(&mut self, session: SessionId, first: Xid, zxid: Zxid) {
        let settled = self.settled.entry(session).or_insert((first, zxid));
        if settled.0 != first {
            *settled = (first, zxid);
        }
    }

    /// What a client had asked on an earlier connection, and did not find when it looked, stays away.
    fn not_given_up(&self, txn: &Txn) -> Verdict {
        let (session, xid, zxid) = (txn.header.session, txn.header.xid, txn.header.zxid);
        let closes = matches!(txn.body, TxnBody::CloseSession { .. });
        let Some((first, seen)) = self.settled.get(&session).filter(|_| !closes) else {
            return Ok(());
        };
        ensure(
            xid >= *first || zxid <= *seen || is_fruitless(&txn.body),
            NAME,
            || {
                format!(
                    "{zxid} is request {xid} of session {session}, whose client has looked at {seen} \
                     on the connection that began with {first} and not found it"
                )
            },
        )
    }

    /// Whether the history has the end of a session.
    pub(crate) fn ended(&self, session: SessionId) -> bool {
        self.ended.contains_key(&session)
    }
}

/// Whether a transaction only tells of a failure.
fn is_fruitless(body: &TxnBody) -> bool {
    if let TxnBody::Multi(bodies) = body {
        return bodies.iter().all(is_fruitless);
    }
    matches!(body, TxnBody::Error { .. })
}

#[cfg(test)]
mod tests {
    use zk_wire::txn::CreateKind;

    use super::*;
    use crate::oracle::tests::{create, txn};

    fn begun() -> ExactlyOnce {
        let mut once = ExactlyOnce::default();
        let open = TxnBody::CreateSession { timeout_ms: 5 };
        once.committed(&txn(1, open)).unwrap();
        once
    }

    #[test]
    fn one_request_as_two_transactions_is_found() {
        let mut once = begun();
        let first = txn(2, create("/a", CreateKind::Persistent));
        let mut second = txn(3, create("/b", CreateKind::Persistent));
        second.header.xid = first.header.xid;
        once.committed(&first).unwrap();
        assert!(once.committed(&second).is_err());
    }

    #[test]
    fn a_write_that_was_looked_for_in_vain_and_comes_later_is_found() {
        let mut once = begun();
        let (session, z) = (SessionId(1), |counter| {
            Zxid::new(zk_wire::Epoch(1), counter)
        });
        let late = || {
            let mut late = txn(3, create("/a", CreateKind::Persistent));
            late.header.xid = Xid(4);
            late
        };
        once.synced(session, Xid(5), z(3));
        assert!(
            once.committed(&late()).is_ok(),
            "it was there when the client looked"
        );
        let mut once = begun();
        once.synced(session, Xid(5), z(2));
        assert!(once.committed(&late()).is_err());
        let mut once = begun();
        once.synced(session, Xid(4), z(2));
        assert!(
            once.committed(&late()).is_ok(),
            "it is of the present connection"
        );
    }

    #[test]
    fn a_write_behind_the_end_of_its_session_is_found() {
        let mut once = begun();
        once.committed(&txn(2, TxnBody::CloseSession { paths: None }))
            .unwrap();
        assert!(once.ended(SessionId(1)));
        assert!(
            once.committed(&txn(3, create("/a", CreateKind::Ephemeral)))
                .is_err()
        );
    }
}
