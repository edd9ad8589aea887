//! Local sessions: what only one server knows takes no transaction; a session has one only once its
//! client asked for an ephemeral, and an ephemeral belongs to a session that all know. The clock of
//! its server ends a local session, not before its time-out is over.
//!
//! Apache ZooKeeper, `UpgradeableSessionTracker` and ZOOKEEPER-3471: an upgrade that raced with the
//! creation left ephemerals without a session.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::txn::{CreateKind, Txn, TxnBody};
use zk_wire::{SessionId, Zxid};

use super::{Verdict, ensure};

const NAME: &str = "local sessions";

/// Sessions by what makes them known to all.
#[derive(Debug, Default)]
pub(crate) struct LocalSessions {
    /// Whether sessions begin as local ones at all.
    pub enabled: bool,
    /// Time-outs of all sessions that a server answered, ms.
    timeouts: BTreeMap<SessionId, u64>,
    /// Sessions whose clients asked for an ephemeral.
    asked: BTreeSet<SessionId>,
    /// Sessions whose beginning some server logged.
    logged: BTreeSet<SessionId>,
    /// Sessions that all know, in the committed history.
    known: BTreeSet<SessionId>,
}

impl LocalSessions {
    /// A server tells a client its session.
    pub(crate) fn answered(&mut self, session: SessionId, timeout_ms: u64) {
        self.timeouts.insert(session, timeout_ms);
    }

    /// A client asks for an ephemeral.
    pub(crate) fn asks(&mut self, session: SessionId) {
        self.asked.insert(session);
    }

    /// Whether a session may have ended without a trace in the history.
    pub(crate) fn may_be_local(&self, session: SessionId) -> bool {
        self.enabled && !self.known.contains(&session)
    }

    /// Whether no server ever logged the beginning of a session.
    pub(crate) fn is_local(&self, session: SessionId) -> bool {
        self.enabled && !self.logged.contains(&session)
    }

    /// A proposal goes into a log.
    pub(crate) fn logged(&mut self, txn: &Txn) -> Verdict {
        let session = txn.header.session;
        if matches!(txn.body, TxnBody::CreateSession { .. }) {
            self.logged.insert(session);
            let wanted = !self.enabled || self.asked.contains(&session);
            return ensure(wanted, NAME, || {
                let zxid = txn.header.zxid;
                format!("{zxid} begins {session}, whose client asked for no ephemeral")
            });
        }
        let ends = matches!(txn.body, TxnBody::CloseSession { .. });
        ensure(!ends || !self.is_local(session), NAME, || {
            format!("{} ends the local session {session}", txn.header.zxid)
        })
    }

    /// The next committed transaction.
    pub(crate) fn committed(&mut self, txn: &Txn) -> Verdict {
        let (session, zxid) = (txn.header.session, txn.header.zxid);
        if matches!(txn.body, TxnBody::CreateSession { .. }) {
            self.known.insert(session);
        }
        self.check_owner(session, zxid, &txn.body)?;
        if let TxnBody::Multi(parts) = &txn.body
            && !parts.iter().any(|p| matches!(p, TxnBody::Error { .. }))
        {
            for part in parts {
                self.check_owner(session, zxid, part)?;
            }
        }
        Ok(())
    }

    fn check_owner(&self, session: SessionId, zxid: Zxid, body: &TxnBody) -> Verdict {
        let ephemeral =
            matches!(body, TxnBody::Create(create) if create.kind == CreateKind::Ephemeral);
        ensure(!ephemeral || self.known.contains(&session), NAME, || {
            format!("{zxid} makes an ephemeral of {session}, which began nowhere")
        })
    }

    /// A server ends a local session, `heard` being when it last heard of it, ms.
    pub(crate) fn expires(
        &self,
        sid: u8,
        session: SessionId,
        heard_ms: Option<u64>,
        now_ms: u64,
    ) -> Verdict {
        let timeout_ms = self.timeouts.get(&session).copied().unwrap_or(0);
        let silent = now_ms.saturating_sub(heard_ms.unwrap_or(0));
        ensure(silent >= timeout_ms, NAME, || {
            format!(
                "server {sid} ends {session} {silent} ms after it heard of it; the time-out is \
                 {timeout_ms} ms"
            )
        })
    }
}

/// What a server without a quorum answered: `writes` tells whether the request was one, or a sync.
pub(crate) fn check_read_only(writes: bool, err: i32) -> Verdict {
    use zk_wire::client::ErrorCode;
    let refused = err == ErrorCode::NotReadOnly.to_wire();
    let read = err == 0 || err == ErrorCode::NoNode.to_wire();
    let good = if writes { refused } else { read };
    ensure(good, "read-only mode", || {
        let what = if writes { "write or sync" } else { "read" };
        format!("a {what} is answered with {err} without a quorum")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::tests::{create, txn};

    fn local() -> LocalSessions {
        LocalSessions {
            enabled: true,
            ..LocalSessions::default()
        }
    }

    #[test]
    fn a_transaction_for_a_local_session_is_found() {
        let begin = txn(1, TxnBody::CreateSession { timeout_ms: 400 });
        let end = txn(2, TxnBody::CloseSession { paths: None });
        assert!(local().logged(&begin).is_err());
        assert!(local().logged(&end).is_err());
        let mut upgraded = local();
        upgraded.asks(SessionId(1));
        assert!(upgraded.is_local(SessionId(1)));
        assert!(upgraded.logged(&begin).is_ok() && upgraded.logged(&end).is_ok());
        assert!(!upgraded.is_local(SessionId(1)) && upgraded.may_be_local(SessionId(1)));
    }

    #[test]
    fn an_ephemeral_without_a_session_is_found() {
        let mut sessions = local();
        let ephemeral = txn(2, create("/e", CreateKind::Ephemeral));
        assert!(sessions.committed(&ephemeral).is_err());
        let within = TxnBody::Multi(vec![create("/e", CreateKind::Ephemeral)]);
        assert!(sessions.committed(&txn(2, within)).is_err());
        let begin = txn(1, TxnBody::CreateSession { timeout_ms: 400 });
        sessions.committed(&begin).unwrap();
        assert!(sessions.committed(&ephemeral).is_ok());
    }

    #[test]
    fn an_end_too_early_is_found() {
        let mut sessions = local();
        sessions.answered(SessionId(1), 400);
        assert!(
            sessions
                .expires(1, SessionId(1), Some(1_000), 1_399)
                .is_err()
        );
        assert!(
            sessions
                .expires(1, SessionId(1), Some(1_000), 1_400)
                .is_ok()
        );
    }

    #[test]
    fn a_write_without_a_quorum_is_found() {
        assert!(check_read_only(true, 0).is_err() && check_read_only(true, -119).is_ok());
        assert!(check_read_only(false, -119).is_err() && check_read_only(false, -101).is_ok());
    }
}
