//! Connections outlive the leader: what is kept of each while this server has none, and how it goes
//! on under the next.
//!
//! A connection whose role ended is suspended. Pings are answered; every other frame is held. What
//! was under way stays in its queue: the history that the next leader brings answers what came to
//! be (`Clients::applied`), and what is left then never was, so it is asked again, once
//! ([`Clients::resume`]). Where that cannot be known the connection closes.
//!
//! Nobody asks the next leader to revalidate these sessions: the synchronized state has them or has
//! not, and REVALIDATE would take a session away from the server to which its client has moved. The
//! first write of each makes this server its owner, or fails because another is.

use std::collections::VecDeque;

use zk_wire::client::{Request, Response};
use zk_wire::{SessionId, Xid};

use super::backlog::Totals;
use super::conn::{Conn, Submission, Submitted, Waiting};
use super::intake::PING_XID;
use super::{Clients, Returning};
use crate::db::Database;
use crate::io::{ClientFrame, ConnId, Output, Outputs};
use crate::status::{HoldEnd, PeerEvent};
use crate::time::Mono;

/// What goes on when a session is settled: first what has to be asked again, then what was held.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) conn: ConnId,
    pub(crate) submissions: VecDeque<Submission>,
    pub(crate) frames: VecDeque<ClientFrame>,
}

impl Released {
    /// Nothing was under way.
    pub(super) fn frames(conn: ConnId, frames: VecDeque<ClientFrame>) -> Self {
        Self {
            conn,
            submissions: VecDeque::new(),
            frames,
        }
    }
}

/// How a connection without a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Its session was on the way to be created.
    Create,
    /// The leader was asked whether it knows the session.
    Revalidate,
}

impl Conn {
    /// Whether something is under way that may or may not have come to be.
    fn writes_under_way(&self) -> bool {
        self.queue.iter().any(|waiting| {
            matches!(
                waiting,
                Waiting::Connect | Waiting::Write { .. } | Waiting::Close { .. }
            )
        })
    }

    /// Whether the end of the session was asked for in the meantime: the leader does it for whoever
    /// asks.
    fn holds_close(&self) -> bool {
        self.held.iter().any(|frame| {
            matches!(
                frame,
                ClientFrame::Request {
                    request: Request::CloseSession,
                    ..
                }
            )
        })
    }

    /// What never came to be is asked again, and then what was held.
    fn go_on(&mut self, id: ConnId, held: &mut Totals, out: &mut Outputs) -> Released {
        let submissions: VecDeque<Submission> = self
            .queue
            .iter()
            .filter_map(|waiting| again(id, self, waiting))
            .collect();
        let frames = held.take(&mut self.held);
        out.push(Output::Event(PeerEvent::WentOn {
            session: self.session,
            timeout_ms: self.timeout_ms,
            again: submissions.len() as u64,
            held: frames.len() as u64,
        }));
        Released {
            conn: id,
            submissions,
            frames,
        }
    }
}

/// What is certain when the next leader is established.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sure {
    /// What became of each write under way: nothing of it can come to be any more.
    pub(crate) under_way: bool,
    /// That no client moved to another server, to act or to look there, without this one knowing: its
    /// owner would be forgotten by now, and what it asked here, however late it comes, would be done
    /// behind what it did or saw there.
    pub(crate) unmoved: bool,
}

fn is_ping(frame: &ClientFrame) -> bool {
    matches!(
        frame,
        ClientFrame::Request {
            request: Request::Ping,
            ..
        }
    )
}

impl Clients {
    /// The role ended: connections stay, but for those of the sessions that end with it.
    pub(crate) fn suspend(
        &mut self,
        ends: impl Fn(SessionId) -> bool,
        drop_watches: bool,
        now: Mono,
        out: &mut Outputs,
    ) {
        if !self.can_hold() {
            self.close_all("this server lost its leader", out);
            return;
        }
        if drop_watches {
            self.watches = crate::watch::WatchTable::default();
        }
        let why = "this server lost its leader";
        self.close_where(|conn| conn.moved || ends(conn.session), why, out);
        for conn in self.conns.values_mut() {
            let half = u64::try_from(conn.timeout_ms).unwrap_or(0) / 2;
            let until = now.plus(self.hold.time_max_ms.min(half));
            conn.suspended.get_or_insert(until);
            // What was said to the last leader it does not answer any more.
            for waiting in &mut conn.queue {
                if let Waiting::Sync { done, .. } = waiting {
                    *done = false;
                }
            }
        }
        self.find_deadline();
    }

    /// The client of this session came back through another server: what it asked here must not
    /// outlive this epoch.
    pub(crate) fn moved_away(&mut self, session: SessionId) {
        let id = self.by_session.get(&session);
        if let Some(conn) = id.and_then(|id| self.conns.get_mut(id)) {
            conn.moved = true;
        }
    }

    /// Reads are served without a leader: held clients that asked for that come back for it.
    pub(crate) fn close_those_content_to_read(&mut self, out: &mut Outputs) {
        let why = "this server serves reads without a leader now";
        self.close_where(
            |conn| conn.suspended.is_some() && conn.read_only == Some(true),
            why,
            out,
        );
    }

    /// A leader is found: connections that began without one end.
    pub(crate) fn close_visitors(&mut self, out: &mut Outputs) {
        let why = "this server found a leader";
        self.close_where(|conn| conn.suspended.is_none(), why, out);
    }

    fn close_where(&mut self, which: impl Fn(&Conn) -> bool, why: &'static str, out: &mut Outputs) {
        for id in self.ids_where(|_, conn| which(conn)) {
            self.close(id, why, out);
        }
    }

    /// The connections that are so: collected, because what is done with them changes the table.
    fn ids_where(&self, which: impl Fn(ConnId, &Conn) -> bool) -> Vec<ConnId> {
        let found = self.conns.iter().filter(|(id, conn)| which(**id, conn));
        found.map(|(id, _)| *id).collect()
    }

    fn find_deadline(&mut self) {
        self.hold_until = self.conns.values().filter_map(|c| c.suspended).min();
    }

    /// Whether connections are held at all.
    pub(crate) fn can_hold(&self) -> bool {
        self.hold.time_max_ms != 0
    }

    /// Whether a write is under way that a held connection waits for.
    pub(crate) fn waits_for_writes(&self) -> bool {
        let mut held = self.conns.values().filter(|conn| conn.suspended.is_some());
        held.any(Conn::writes_under_way)
    }

    /// When the first suspended connection closes.
    pub(crate) fn hold_deadline(&self) -> Option<Mono> {
        self.hold_until
    }

    /// Closes the connections that were suspended for too long.
    pub(crate) fn close_overdue(&mut self, now: Mono, out: &mut Outputs) {
        if self.hold_until.is_none_or(|at| at > now) {
            return;
        }
        for id in self.ids_where(|_, conn| conn.suspended.is_some_and(|at| at <= now)) {
            self.end_hold(id, HoldEnd::Time, out);
        }
        self.find_deadline();
    }

    /// Closes a suspended connection.
    pub(super) fn end_hold(&mut self, id: ConnId, why: HoldEnd, out: &mut Outputs) {
        out.push(Output::Event(PeerEvent::HoldEnded { why }));
        self.close(id, why.reason(), out);
    }

    /// Whether frames of this connection have to wait for a leader.
    pub(crate) fn is_suspended(&self, id: ConnId) -> bool {
        self.conns.get(&id).is_some_and(|c| c.suspended.is_some())
    }

    /// A frame of a suspended connection.
    pub(crate) fn keep(
        &mut self,
        db: &Database,
        id: ConnId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if conn.deaf {
            return;
        }
        if conn.open && is_ping(&frame) {
            let frame = Response::Empty.encode(PING_XID, db.last_applied().to_wire());
            out.push(Output::ToClient { conn: id, frame });
            return;
        }
        self.held.push(&mut conn.held, frame);
        if let Some(why) = self.held.excess(&self.hold) {
            self.end_hold(id, why, out);
        }
    }

    /// Takes frames back that were released too early.
    pub(crate) fn put_back(&mut self, id: ConnId, frames: VecDeque<ClientFrame>) {
        if let Some(conn) = self.conns.get_mut(&id) {
            self.held.put_back(&mut conn.held, frames);
        }
    }

    /// A leader serves: gives the connections that have no session yet, in their order, and what the
    /// others go on with. Where it cannot be known what became of something, the connection closes.
    pub(crate) fn resume(
        &mut self,
        db: &Database,
        sure: Sure,
        out: &mut Outputs,
    ) -> (Vec<(Returning, Resume)>, Vec<Released>) {
        self.hold_until = None;
        let mut unsettled = Vec::new();
        let mut released = Vec::new();
        for id in self.conns.keys().copied().collect::<Vec<_>>() {
            let Some(conn) = self.conns.get_mut(&id) else {
                continue;
            };
            if conn.suspended.take().is_none() {
                continue;
            }
            let lost = (!sure.under_way && (conn.writes_under_way() || conn.holds_close()))
                || (!sure.unmoved && (conn.open || conn.writes_under_way()));
            if lost {
                self.end_hold(id, HoldEnd::Unknowable, out);
            } else if !conn.open {
                let creating = matches!(conn.queue.front(), Some(Waiting::Connect));
                let how = if creating {
                    Resume::Create
                } else {
                    Resume::Revalidate
                };
                let returning = Returning {
                    conn: id,
                    session: conn.session,
                    timeout_ms: conn.timeout_ms,
                };
                unsettled.push((returning, how));
            } else if db.session_timeout_ms(conn.session).is_none() {
                self.end_hold(id, HoldEnd::SessionGone, out);
            } else {
                self.settle_wrongly(db, id, out);
                if let Some(conn) = self.conns.get_mut(&id) {
                    released.push(conn.go_on(id, &mut self.held, out));
                }
            }
        }
        // They are taken from the end.
        released.reverse();
        (unsettled, released)
    }

    /// The whole state was replaced: nobody can tell what came of the writes under way, which events
    /// the watches missed, nor which clients did something elsewhere. With `goes_back` it is older than
    /// what was served.
    pub(crate) fn state_replaced(&mut self, goes_back: bool, out: &mut Outputs) {
        let keeps = self.bugs.guesses_after_snapshot();
        for id in self.ids_where(|_, conn| goes_back || (conn.suspended.is_some() && !keeps)) {
            self.end_hold(id, HoldEnd::Unknowable, out);
        }
    }

    /// A transaction of the session that is not the one that its connection waits for first: what is
    /// asked later would be answered in the wrong order; or the client asked for it on another
    /// connection, and what comes on this one is late.
    pub(super) fn doubt(&mut self, id: ConnId, xid: Xid, out: &mut Outputs) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let waits = |w: &Waiting| matches!(w, Waiting::Write { xid: x, .. } if *x == xid);
        if conn.suspended.is_some() {
            self.end_hold(id, HoldEnd::Unknowable, out);
        } else if conn.open && !conn.queue.iter().any(waits) {
            conn.moved = true;
        }
    }
}

/// What has to be asked again of something that waits.
fn again(id: ConnId, conn: &Conn, waiting: &Waiting) -> Option<Submission> {
    let identities = if let Waiting::Write { kept, .. } = waiting {
        &kept.identities
    } else {
        &conn.identities
    };
    let (xid, what) = match waiting {
        Waiting::Write { xid, kept } => {
            let (op, body) = (kept.op, kept.body.clone());
            let what = match Request::decode(op, body.clone(), body.len()) {
                Ok(Some(request)) => Submitted::Write(request, body),
                _ => Submitted::Undecodable(op, body),
            };
            (*xid, what)
        }
        Waiting::Close { xid } => (*xid, Submitted::Close),
        Waiting::Sync {
            xid,
            body,
            done: false,
            ..
        } => (*xid, Submitted::Sync(body.clone())),
        Waiting::Connect
        | Waiting::CloseLocal { .. }
        | Waiting::Sync { .. }
        | Waiting::Read { .. }
        | Waiting::Error { .. }
        | Waiting::MultiReadError { .. }
        | Waiting::Known(_)
        | Waiting::Last { .. } => return None,
    };
    Some(Submission {
        conn: id,
        session: conn.session,
        xid,
        auth: identities.to_vec(),
        what,
    })
}
