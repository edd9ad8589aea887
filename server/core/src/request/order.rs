//! Client connections of this server: one queue each, so that replies leave in the order in which
//! requests came, and a read waits for the writes of its own connection only.
//!
//! A write is handed on at once, so that writes pipeline; its reply is due when its transaction is
//! applied here. Reads behind it wait in the queue and run right after, before anything newer is
//! applied (`CommitProcessor`, `FinalRequestProcessor`).

mod answer;
mod audit;
mod backlog;
mod conn;
mod hold;
mod intake;
mod mistakes;
mod reply;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zk_wire::client::ConnectResponse;
use zk_wire::{Id, SessionId};

use audit::Auditor;
use backlog::{Backlog, Totals};
use conn::{Conn, Waiting};
pub(crate) use conn::{Submission, Submitted};
pub(crate) use hold::{Released, Resume, Sure};

use crate::bugs::Bugs;
use crate::config::{AuthSettings, HoldSettings, PeerConfig};
use crate::io::{ConnId, Output, Outputs};
use crate::request::auth::{self, DigestMd5, NONCE_LEN, Service};
use crate::time::Mono;
use crate::watch::WatchTable;

/// What is known of a client that connects.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// Remote address.
    pub(crate) ip: String,
    /// What its transport proved beside the address.
    pub(crate) identities: Vec<Id>,
    /// Random bytes that were never used before.
    pub(crate) nonce: [u8; NONCE_LEN],
}

/// A client that came back with its session, on a connection of this server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Returning {
    pub(crate) conn: ConnId,
    pub(crate) session: SessionId,
    /// Time-out of the session, ms.
    pub(crate) timeout_ms: i32,
}

/// All connections of this server, and their watches.
#[derive(Debug)]
pub(crate) struct Clients {
    settings: Arc<AuthSettings>,
    /// Whether writes are checked here before the leader checks them.
    eager_check: bool,
    conns: BTreeMap<ConnId, Conn>,
    by_session: BTreeMap<SessionId, ConnId>,
    watches: WatchTable,
    auditor: Auditor,
    /// Whether this server serves without a quorum.
    read_only: bool,
    hold: HoldSettings,
    /// Frames that wait, of all connections.
    held: Totals,
    /// When the first suspended connection closes.
    hold_until: Option<Mono>,
    bugs: Bugs,
}

impl Clients {
    /// No connection yet.
    pub(crate) fn new(config: &PeerConfig) -> Self {
        let settings = Arc::new(config.auth.clone());
        Self {
            // A server alone has nobody to spare the work.
            eager_check: config.auth.eager_acl_check && config.membership.is_some(),
            conns: BTreeMap::new(),
            by_session: BTreeMap::new(),
            watches: WatchTable::default(),
            auditor: Auditor {
                on: config.audit,
                settings: Arc::clone(&settings),
            },
            read_only: false,
            hold: config.hold,
            held: Totals::default(),
            hold_until: None,
            settings,
            bugs: config.bugs,
        }
    }

    /// Whether this server serves without a quorum, and so only those who ask for that.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Closes the connection of a session that is over.
    pub(crate) fn drop_session(&mut self, session: SessionId, out: &mut Outputs) {
        if let Some(conn) = self.by_session.get(&session).copied() {
            self.close(conn, "the session ended", out);
        }
    }

    /// Closes the connection of a session that acts through another server now.
    pub(crate) fn leave_to_another(&mut self, session: SessionId, out: &mut Outputs) {
        if let Some(conn) = self.by_session.get(&session).copied() {
            self.close(conn, "the session moved", out);
        }
    }

    /// Number of connections with a session.
    pub(crate) fn open_count(&self) -> u64 {
        self.conns.values().filter(|c| c.open).count() as u64
    }

    /// Number of watches.
    pub(crate) fn watch_count(&self) -> u64 {
        self.watches.len()
    }

    /// Watches on data, by session.
    pub(crate) fn data_watches(&self) -> impl Iterator<Item = (SessionId, &str)> {
        let session = |conn| self.session_of(conn).map(|(session, _)| session);
        self.watches
            .data_watches()
            .filter_map(move |(conn, path)| Some((session(conn)?, path)))
    }

    /// Requests that wait for an answer.
    pub(crate) fn outstanding(&self) -> u64 {
        self.conns.values().map(|c| c.queue.len() as u64).sum()
    }

    /// A connection begins, for a new or an old session; an older connection of the same session on
    /// this server is closed.
    pub(crate) fn connect(
        &mut self,
        id: ConnId,
        who: Newcomer,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<bool>,
        out: &mut Outputs,
    ) {
        if let Some(old) = self.by_session.insert(session, id) {
            self.close(old, "the session connected anew", out);
        }
        let Newcomer {
            ip,
            identities,
            nonce,
        } = who;
        let sasl = self.settings.sasl_users.is_some();
        let conn = Conn {
            session,
            timeout_ms,
            identities: auth::at_connect(&self.settings, &ip, identities).into(),
            sasl: sasl.then(|| Box::new(DigestMd5::new(Service::CLIENTS, nonce))),
            read_only,
            open: false,
            suspended: None,
            moved: false,
            deaf: false,
            held: Backlog::default(),
            queue: VecDeque::new(),
        };
        self.conns.insert(id, conn);
    }

    /// The connection waits for the transaction that creates its session.
    pub(crate) fn await_session(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queue.push_back(Waiting::Connect);
        }
    }

    /// Session and time-out of a connection, ms.
    pub(crate) fn session_of(&self, id: ConnId) -> Option<(SessionId, i32)> {
        self.conns.get(&id).map(|c| (c.session, c.timeout_ms))
    }

    /// Answers a connection that came back with its session; gives the frames held so far, which
    /// are to be handled now.
    pub(crate) fn renewed(
        &mut self,
        id: ConnId,
        valid: bool,
        out: &mut Outputs,
    ) -> Option<Released> {
        let conn = self
            .conns
            .get_mut(&id)
            .filter(|c| !c.open && c.queue.is_empty())?;
        if !valid {
            let frame = ConnectResponse::refusal(conn.read_only).encode();
            out.push(Output::ToClient { conn: id, frame });
            self.close(id, "the session is gone", out);
            return None;
        }
        conn.open = true;
        out.push(Output::ToClient {
            conn: id,
            frame: reply::accepted(conn, self.read_only),
        });
        Some(Released::frames(id, self.held.take(&mut conn.held)))
    }

    /// Closes a connection after what was sent before.
    fn close(&mut self, conn: ConnId, why: &'static str, out: &mut Outputs) {
        out.push(Output::CloseClient { conn, why });
        self.drop_conn(conn, out);
    }

    /// Forgets a connection.
    pub(crate) fn drop_conn(&mut self, id: ConnId, out: &mut Outputs) {
        if let Some(mut conn) = self.conns.remove(&id) {
            self.auditor.left(&conn, out);
            self.held.take(&mut conn.held);
            if self.by_session.get(&conn.session) == Some(&id) {
                self.by_session.remove(&conn.session);
            }
        }
        self.watches.remove_conn(id);
    }

    /// Closes all connections.
    pub(crate) fn close_all(&mut self, why: &'static str, out: &mut Outputs) {
        for (id, conn) in std::mem::take(&mut self.conns) {
            self.auditor.left(&conn, out);
            out.push(Output::CloseClient { conn: id, why });
        }
        self.by_session.clear();
        self.held = Totals::default();
        self.watches = WatchTable::default();
    }
}
