//! Client connections of this server: one queue each, so that replies leave in the order in which
//! requests came, and a read waits for the writes of its own connection only.
//!
//! A write is handed on at once, so that writes pipeline; its reply is due when its transaction is
//! applied here. Reads behind it wait in the queue and run right after, before anything newer is
//! applied (`CommitProcessor`, `FinalRequestProcessor`).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zk_wire::client::connect::session_password;
use zk_wire::client::response::encode_error;
use zk_wire::client::{ConnectResponse, ErrorCode, MultiResult, Request, Response};
use zk_wire::txn::TxnHeader;
use zk_wire::{Id, SessionId, Xid, Zxid};

use super::read::read;
use crate::db::{Change, Database, TxnOutcome};
use crate::io::{ClientFrame, ConnId, Output, Outputs};
use crate::watch::{self, WatchTable};

/// What a connection waits for, oldest first.
#[derive(Debug)]
enum Waiting {
    /// The transaction that creates its session.
    Connect,
    /// A write of its own.
    Write { xid: Xid },
    /// Its closeSession.
    Close { xid: Xid },
    /// Nothing but what is before it; then the end of a session that no other server knows.
    CloseLocal { xid: Xid },
    /// The leader's answer to a sync.
    Sync {
        xid: Xid,
        path: Option<String>,
        done: bool,
    },
    /// Nothing but what is before it.
    Read { xid: Xid, request: Request },
    /// Nothing but what is before it; then an error, and perhaps the end.
    Error { xid: Xid, code: ErrorCode },
}

#[derive(Debug)]
struct Conn {
    session: SessionId,
    timeout_ms: i32,
    auth: Vec<Id>,
    /// Mirrors the request's trailing byte in the response.
    read_only: Option<bool>,
    /// Whether the session is settled; until then frames are held.
    open: bool,
    held: VecDeque<ClientFrame>,
    queue: VecDeque<Waiting>,
}

/// A request that the leader has to see.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) conn: ConnId,
    pub(crate) session: SessionId,
    pub(crate) xid: Xid,
    pub(crate) auth: Vec<Id>,
    pub(crate) what: Submitted,
}

/// What is submitted.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// A write, and its body as the client sent it.
    Write(Request, Bytes),
    /// closeSession.
    Close,
    /// sync.
    Sync(Bytes),
}

/// All connections of this server, and their watches.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    conns: BTreeMap<ConnId, Conn>,
    by_session: BTreeMap<SessionId, ConnId>,
    watches: WatchTable,
    /// Whether this server serves without a quorum.
    read_only: bool,
}

impl Clients {
    /// Whether this server serves without a quorum, and so only those who ask for that.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Answers a frame with an error, in its turn; a session that moved costs the connection.
    pub(crate) fn refuse(
        &mut self,
        db: &Database,
        id: ConnId,
        xid: Xid,
        code: ErrorCode,
        out: &mut Outputs,
    ) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queue.push_back(Waiting::Error { xid, code });
        }
        self.drain(db, id, out);
    }

    /// Closes a session that has no transaction to wait for, in its turn.
    pub(crate) fn close_local(&mut self, db: &Database, id: ConnId, xid: Xid, out: &mut Outputs) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queue.push_back(Waiting::CloseLocal { xid });
        }
        self.drain(db, id, out);
    }

    /// Closes the connection of a session that is over.
    pub(crate) fn drop_session(&mut self, session: SessionId, out: &mut Outputs) {
        if let Some(conn) = self.by_session.get(&session).copied() {
            let why = "the session ended";
            out.push(Output::CloseClient { conn, why });
            self.drop_conn(conn);
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
        auth: Vec<Id>,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<bool>,
        out: &mut Outputs,
    ) {
        if let Some(old) = self.by_session.insert(session, id) {
            self.drop_conn(old);
            out.push(Output::CloseClient {
                conn: old,
                why: "the session connected anew",
            });
        }
        let (held, queue) = (VecDeque::new(), VecDeque::new());
        let conn = Conn {
            session,
            timeout_ms,
            auth,
            read_only,
            open: false,
            held,
            queue,
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
        session: SessionId,
        valid: bool,
        out: &mut Outputs,
    ) -> Option<(ConnId, VecDeque<ClientFrame>)> {
        let id = *self.by_session.get(&session)?;
        let conn = self
            .conns
            .get_mut(&id)
            .filter(|c| !c.open && c.queue.is_empty())?;
        if !valid {
            let frame = ConnectResponse::refusal(conn.read_only).encode();
            out.push(Output::ToClient { conn: id, frame });
            out.push(Output::CloseClient {
                conn: id,
                why: "the session is gone",
            });
            self.drop_conn(id);
            return None;
        }
        conn.open = true;
        out.push(Output::ToClient {
            conn: id,
            frame: accepted(conn, self.read_only),
        });
        Some((id, std::mem::take(&mut conn.held)))
    }

    /// Forgets a connection.
    pub(crate) fn drop_conn(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove(&id)
            && self.by_session.get(&conn.session) == Some(&id)
        {
            self.by_session.remove(&conn.session);
        }
        self.watches.remove_conn(id);
    }

    /// Closes all connections.
    pub(crate) fn close_all(&mut self, why: &'static str, out: &mut Outputs) {
        for conn in std::mem::take(&mut self.conns).into_keys() {
            out.push(Output::CloseClient { conn, why });
        }
        self.by_session.clear();
        self.watches = WatchTable::default();
    }

    /// A frame: answered at once, queued, or to be submitted.
    pub(crate) fn frame(
        &mut self,
        db: &Database,
        id: ConnId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) -> Option<Submission> {
        let conn = self.conns.get_mut(&id)?;
        if !conn.open {
            conn.held.push_back(frame);
            return None;
        }
        let (waiting, what) = match frame {
            ClientFrame::Undecodable { xid, .. } => (
                Waiting::Error {
                    xid,
                    code: ErrorCode::MarshallingError,
                },
                None,
            ),
            ClientFrame::Throttled { xid } => (
                Waiting::Error {
                    xid,
                    code: ErrorCode::ThrottledOp,
                },
                None,
            ),
            ClientFrame::Unimplemented { xid } => (
                Waiting::Error {
                    xid,
                    code: ErrorCode::Unimplemented,
                },
                None,
            ),
            ClientFrame::Request { xid, request, body } => match request {
                Request::CloseSession => (Waiting::Close { xid }, Some(Submitted::Close)),
                Request::Sync { path } => (
                    Waiting::Sync {
                        xid,
                        path,
                        done: false,
                    },
                    Some(Submitted::Sync(body)),
                ),
                Request::Create { .. }
                | Request::Delete { .. }
                | Request::SetData { .. }
                | Request::Multi(_) => (
                    Waiting::Write { xid },
                    Some(Submitted::Write(request, body)),
                ),
                Request::Exists { .. }
                | Request::GetData { .. }
                | Request::GetAcl { .. }
                | Request::GetChildren { .. }
                | Request::GetChildren2 { .. }
                | Request::SetWatches(_)
                | Request::Ping => (Waiting::Read { xid, request }, None),
                Request::MultiRead(_)
                | Request::SetAcl { .. }
                | Request::Reconfig(_)
                | Request::CheckWatches { .. }
                | Request::RemoveWatches { .. }
                | Request::AddWatch { .. }
                | Request::GetEphemerals { .. }
                | Request::GetAllChildrenNumber { .. }
                | Request::WhoAmI
                | Request::Auth { .. }
                | Request::Sasl { .. } => (
                    Waiting::Error {
                        xid,
                        code: ErrorCode::Unimplemented,
                    },
                    None,
                ),
            },
        };
        let (Waiting::Write { xid }
        | Waiting::Close { xid }
        | Waiting::CloseLocal { xid }
        | Waiting::Sync { xid, .. }
        | Waiting::Read { xid, .. }
        | Waiting::Error { xid, .. }) = waiting
        else {
            return None;
        };
        conn.queue.push_back(waiting);
        let submission = what.map(|what| Submission {
            conn: id,
            session: conn.session,
            xid,
            auth: conn.auth.clone(),
            what,
        });
        self.drain(db, id, out);
        submission
    }

    /// Answers whatever at the front of the queue waits for nothing more.
    fn drain(&mut self, db: &Database, id: ConnId, out: &mut Outputs) {
        let zxid = db.last_applied().to_wire();
        while let Some(conn) = self.conns.get_mut(&id) {
            match conn.queue.front() {
                Some(
                    Waiting::Read { .. }
                    | Waiting::Error { .. }
                    | Waiting::CloseLocal { .. }
                    | Waiting::Sync { done: true, .. },
                ) => {}
                _ => return,
            }
            match conn.queue.pop_front() {
                Some(Waiting::Read { xid, request }) => {
                    let frame = answer_read(&mut self.watches, db, id, conn, xid, &request, out);
                    out.push(Output::ToClient { conn: id, frame });
                }
                Some(Waiting::Sync { xid, path, .. }) => {
                    let frame = Response::Sync(path).encode(xid, zxid);
                    out.push(Output::ToClient { conn: id, frame });
                }
                Some(Waiting::CloseLocal { xid }) => {
                    let frame = Response::Empty.encode(xid, zxid);
                    out.push(Output::ToClient { conn: id, frame });
                    out.push(Output::CloseClient {
                        conn: id,
                        why: "the session ended",
                    });
                    self.drop_conn(id);
                }
                Some(Waiting::Error {
                    code: ErrorCode::SessionMoved,
                    ..
                }) => {
                    out.push(Output::CloseClient {
                        conn: id,
                        why: "the session moved",
                    });
                    self.drop_conn(id);
                }
                Some(Waiting::Error { xid, code }) => {
                    let fatal = code == ErrorCode::Unimplemented;
                    let zxid = if fatal { -1 } else { zxid };
                    let frame = encode_error(xid, zxid, code.to_wire());
                    out.push(Output::ToClient { conn: id, frame });
                    if fatal {
                        out.push(Output::CloseClient {
                            conn: id,
                            why: "unknown operation",
                        });
                        self.drop_conn(id);
                    }
                }
                _ => return,
            }
        }
    }

    /// The oldest sync of a connection is through.
    pub(crate) fn synced(&mut self, db: &Database, id: ConnId, out: &mut Outputs) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let waiting = conn.queue.iter_mut().find_map(|w| {
            if let Waiting::Sync { done, .. } = w {
                Some(done).filter(|done| !**done)
            } else {
                None
            }
        });
        if let Some(done) = waiting {
            *done = true;
            self.drain(db, id, out);
        }
    }

    /// A transaction was applied: events first, then the reply of the one who asked, then the reads
    /// that waited for it. Gives the frames that a new session sent ahead.
    pub(crate) fn applied(
        &mut self,
        db: &Database,
        header: &TxnHeader,
        outcome: TxnOutcome,
        changes: &[Change],
        out: &mut Outputs,
    ) -> Option<(ConnId, VecDeque<ClientFrame>)> {
        for change in changes {
            for (conn, event) in watch::fire(&mut self.watches, change) {
                let frame = event.encode(Some(header.zxid));
                out.push(Output::ToClient { conn, frame });
            }
        }
        let id = *self.by_session.get(&header.session)?;
        let ended = outcome == TxnOutcome::SessionClosed;
        let held = self.reply(db, id, header, outcome, out);
        if ended && self.conns.contains_key(&id) {
            out.push(Output::CloseClient {
                conn: id,
                why: "the session ended",
            });
            self.drop_conn(id);
        }
        held
    }

    fn reply(
        &mut self,
        db: &Database,
        id: ConnId,
        header: &TxnHeader,
        outcome: TxnOutcome,
        out: &mut Outputs,
    ) -> Option<(ConnId, VecDeque<ClientFrame>)> {
        let conn = self.conns.get_mut(&id)?;
        let session_txn = matches!(
            outcome,
            TxnOutcome::SessionCreated | TxnOutcome::SessionClosed
        );
        let mine = match conn.queue.front() {
            Some(Waiting::Connect) => outcome == TxnOutcome::SessionCreated,
            Some(Waiting::Write { xid }) => *xid == header.xid && !session_txn,
            Some(Waiting::Close { xid }) => {
                *xid == header.xid && outcome == TxnOutcome::SessionClosed
            }
            Some(
                Waiting::Sync { .. }
                | Waiting::Read { .. }
                | Waiting::Error { .. }
                | Waiting::CloseLocal { .. },
            )
            | None => false,
        };
        if !mine {
            return None;
        }
        let zxid = header.zxid.to_wire();
        match conn.queue.pop_front() {
            Some(Waiting::Connect) => {
                conn.open = true;
                out.push(Output::ToClient {
                    conn: id,
                    frame: accepted(conn, false),
                });
                return Some((id, std::mem::take(&mut conn.held)));
            }
            Some(Waiting::Close { xid }) => {
                let frame = Response::Empty.encode(xid, zxid);
                out.push(Output::ToClient { conn: id, frame });
                return None;
            }
            Some(
                Waiting::Write { .. }
                | Waiting::CloseLocal { .. }
                | Waiting::Sync { .. }
                | Waiting::Read { .. }
                | Waiting::Error { .. },
            )
            | None => {}
        }
        if says_moved(&outcome) {
            out.push(Output::CloseClient {
                conn: id,
                why: "the session moved",
            });
            self.drop_conn(id);
            return None;
        }
        let frame = encode_outcome(header.xid, header.zxid, outcome);
        out.push(Output::ToClient { conn: id, frame });
        self.drain(db, id, out);
        None
    }
}

/// Whether the leader refused for an owner of the session elsewhere.
fn says_moved(outcome: &TxnOutcome) -> bool {
    let moved = TxnOutcome::Failed(ErrorCode::SessionMoved.to_wire());
    *outcome == moved || matches!(outcome, TxnOutcome::Multi(all) if all.contains(&moved))
}

fn accepted(conn: &Conn, read_only: bool) -> Bytes {
    ConnectResponse {
        timeout_ms: conn.timeout_ms,
        session: conn.session,
        password: session_password(conn.session),
        read_only: conn.read_only.map(|_| read_only),
    }
    .encode()
}

fn answer_read(
    watches: &mut WatchTable,
    db: &Database,
    id: ConnId,
    conn: &Conn,
    xid: Xid,
    request: &Request,
    out: &mut Outputs,
) -> Bytes {
    let zxid = db.last_applied().to_wire();
    if let Request::SetWatches(carried) = request {
        for event in watch::catch_up(watches, db, id, carried) {
            out.push(Output::ToClient {
                conn: id,
                frame: event.encode(None),
            });
        }
        return Response::Empty.encode(xid, zxid);
    }
    let Some(outcome) = read(db, request, &conn.auth) else {
        return encode_error(xid, zxid, ErrorCode::Unimplemented.to_wire());
    };
    if let Some(wanted) = outcome.watch {
        watches.add(id, wanted.kind, &wanted.path);
    }
    match outcome.reply {
        Ok(response) => response.encode(xid, zxid),
        Err(code) => encode_error(xid, zxid, code.to_wire()),
    }
}

fn encode_outcome(xid: Xid, zxid: Zxid, outcome: TxnOutcome) -> Bytes {
    let response = match outcome {
        TxnOutcome::Failed(code) => return encode_error(xid, zxid.to_wire(), code),
        TxnOutcome::Created {
            path,
            create2: false,
            ..
        } => Response::Path(path),
        TxnOutcome::Created {
            path,
            stat,
            create2: true,
        } => Response::PathStat(path, stat),
        TxnOutcome::DataSet(stat) | TxnOutcome::AclSet(stat) => Response::Stat(stat),
        TxnOutcome::Multi(outcomes) => {
            Response::Multi(outcomes.into_iter().map(multi_result).collect())
        }
        TxnOutcome::Deleted
        | TxnOutcome::Checked
        | TxnOutcome::SessionCreated
        | TxnOutcome::SessionClosed => Response::Empty,
    };
    response.encode(xid, zxid.to_wire())
}

fn multi_result(outcome: TxnOutcome) -> MultiResult {
    match outcome {
        TxnOutcome::Created {
            path,
            create2: false,
            ..
        } => MultiResult::Create(path),
        TxnOutcome::Created {
            path,
            stat,
            create2: true,
        } => MultiResult::Create2(path, stat),
        TxnOutcome::Deleted => MultiResult::Delete,
        TxnOutcome::DataSet(stat) => MultiResult::SetData(stat),
        TxnOutcome::Checked => MultiResult::Check,
        TxnOutcome::Failed(code) => MultiResult::Error(code),
        TxnOutcome::AclSet(_)
        | TxnOutcome::SessionCreated
        | TxnOutcome::SessionClosed
        | TxnOutcome::Multi(_) => MultiResult::Error(ErrorCode::MarshallingError.to_wire()),
    }
}
