//! What this leader's clients and its learners ask: each becomes an [`Ask`] to be proposed, or is
//! answered at once.

use std::collections::BTreeMap;

use zk_wire::client::{ErrorCode, OpCode, Request};
use zk_wire::quorum::{ForwardedRequest, HandOver, Packet};
use zk_wire::{Id, SessionId, Xid, Zxid};

use super::broadcast::Syncing;
use super::link::Link;
use super::{Leading, RoleOver, Stage};
use crate::io::{LinkId, Output, Outputs};
use crate::peer::local::Local;
use crate::request::order::{Returning, Submission, Submitted};
use crate::request::prep::Write;
use crate::session::Owner;
use crate::status::PeerEvent;
use crate::time::Now;

/// A request on its way to becoming a transaction.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) owner: Owner,
    pub(super) session: SessionId,
    pub(super) xid: Xid,
    pub(super) auth: Vec<Id>,
    pub(super) write: Write,
}

impl Ask {
    /// What this server asks by itself for a session, without a number.
    fn own(session: SessionId, write: Write) -> Self {
        Self {
            owner: Owner::Here,
            session,
            xid: Xid(0),
            auth: Vec::new(),
            write,
        }
    }
}

impl Leading {
    /// A request of one of this server's own clients.
    pub(crate) fn submit(
        &mut self,
        submission: Submission,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Submission {
            conn,
            session,
            xid,
            auth,
            what,
        } = submission;
        let write = match what {
            Submitted::Write(request, _) => Write::Client(request),
            Submitted::Undecodable(..) => Write::Refused(ErrorCode::MarshallingError),
            Submitted::Close => Write::CloseSession,
            Submitted::Sync(_) => {
                return self.sync(Syncing::Client(conn), local, now, out);
            }
        };
        let ask = Ask {
            owner: Owner::Here,
            session,
            xid,
            auth,
            write,
        };
        self.propose(ask, local, now, out)
    }

    /// A new session of one of this server's own clients.
    pub(crate) fn create_session(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let ask = Ask::own(session, Write::CreateSession { timeout_ms });
        self.propose(ask, local, now, out)
    }

    /// A client of this server comes back with its session: it goes on behind what its earlier
    /// connections had asked.
    pub(crate) fn reopen_session(
        &mut self,
        who: Returning,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        if self.serves_nobody() {
            return Ok(());
        }
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        let (session, timeout_ms) = (who.session, who.timeout_ms);
        let (before, owner) = (b.sessions.owner(session), Owner::Here);
        let valid = b.sessions.reopen(session, timeout_ms, owner, now.mono);
        if valid {
            tell_moved(&self.links, session, before, owner, out);
        }
        if valid && !local.cfg.bugs.settles_before_sync() {
            return self.sync(Syncing::Session(who), local, now, out);
        }
        local.settle_session(who.conn, valid, out);
        Ok(())
    }

    /// The same for a session that only this server knows.
    pub(crate) fn return_local(
        &mut self,
        who: Returning,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        self.sync(Syncing::Session(who), local, now, out)
    }

    /// A sign of life of a session; false when it is gone or closing.
    pub(crate) fn touch_session(&mut self, session: SessionId, timeout_ms: i32, now: Now) -> bool {
        let Stage::Broadcast(b) = &mut self.stage else {
            return false;
        };
        b.sessions.touch(session, timeout_ms, now.mono)
    }

    /// Whether a session of one of this server's own clients acts through another server by now.
    pub(crate) fn has_moved(&self, session: SessionId) -> bool {
        let broadcast = self.stage.broadcast();
        broadcast.is_some_and(|b| b.sessions.has_moved(session, Owner::Here))
    }

    /// Ends the sessions whose time is over.
    pub(super) fn expire_sessions(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        if self.hand_over.is_some() {
            // The next leader counts anew.
            return Ok(());
        }
        for session in b.sessions.take_expired(now.mono) {
            out.push(Output::Event(PeerEvent::SessionExpired { session }));
            let ask = Ask::own(session, Write::CloseSession);
            self.propose(ask, local, now, out)?;
        }
        Ok(())
    }

    /// deleteContainer, which no client asks for.
    pub(super) fn propose_sweep(
        &mut self,
        path: String,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let ask = Ask::own(SessionId::NONE, Write::Sweep { path });
        self.propose(ask, local, now, out)
    }

    /// A packet of a learner in broadcast.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "unknown and misplaced packets are alike"
    )]
    pub(super) fn serve_packet(
        &mut self,
        id: LinkId,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let serves_nobody = self.serves_nobody();
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        match packet {
            Packet::Ack(zxid) => self.learner_ack(id, zxid, local, now, out),
            Packet::PingReply { zxid, touched } => {
                if let Some(link) = self.links.get_mut(&id) {
                    if link.observer {
                        link.lag.answered(zxid, b.committed(), now.mono);
                    } else {
                        link.lag.heard(zxid);
                    }
                }
                for (session, timeout_ms) in touched {
                    b.sessions.touch(session, timeout_ms, now.mono);
                }
                Ok(())
            }
            Packet::Revalidate { .. } if serves_nobody => Ok(()),
            Packet::Revalidate {
                session,
                timeout_ms,
            } => {
                let (before, owner) = (b.sessions.owner(session), Owner::Learner(id));
                let valid = b.sessions.reopen(session, timeout_ms, owner, now.mono);
                if valid {
                    local.clients.moved_away(session);
                    tell_moved(&self.links, session, before, owner, out);
                }
                let packet = Packet::Revalidated { session, valid };
                out.push(Output::ToLink { link: id, packet });
                Ok(())
            }
            Packet::Request(request) => self.learner_request(id, request, local, now, out),
            Packet::HandOver(step) => self.hand_over_packet(id, step, local, now, out),
            // As Apache does: what this server does not know is no reason to part.
            _ => Ok(()),
        }
    }

    fn learner_ack(
        &mut self,
        id: LinkId,
        zxid: Zxid,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Broadcast(b) = &self.stage else {
            return Ok(());
        };
        if zxid > b.last {
            self.drop_link(id, format!("ACK of {zxid}, which was never proposed"), out);
            return Ok(());
        }
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        if link
            .oldest_unacked
            .is_some_and(|(watched, _)| watched <= zxid)
        {
            link.oldest_unacked = None;
        }
        if !link.observer && zxid.counter() != 0 {
            link.lag.acked(zxid);
        }
        // The acknowledgement of UPTODATE has counter 0 and counts for nothing.
        match link.sid.filter(|_| !link.observer && zxid.counter() != 0) {
            Some(sid) => self.acked(sid, zxid, local, now, out),
            None => Ok(()),
        }
    }

    fn learner_request(
        &mut self,
        id: LinkId,
        request: ForwardedRequest,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let ForwardedRequest {
            session,
            xid,
            op,
            body,
            auth,
        } = request;
        let write = match OpCode::from_wire(op) {
            Some(OpCode::Sync) => {
                return self.sync(Syncing::Learner(id), local, now, out);
            }
            Some(OpCode::CloseSession) => Write::CloseSession,
            Some(OpCode::CreateSession) => {
                match body.first_chunk::<4>().map(|raw| i32::from_be_bytes(*raw)) {
                    Some(timeout_ms) => Write::CreateSession { timeout_ms },
                    None => Write::Refused(ErrorCode::MarshallingError),
                }
            }
            Some(op) => match Request::decode(op, body.clone(), body.len()) {
                Ok(Some(request)) => Write::Client(request),
                Ok(None) => Write::Refused(ErrorCode::Unimplemented),
                Err(_) => Write::Refused(ErrorCode::MarshallingError),
            },
            None => return Ok(()),
        };
        let owner = Owner::Learner(id);
        self.propose(
            Ask {
                owner,
                session,
                xid,
                auth,
                write,
            },
            local,
            now,
            out,
        )
    }
}

/// Tells the server through which a session acted that it acts through another one now: its
/// connection there must not outlive this lead, for the next leader knows no owner.
fn tell_moved(
    links: &BTreeMap<LinkId, Link>,
    session: SessionId,
    before: Option<Owner>,
    after: Owner,
    out: &mut Outputs,
) {
    let Some(Owner::Learner(id)) = before.filter(|before| *before != after) else {
        return;
    };
    if links.get(&id).is_some_and(|link| link.hands_over) {
        let packet = Packet::HandOver(HandOver::Moved(session));
        out.push(Output::ToLink { link: id, packet });
    }
}
