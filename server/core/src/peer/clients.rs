//! Clients of this server, whatever its role: their first frame, every later one, and the sessions
//! that begin and end with them (`ZooKeeperServer.processConnectRequest`, `submitRequestNow`).
//!
//! A session is one of two kinds. The leader tracks those that all know; each server tracks its own
//! local ones, which become known to all with their first ephemeral.

use zk_wire::client::connect::session_password;
use zk_wire::client::request::{CreateOp, CreateRequest};
use zk_wire::client::{ConnectRequest, ConnectResponse, ErrorCode, MultiOp, OpCode, Request};
use zk_wire::{SessionId, Xid};

use super::{Peer, Role};
use crate::io::{ClientFrame, ConnId, Output, Outputs};
use crate::request::order::{Newcomer, Returning, Submission};
use crate::status::PeerEvent;
use crate::time::Now;
use crate::zab::leader::RoleOver;

impl Peer {
    /// A client's first frame; the checks in Apache's order.
    pub(super) fn client_connect(
        &mut self,
        conn: ConnId,
        who: Newcomer,
        request: &ConnectRequest,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let local = &mut self.local;
        let read_only = local.clients.is_read_only();
        let refused = if !local.serving && !read_only {
            Some("not serving")
        } else if read_only && request.read_only != Some(true) {
            Some("this server is read-only, the client does not ask for that")
        } else if request.last_zxid_seen > local.db.last_applied() {
            Some("the client has seen a newer state")
        } else {
            None
        };
        if let Some(why) = refused {
            out.push(Output::CloseClient { conn, why });
            return Ok(());
        }
        let wanted = request.timeout_ms.max(local.cfg.session_timeout_min_ms);
        let timeout_ms = wanted.min(local.cfg.session_timeout_max_ms);
        match request.session {
            None => self.new_session(conn, who, request.read_only, timeout_ms, now, out),
            Some(session) => self.old_session(conn, who, request, session, timeout_ms, now, out),
        }
    }

    fn new_session(
        &mut self,
        conn: ConnId,
        who: Newcomer,
        read_only: Option<bool>,
        timeout_ms: i32,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let local = &mut self.local;
        let begins_locally = local.cfg.sessions.local && local.cfg.membership.is_some();
        if local.clients.is_read_only() && !begins_locally {
            // Apache answers with the header of a reply that nobody asked for.
            let why = "a new session needs a quorum";
            out.push(Output::CloseClient { conn, why });
            return Ok(());
        }
        let session = local.session_ids.next();
        local
            .clients
            .connect(conn, who, session, timeout_ms, read_only, out);
        if begins_locally {
            local.local_sessions.add(session, timeout_ms, now.mono);
            local.settle_session(conn, true, out);
            return Ok(());
        }
        local.clients.await_session(conn);
        self.create_session(session, timeout_ms, now, out)
    }

    /// Makes a session known to all.
    pub(super) fn create_session(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        match &mut self.role {
            Role::Leading(leading) => {
                leading.create_session(session, timeout_ms, &mut self.local, now, out)
            }
            Role::Learner(learner) => {
                learner.create_session(session, timeout_ms, out);
                Ok(())
            }
            Role::Draining | Role::Looking(_) => Ok(()),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a first frame says, and the outputs"
    )]
    fn old_session(
        &mut self,
        conn: ConnId,
        who: Newcomer,
        request: &ConnectRequest,
        session: SessionId,
        timeout_ms: i32,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let local = &mut self.local;
        let read_only = local.clients.is_read_only();
        if read_only && local.db.session_timeout_ms(session).is_some() {
            let why = "a session that all know cannot be renewed without a quorum";
            out.push(Output::CloseClient { conn, why });
            return Ok(());
        }
        // Checked before anything else: a wrong password must not cost the owner its connection.
        if request.password != session_password(session).as_slice() {
            let frame = ConnectResponse::refusal(request.read_only).encode();
            out.push(Output::ToClient { conn, frame });
            out.push(Output::CloseClient {
                conn,
                why: "wrong session password",
            });
            return Ok(());
        }
        local
            .clients
            .connect(conn, who, session, timeout_ms, request.read_only, out);
        let here = local.local_sessions.touch(session, timeout_ms, now.mono);
        let returning = Returning {
            conn,
            session,
            timeout_ms,
        };
        match &mut self.role {
            Role::Learner(learner) if !here && !read_only => {
                learner.reopen_session(returning, local.cfg.sid, out);
                Ok(())
            }
            Role::Leading(leading) if !here => leading.reopen_session(returning, local, now, out),
            // Only this server knows it, but what its last connection asked may be under way.
            Role::Learner(learner) if here && !read_only => {
                learner.return_local(returning, out);
                Ok(())
            }
            Role::Leading(leading) => leading.return_local(returning, local, now, out),
            Role::Draining | Role::Looking(_) | Role::Learner(_) => {
                local.settle_session(conn, here, out);
                Ok(())
            }
        }
    }

    /// Any later frame of a client.
    pub(super) fn client_frame(
        &mut self,
        conn: ConnId,
        frame: ClientFrame,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Some((session, timeout_ms)) = self.local.clients.session_of(conn) else {
            return Ok(());
        };
        if self.local.clients.is_suspended(conn) {
            if self.local.turning.is_some() {
                // There is a leader still, who counts the session's time.
                self.touch(session, timeout_ms, now);
            }
            self.hold_frame(conn, frame, out);
            return Ok(());
        }
        if !self.touch(session, timeout_ms, now) {
            // The session is ending, and its connection with it: there is no answer.
            return Ok(());
        }
        let Some(frame) = self.local.clients.hold(conn, frame, out) else {
            return Ok(());
        };
        if let Some((xid, code)) = self.refusal(session, &frame) {
            let local = &mut self.local;
            local.clients.refuse(&local.db, conn, xid, code, out);
            return Ok(());
        }
        let mut instead = None;
        if self.local.local_sessions.contains(session) {
            if is_close(&frame) {
                return self.close_local(conn, session, frame, out);
            }
            instead = self.upgrade_if_due(session, &frame, now, out)?;
        }
        let local = &mut self.local;
        let Some(submission) = local.clients.frame(&local.db, conn, frame, out) else {
            return Ok(());
        };
        if let Some(code) = instead {
            local.say_instead(session, submission.xid, code);
        }
        self.submit(submission, now, out)
    }

    /// A sign of life; false when the session is gone or closing, as far as this server knows.
    pub(super) fn touch(&mut self, session: SessionId, timeout_ms: i32, now: Now) -> bool {
        let local = &mut self.local.local_sessions;
        if local.touch(session, timeout_ms, now.mono) {
            return true;
        }
        match &mut self.role {
            Role::Leading(leading) => leading.touch_session(session, timeout_ms, now),
            Role::Learner(learner) => {
                learner.touch_session(session, timeout_ms);
                true
            }
            Role::Draining | Role::Looking(_) => false,
        }
    }

    /// The error for a frame that goes no further: a write without a quorum, or anything but a write
    /// of a session that moved away from the leader. Moved writes fail as transactions.
    fn refusal(&mut self, session: SessionId, frame: &ClientFrame) -> Option<(Xid, ErrorCode)> {
        let (xid, op) = match frame {
            ClientFrame::Request { xid, request, .. } => (*xid, request.op()),
            ClientFrame::Undecodable { xid, op, .. } => (*xid, *op),
            ClientFrame::WritesInMultiRead { xid } => (*xid, OpCode::MultiRead),
            ClientFrame::Unimplemented { .. } | ClientFrame::Throttled { .. } => return None,
        };
        if self.local.clients.is_read_only() {
            let refused = needs_quorum(op);
            return refused.then_some((xid, ErrorCode::NotReadOnly));
        }
        let Role::Leading(leading) = &mut self.role else {
            return None;
        };
        if op == OpCode::CloseSession || op.is_write() {
            return None;
        }
        let moved = leading.has_moved(session) && !self.local.local_sessions.contains(session);
        moved.then_some((xid, ErrorCode::SessionMoved))
    }

    /// Makes a local session known to all before its first ephemeral. Where that is switched off,
    /// gives the error that the client gets in place of the leader's, to whom the session is one
    /// that expired.
    fn upgrade_if_due(
        &mut self,
        session: SessionId,
        frame: &ClientFrame,
        now: Now,
        out: &mut Outputs,
    ) -> Result<Option<ErrorCode>, RoleOver> {
        let ClientFrame::Request { request, .. } = frame else {
            return Ok(None);
        };
        if !makes_ephemeral(request) {
            return Ok(None);
        }
        if self.local.cfg.sessions.local_upgrading {
            if let Some(timeout_ms) = self.local.local_sessions.remove(session) {
                self.create_session(session, timeout_ms, now, out)?;
                // From here on the leader's clock counts: this request is its first sign of life.
                self.touch(session, timeout_ms, now);
            }
            return Ok(None);
        }
        let alone = matches!(request, Request::Create { .. });
        Ok(alone.then_some(ErrorCode::EphemeralOnLocalSession))
    }

    /// The end of a local session, as its client wishes: no transaction.
    fn close_local(
        &mut self,
        conn: ConnId,
        session: SessionId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let ClientFrame::Request { xid, .. } = frame else {
            return Ok(());
        };
        let local = &mut self.local;
        local.local_sessions.remove(session);
        local.clients.close_local(&local.db, conn, xid, out);
        Ok(())
    }

    /// Ends the local sessions whose time is over.
    pub(super) fn expire_local_sessions(&mut self, now: Now, out: &mut Outputs) {
        for session in self.local.local_sessions.take_expired(now.mono) {
            out.push(Output::Event(PeerEvent::LocalSessionExpired { session }));
            self.local.clients.drop_session(session, out);
        }
    }

    pub(super) fn submit(
        &mut self,
        submission: Submission,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        match &mut self.role {
            Role::Leading(leading) => leading.submit(submission, &mut self.local, now, out),
            Role::Learner(learner) => {
                learner.submit(submission, out);
                Ok(())
            }
            Role::Draining | Role::Looking(_) => Ok(()),
        }
    }
}

fn is_close(frame: &ClientFrame) -> bool {
    matches!(
        frame,
        ClientFrame::Request {
            request: Request::CloseSession,
            ..
        }
    )
}

/// What `ReadOnlyRequestProcessor` refuses whatever the session.
fn needs_quorum(op: OpCode) -> bool {
    op.is_write() || op == OpCode::Sync
}

/// Whether a request asks for an ephemeral in a way that upgrades its session: containers and nodes
/// with a time to live do not, whatever their flags.
fn makes_ephemeral(request: &Request) -> bool {
    let ephemeral = |create: &CreateRequest, op: CreateOp| {
        matches!(op, CreateOp::Create | CreateOp::Create2) && matches!(create.flags, 1 | 3)
    };
    if let Request::Create { create, op } = request {
        return ephemeral(create, *op);
    }
    let Request::Multi(ops) = request else {
        return false;
    };
    ops.iter().any(|op| {
        if let MultiOp::Create { create, op } = op {
            ephemeral(create, *op)
        } else {
            false
        }
    })
}
