//! A client as a library would be: one session at a time, many connections one after the other.
//!
//! It keeps its session over reconnects, gives a connection up after two thirds of the time-out
//! without a byte, pings after a third, asks for its watches again, and knows of each operation
//! whether it was acknowledged, failed, or is unknown because the connection broke. What it gets is
//! handed to the invariants; its own decisions come from the dice.

use std::collections::VecDeque;

use bytes::Bytes;
use zk_wire::client::{
    ConnectRequest, ConnectResponse, ErrorCode, ReplyHeader, Request, WatcherEvent,
};
use zk_wire::jute::Reader;
use zk_wire::{SessionId, Xid, Zxid};

use crate::context::Context;
use crate::invariants::local_sessions::check_read_only;
use crate::invariants::real_time::RealTime;
use crate::invariants::replies::{Reply, check_read, check_write, is_write};
use crate::invariants::session_order::SessionOrder;
use crate::invariants::watches::{SET_WATCHES_XID, Watches};
use crate::invariants::{Verdict, Violation, ensure};
use crate::net::{End, Host, StreamId};
use crate::queue::Us;
use crate::workload::{Mode, Workload};
use crate::world::Event;

/// The xid of pings.
const PING_XID: Xid = Xid(-2);

/// How long a client waits for the answer to its first frame, us.
const CONNECT_PATIENCE_US: Us = 400_000;

/// Requests without an answer that a client has at most.
const PIPELINE_MAX: usize = 4;

#[derive(Debug)]
struct Pending {
    xid: Xid,
    request: Request,
    /// The newest write that was acknowledged to anybody when this was sent.
    floor: Zxid,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    password: Bytes,
    timeout_us: Us,
    next_xid: i32,
    order: SessionOrder,
    watches: Watches,
    closing: bool,
}

#[derive(Debug)]
struct Connection {
    stream: StreamId,
    server: u8,
    /// Whether the session is settled on it.
    settled: bool,
    /// The number of the first request on it.
    first_xid: Xid,
    /// Requests of the session before it that its numbers do not count: a client may number anew.
    uncounted: i32,
    pending: VecDeque<Pending>,
    last_heard: Us,
    last_sent: Us,
    /// The server has no quorum; number and time-out of the session that lasts as long as this.
    visit: Option<Visit>,
}

/// A session on a server without a quorum. It ends with its connection, and its requests are of no
/// interest to the history.
#[derive(Debug)]
struct Visit {
    next_xid: i32,
    timeout_us: Us,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub id: u8,
    timeout_ms: i32,
    session: Option<Session>,
    connection: Option<Connection>,
    pub workload: Workload,
    /// Number of the wake-up that counts; older ones are ignored.
    pub wake: u64,
    /// Serves only this server, for the last look at it.
    pinned: Option<u8>,
}

impl Client {
    pub(crate) fn new(id: u8, timeout_ms: i32, workload: Workload, pinned: Option<u8>) -> Self {
        Self {
            id,
            timeout_ms,
            session: None,
            connection: None,
            workload,
            wake: 0,
            pinned,
        }
    }

    fn host(&self) -> Host {
        Host::Client(self.id)
    }

    /// The session that it believes to have.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.id)
    }

    /// The server on which its session is settled.
    pub(crate) fn server(&self) -> Option<u8> {
        let connection = self.connection.as_ref().filter(|c| c.settled);
        connection.map(|c| c.server)
    }

    /// Whether it waits for nothing.
    pub(crate) fn idle(&self) -> bool {
        let quiet = |c: &Connection| c.settled && c.visit.is_none() && c.pending.is_empty();
        self.workload.is_done() && self.connection.as_ref().is_some_and(quiet)
    }

    fn is_visiting(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.visit.is_some())
    }

    /// What it is doing, for a report.
    pub(crate) fn picture(&self) -> String {
        let connection = self.connection.as_ref().map(|c| {
            let waiting: Vec<&Request> = c.pending.iter().map(|p| &p.request).collect();
            format!("at {} settled {} waiting {waiting:?}", c.server, c.settled)
        });
        format!("client {} {:?} {connection:?}", self.id, self.session())
    }

    /// Its turn: connect, give up, ping, or ask something.
    pub(crate) fn wakes(&mut self, cx: &mut Context) {
        let now = cx.q.now();
        self.give_up_if_silent(cx, now);
        if self.connection.is_none() {
            self.connect(cx, now);
        } else if self.is_visiting() {
            self.ask_read_only(cx, now);
        } else {
            self.ask(cx, now);
        }
        self.wake += 1;
        let pause = if self.workload.mode() == Mode::Script {
            2_000
        } else {
            cx.dice.between(1_000, cx.params.think_us)
        };
        cx.q.after(
            pause,
            Event::ClientWake {
                client: self.id,
                wake: self.wake,
            },
        );
    }

    fn give_up_if_silent(&mut self, cx: &mut Context, now: Us) {
        let Some(connection) = &self.connection else {
            return;
        };
        let patience = match &self.session {
            _ if connection.visit.is_some() => CONNECT_PATIENCE_US,
            Some(session) if connection.settled => session.timeout_us * 2 / 3,
            _ => CONNECT_PATIENCE_US,
        };
        if now - connection.last_heard > patience {
            self.disconnect(cx);
        }
    }

    /// Closes the connection; what was without an answer stays unknown.
    fn disconnect(&mut self, cx: &mut Context) {
        if let Some(connection) = self.connection.take() {
            cx.net
                .close(&mut cx.q, &mut cx.dice, connection.stream, End::Dialer);
        }
    }

    fn connect(&mut self, cx: &mut Context, now: Us) {
        let up: Vec<u8> = cx.up.iter().copied().collect();
        let Some(server) = self.pinned.or_else(|| cx.dice.pick(&up)) else {
            return;
        };
        let target = Host::Server(server);
        if !cx.up.contains(&server) || !cx.net.reachable(self.host(), target) {
            return;
        }
        let stream = cx.net.connect(self.host(), target);
        cx.accept(server, stream, self.host());
        let request = ConnectRequest {
            last_zxid_seen: self
                .session
                .as_ref()
                .map_or(Zxid::ZERO, |s| s.order.last_seen()),
            timeout_ms: self.timeout_ms,
            session: self.session(),
            password: self
                .session
                .as_ref()
                .map_or_else(|| Bytes::from_static(&[0; 16]), |s| s.password.clone()),
            read_only: Some(self.pinned.is_none() && cx.params.read_only),
        };
        cx.net.send(
            &mut cx.q,
            &mut cx.dice,
            stream,
            End::Dialer,
            request.encode(),
        );
        self.connection = Some(Connection {
            stream,
            server,
            settled: false,
            first_xid: Xid(0),
            uncounted: 0,
            pending: VecDeque::new(),
            last_heard: now,
            last_sent: now,
            visit: None,
        });
    }

    /// Asks a server without a quorum, and leaves it when there is nothing to ask, or by chance, to
    /// look for a better one.
    fn ask_read_only(&mut self, cx: &mut Context, now: Us) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let Some(visit) = &mut connection.visit else {
            return;
        };
        if cx.dice.percent(5) {
            self.disconnect(cx);
            return;
        }
        let xid = Xid(visit.next_xid);
        let request = self.workload.visit(&mut cx.dice, self.id, xid.0);
        if let Some(request) = request.filter(|_| connection.pending.len() < PIPELINE_MAX) {
            visit.next_xid += 1;
            send(cx, connection, xid, request);
        } else if now - connection.last_sent > visit.timeout_us / 3 {
            send(cx, connection, PING_XID, Request::Ping);
        }
    }

    fn ask(&mut self, cx: &mut Context, now: Us) {
        let (Some(session), Some(connection)) = (&mut self.session, &mut self.connection) else {
            return;
        };
        if !connection.settled || session.closing {
            return;
        }
        if connection.pending.len() < PIPELINE_MAX
            && let Some(request) = self.workload.next(
                &mut cx.dice,
                self.id,
                session.next_xid,
                session.watches.len(),
            )
        {
            let xid = Xid(session.next_xid - connection.uncounted);
            session.next_xid += 1;
            session.closing = request == Request::CloseSession;
            if makes_ephemeral(&request) {
                cx.checks.local.asks(session.id);
            }
            send(cx, connection, xid, request);
        } else if now - connection.last_sent > session.timeout_us / 3 {
            send(cx, connection, PING_XID, Request::Ping);
        }
    }

    /// A frame came; `current` tells whether its sender serves in the newest epoch.
    pub(crate) fn hears(&mut self, cx: &mut Context, stream: StreamId, raw: Bytes) -> Verdict {
        let Some(connection) = self.connection.as_mut().filter(|c| c.stream == stream) else {
            return Ok(());
        };
        connection.last_heard = cx.q.now();
        let (current, frame) = match raw.first() {
            Some(flag) => (*flag == 1, raw.slice(1..)),
            None => return Ok(()),
        };
        if connection.visit.is_some() {
            self.replied_read_only(cx, frame)
        } else if connection.settled {
            self.reply(cx, frame, current)
        } else {
            self.settle(cx, frame, current)
        }
    }

    /// An answer of a server without a quorum: whatever it reads, it must write nothing.
    fn replied_read_only(&mut self, cx: &mut Context, frame: Bytes) -> Verdict {
        let mut r = Reader::unlimited(frame);
        let header = ReplyHeader::decode(&mut r).map_err(|why| malformed(&why))?;
        let pending = self.connection.as_mut().and_then(|c| {
            let at = c.pending.iter().position(|p| p.xid == header.xid)?;
            c.pending.remove(at)
        });
        let Some(pending) = pending else {
            return ensure(false, "session order", || {
                format!("client {} gets an answer to {}", self.id, header.xid)
            });
        };
        cx.checks.counts.read_only += 1;
        // The end of a session that only this server knows is no write.
        let closes = pending.request == Request::CloseSession;
        let sync = matches!(pending.request, Request::Sync { .. });
        let writes = sync || (is_write(&pending.request) && !closes);
        check_read_only(writes, header.err)?;
        if closes {
            self.disconnect(cx);
        }
        Ok(())
    }

    fn settle(&mut self, cx: &mut Context, frame: Bytes, current: bool) -> Verdict {
        let response = ConnectResponse::decode(frame).map_err(|why| malformed(&why))?;
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if response.read_only == Some(true) && response.timeout_ms > 0 {
            let expected = cx.params.read_only && cx.params.local_sessions;
            ensure(expected && self.session.is_none(), "read-only mode", || {
                format!("server {} gives {}", connection.server, response.session)
            })?;
            connection.settled = true;
            connection.visit = Some(Visit {
                next_xid: 1,
                timeout_us: u64::try_from(response.timeout_ms).unwrap_or(0) * 1_000,
            });
            return Ok(());
        }
        if response.timeout_ms <= 0 {
            // The library tells its user that the session is gone, and the next one begins.
            if let Some(session) = self.session.take() {
                // A server without a quorum may not have heard of the session.
                let behind = cx.params.read_only && !current;
                let ended = behind || cx.checks.may_be_gone(session.id);
                ensure(ended, "session expiry", || {
                    format!(
                        "server {} refuses {}, which nobody closed",
                        connection.server, session.id
                    )
                })?;
            }
            self.workload.new_session();
            self.disconnect(cx);
            return Ok(());
        }
        connection.settled = true;
        let timeout_us = u64::try_from(response.timeout_ms).unwrap_or(0) * 1_000;
        if let Some(session) = &mut self.session {
            cx.checks.counts.resumed += 1;
            ensure(session.id == response.session, "session order", || {
                format!("{} came back as {}", session.id, response.session)
            })?;
            session.timeout_us = timeout_us;
            if cx.params.numbers_anew {
                connection.uncounted = session.next_xid - 1;
            }
            connection.first_xid = Xid(session.next_xid);
            if let Some(request) = session.watches.reconnect(session.order.last_seen()) {
                send(cx, connection, SET_WATCHES_XID, request);
            }
            // The closeSession that was without an answer is asked again.
            session.closing = false;
            return Ok(());
        }
        cx.checks.counts.sessions += 1;
        self.session = Some(Session {
            id: response.session,
            password: Bytes::copy_from_slice(&response.password),
            timeout_us,
            next_xid: 1,
            order: SessionOrder::default(),
            watches: Watches::default(),
            closing: false,
        });
        Ok(())
    }

    fn reply(&mut self, cx: &mut Context, frame: Bytes, current: bool) -> Verdict {
        let mut r = Reader::unlimited(frame);
        let header = ReplyHeader::decode(&mut r).map_err(|why| malformed(&why))?;
        let (Some(session), Some(connection)) = (&mut self.session, &mut self.connection) else {
            return Ok(());
        };
        if header.xid == Xid(-1) {
            cx.checks.counts.events += 1;
            let event = WatcherEvent::decode(&mut r).map_err(|why| malformed(&why))?;
            let zxid = (header.zxid >= 0).then(|| Zxid::from_wire(header.zxid));
            let oracle = &cx.checks.oracle;
            return session
                .watches
                .event(self.id, event.kind, &event.path, zxid, oracle);
        }
        // A ping may be answered while requests are held back.
        let at = if header.xid == PING_XID {
            connection.pending.iter().position(|p| p.xid == PING_XID)
        } else {
            Some(0)
        };
        let pending = at.and_then(|at| connection.pending.remove(at));
        let reply = Reply {
            header,
            body: r.into_rest(),
        };
        let ping = header.xid == PING_XID;
        let seen = reply.zxid().filter(|_| !ping);
        session
            .order
            .replied(self.id, header.xid, pending.as_ref().map(|p| p.xid), seen)?;
        if let Some(zxid) = seen {
            session
                .watches
                .revealed(self.id, header.xid, zxid, &cx.checks.oracle)?;
        }
        let Some(pending) = pending else {
            return Ok(());
        };
        if is_write(&pending.request) {
            self.written(cx, &pending, &reply)
        } else {
            self.read(cx, &pending, &reply, current)
        }
    }

    fn written(&mut self, cx: &mut Context, pending: &Pending, reply: &Reply) -> Verdict {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let checks = &mut cx.checks;
        if pending.request == Request::CloseSession && checks.local.is_local(session.id) {
            ensure(reply.header.err == 0, "local sessions", || {
                format!("the end of {} fails with {}", session.id, reply.header.err)
            })?;
            self.session = None;
            self.workload.new_session();
            self.disconnect(cx);
            return Ok(());
        }
        check_write(
            session.id,
            pending.xid,
            &pending.request,
            reply,
            &checks.history,
            &checks.oracle,
        )?;
        if let Some(zxid) = reply.zxid() {
            checks.real_time.written(zxid, pending.floor)?;
        }
        if reply.header.err == 0 {
            checks.counts.writes += 1;
            checks.liveness.wrote(cx.q.now());
        }
        let expired = reply.header.err == ErrorCode::SessionExpired.to_wire();
        if pending.request == Request::CloseSession || expired {
            self.session = None;
            self.workload.new_session();
            self.disconnect(cx);
        }
        Ok(())
    }

    fn read(
        &mut self,
        cx: &mut Context,
        pending: &Pending,
        reply: &Reply,
        current: bool,
    ) -> Verdict {
        let checks = &mut cx.checks;
        checks.counts.reads += 1;
        check_read(&pending.request, reply, &checks.history, &checks.oracle)?;
        let Some(zxid) = reply.zxid() else {
            return Ok(());
        };
        if current && matches!(pending.request, Request::Sync { .. }) {
            RealTime::synced(zxid, pending.floor)?;
            if let (Some(session), Some(connection)) = (&self.session, &self.connection) {
                checks.once.synced(session.id, connection.first_xid, zxid);
            }
        }
        if let Some(session) = &mut self.session {
            let found = reply.header.err == 0;
            session.watches.read(&pending.request, zxid, found);
        }
        Ok(())
    }

    /// The other side closed.
    pub(crate) fn closed(&mut self, cx: &mut Context, stream: StreamId) {
        if self.connection.as_ref().is_some_and(|c| c.stream == stream) {
            self.disconnect(cx);
        }
    }
}

/// Whether a request makes a local session known to all.
fn makes_ephemeral(request: &Request) -> bool {
    matches!(request, Request::Create { create, .. } if create.flags & 1 != 0)
}

fn send(cx: &mut Context, connection: &mut Connection, xid: Xid, request: Request) {
    let frame = request.encode_with_header(xid);
    connection.last_sent = cx.q.now();
    connection.pending.push_back(Pending {
        xid,
        request,
        floor: cx.checks.real_time.floor(),
    });
    cx.net.send(
        &mut cx.q,
        &mut cx.dice,
        connection.stream,
        End::Dialer,
        frame,
    );
}

fn malformed(why: &zk_wire::DecodeError) -> Violation {
    Violation {
        invariant: "replies",
        detail: format!("a frame to a client does not decode: {why}"),
    }
}
