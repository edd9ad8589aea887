//! What an audit log is made of: who asked for what, and what came of it.
//!
//! Source: `AuditHelper` of Apache ZooKeeper 3.9. A write is told by the server that its client is connected
//! to, when it is answered; ephemerals that go with their session are told by every server.

use bytes::Bytes;
use zk_wire::client::OpCode;
use zk_wire::{Id, SessionId};

use crate::config::AuthSettings;
use crate::db::TxnOutcome;
use crate::request::auth;

/// One thing to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audited {
    /// A client asked for a write.
    Write {
        /// Who.
        who: Asker,
        /// The operation.
        op: OpCode,
        /// Its body, as the client sent it.
        body: Bytes,
        /// What came of it; `None`: the connection closed before that was known.
        outcome: Option<TxnOutcome>,
    },
    /// A client said who it is.
    Login {
        /// Who asks; its names are those that it proved.
        who: Asker,
        /// How, as the client says it; `None`: it does not.
        scheme: Option<String>,
        /// Whether it proved it.
        proven: bool,
    },
    /// An ephemeral went with its session.
    EphemeralGone {
        /// Whose.
        session: SessionId,
        /// What.
        path: String,
    },
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Its session.
    pub session: SessionId,
    /// Its names, with commas between them; empty: none.
    pub users: String,
    /// Its address, without the port.
    pub ip: String,
}

impl Asker {
    /// A client with these identities, of which one is its address; its names are those of `named`.
    pub(crate) fn new(
        settings: &AuthSettings,
        session: SessionId,
        identities: &[Id],
        named: &[Id],
    ) -> Self {
        let is_address = |id: &&Id| id.scheme.as_deref() == Some("ip");
        let address = identities.iter().find(is_address);
        let names = auth::shown(settings, named).into_iter();
        let names: Vec<String> = names
            .map(|info| info.user)
            .filter(|name| !name.trim().is_empty())
            .collect();
        Self {
            session,
            users: names.join(","),
            ip: address.and_then(|id| id.id.clone()).unwrap_or_default(),
        }
    }
}
