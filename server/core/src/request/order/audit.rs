//! What clients ask for, told to the audit log.

use std::sync::Arc;

use zk_wire::Id;

use super::conn::{Conn, Kept, Waiting};
use crate::audit::{Asker, Audited};
use crate::config::AuthSettings;
use crate::db::TxnOutcome;
use crate::io::{Output, Outputs};
use crate::status::PeerEvent;

/// Tells, where it is asked for.
#[derive(Debug)]
pub(super) struct Auditor {
    pub(super) on: bool,
    pub(super) settings: Arc<AuthSettings>,
}

/// How a client said who it is, and what came of it.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) scheme: Option<String>,
    /// What it proved; `None`: nothing.
    pub(super) proven: Option<Vec<Id>>,
}

impl Auditor {
    /// A write of this connection was answered; `None`: it never will be.
    pub(super) fn write(
        &self,
        conn: &Conn,
        kept: &Kept,
        outcome: Option<TxnOutcome>,
        out: &mut Outputs,
    ) {
        let identities = &kept.identities;
        let audited = Audited::Write {
            who: Asker::new(&self.settings, conn.session, identities, identities),
            op: kept.op,
            body: kept.body.clone(),
            outcome,
        };
        out.push(Output::Event(PeerEvent::Audited(Box::new(audited))));
    }

    /// The connection ends, and with it what can be known of its writes under way.
    pub(super) fn left(&self, conn: &Conn, out: &mut Outputs) {
        if !self.on {
            return;
        }
        for waiting in &conn.queue {
            if let Waiting::Write { kept, .. } = waiting {
                self.write(conn, kept, None, out);
            }
        }
    }

    /// The client of this connection said who it is.
    pub(super) fn login(&self, conn: &Conn, login: Login, out: &mut Outputs) {
        let proven = login.proven.is_some();
        let named = login.proven.unwrap_or_default();
        let audited = Audited::Login {
            who: Asker::new(&self.settings, conn.session, &conn.identities, &named),
            scheme: login.scheme,
            proven,
        };
        out.push(Output::Event(PeerEvent::Audited(Box::new(audited))));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::client::OpCode;
    use zk_wire::{SessionId, Xid};

    use super::super::backlog::Backlog;
    use super::*;

    /// A connection with a write under way that was asked for by alice.
    fn conn() -> Conn {
        let identities = [("ip", "10.0.0.1"), ("digest", "alice:hash"), ("super", "")];
        let identities: Arc<[Id]> = identities.map(|(scheme, id)| Id::new(scheme, id)).into();
        let kept = Kept {
            op: OpCode::Delete,
            body: Bytes::from_static(b"body"),
            identities: Arc::clone(&identities),
        };
        Conn {
            session: SessionId(7),
            timeout_ms: 4000,
            identities,
            sasl: None,
            read_only: None,
            open: true,
            suspended: None,
            moved: false,
            deaf: false,
            held: Backlog::default(),
            queue: [Waiting::Write { xid: Xid(1), kept }].into(),
        }
    }

    #[test]
    fn a_client_that_does_not_wait_is_told_all_the_same() {
        let mut auditor = Auditor {
            on: true,
            settings: Arc::default(),
        };
        let mut out = Outputs::new();
        auditor.left(&conn(), &mut out);
        let [Output::Event(PeerEvent::Audited(audited))] = out.as_slice() else {
            panic!("{out:?}");
        };
        let who = Asker {
            session: SessionId(7),
            users: "10.0.0.1,alice".to_owned(),
            ip: "10.0.0.1".to_owned(),
        };
        let expected = Audited::Write {
            who,
            op: OpCode::Delete,
            body: Bytes::from_static(b"body"),
            outcome: None,
        };
        assert_eq!(**audited, expected);
        auditor.on = false;
        out.clear();
        auditor.left(&conn(), &mut out);
        assert!(out.is_empty());
    }
}
