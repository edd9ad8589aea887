//! Live traffic: PROPOSAL, COMMIT, INFORM, PING, REVALIDATE, SYNC; and this server's clients.

use bytes::Bytes;
use zk_wire::client::OpCode;
use zk_wire::jute::Writer;
use zk_wire::quorum::{ForwardedRequest, HandOver, Packet};
use zk_wire::txn::TxnBody;
use zk_wire::{SessionId, Sid, Xid, Zxid};

use super::handshake::{check_follows, decode};
use super::revalidations::Asked;
use super::{Learner, Stage, Syncing};
use crate::db::Entry;
use crate::io::{Output, Outputs};
use crate::peer::configs::config_of;
use crate::peer::disk::After;
use crate::peer::local::{Local, Next};
use crate::peer::turning::Turning;
use crate::request::order::{Returning, Submission, Submitted};
use crate::status::{ElectionCause, PeerEvent};
use crate::time::Now;
use crate::zab::leader::RoleOver;

impl Learner {
    /// A packet in broadcast.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "unknown and misplaced packets are alike"
    )]
    pub(super) fn serve_packet(
        &mut self,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        local.last_served = now.mono;
        match packet {
            Packet::Proposal { txn, .. } if !self.observer => {
                self.log_proposal(decode(txn)?, local, out)
            }
            Packet::Commit(zxid) if !self.observer => self.commit(zxid, None, local, now, out),
            Packet::CommitAndActivate { zxid, leader } if !self.observer => {
                self.commit(zxid, Some(leader), local, now, out)
            }
            Packet::InformAndActivate { leader, txn, .. } if self.observer => {
                let entry = decode(txn)?;
                check_follows(local.last_logged, entry.zxid())?;
                local.append(&entry, None, out);
                self.apply(entry, Some(leader), local, now, out)
            }
            Packet::Inform { txn, .. } if self.observer => {
                let entry = decode(txn)?;
                check_follows(local.last_logged, entry.zxid())?;
                local.append(&entry, None, out);
                self.apply(entry, None, local, now, out)
            }
            Packet::Ping { zxid } => {
                self.ping_wards(local, now, out);
                let touched = std::mem::take(&mut self.touched).into_iter().collect();
                let packet = Packet::PingReply { zxid, touched };
                out.push(Output::ToLink {
                    link: self.link,
                    packet,
                });
                Ok(())
            }
            Packet::Revalidated { session, valid } => {
                self.revalidated(session, valid, local, out);
                Ok(())
            }
            Packet::HandOver(step) => self.hand_over(step, local, out),
            Packet::Sync => {
                self.synced(local, out);
                Ok(())
            }
            // As Apache does: what this server does not know is no reason to part.
            _ => Ok(()),
        }
    }

    /// The oldest sync is through.
    fn synced(&mut self, local: &mut Local, out: &mut Outputs) {
        match self.syncs.pop_front() {
            Some(Syncing::Client(conn)) => local.clients.synced(&local.db, conn, out),
            Some(Syncing::Ward(link)) => self.ward_synced(link, out),
            Some(Syncing::Return(conn)) => {
                let Some(who) = self.revalidations.synced(conn) else {
                    return;
                };
                let goes_on = local.settle_session(conn, true, out);
                // Its client hears of it only now.
                let alive = goes_on.then_some((who.session, who.timeout_ms));
                self.touched.extend(alive);
            }
            None => {}
        }
    }

    /// The leader passes on the lead: to this server, if it has everything and all of it is
    /// committed, or to another.
    fn hand_over(
        &mut self,
        step: HandOver,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let (leader, why) = match step {
            HandOver::Offer(zxid) => {
                let me = local.cfg.sid;
                // What was before the epoch, every learner that serves has: as a log, or as a snapshot of
                // the leader's, which says that it is of the beginning of the epoch.
                let begin = Zxid::new(local.current_epoch, 0);
                let level =
                    local.last_logged.max(begin) == zxid.max(begin) && self.pending.is_empty();
                let fit = local.ensemble.is_voter(me) && !self.observer;
                let takes = fit && (level || local.cfg.bugs.hands_over_too_early());
                let answer = if takes {
                    HandOver::Accepted
                } else {
                    HandOver::Refused
                };
                out.push(Output::ToLink {
                    link: self.link,
                    packet: Packet::HandOver(answer),
                });
                if !takes {
                    return Ok(());
                }
                (me, "this server leads on".to_owned())
            }
            HandOver::Follow(leader) if local.ensemble.is_voter(leader) => {
                (leader, format!("server {leader} leads on"))
            }
            HandOver::MayLeave => {
                out.push(Output::Event(PeerEvent::MayLeave));
                return Ok(());
            }
            HandOver::Moved(session) => {
                self.moved_away(session, local, out);
                return Ok(());
            }
            HandOver::GivesUp => {
                self.leader_gives_up = true;
                return Ok(());
            }
            HandOver::Follow(_) | HandOver::Accepted | HandOver::Refused | HandOver::Leaves => {
                return Ok(());
            }
        };
        let cause = if leader == self.leader {
            ElectionCause::RollOver
        } else {
            ElectionCause::HandOver
        };
        local.next = Some(Next::Designated { leader, cause });
        Err(RoleOver(why))
    }

    /// Logs a proposal; acknowledged when it is durable.
    pub(super) fn log_proposal(
        &mut self,
        entry: Entry,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let zxid = entry.zxid();
        check_follows(local.last_logged, zxid)?;
        let after = (!self.observer).then_some(After::Ack(self.link, zxid));
        if local.cfg.bugs.ack_before_durable() {
            local.append(&entry, None, out);
            if let Some(after) = after {
                self.durable(after, out);
            }
        } else {
            local.append(&entry, after, out);
        }
        if let Some(next) = config_of(&entry) {
            local.see_config(next, out);
        }
        self.pending.push_back(entry);
        Ok(())
    }

    /// Applies the oldest proposal, which a quorum has.
    pub(super) fn commit(
        &mut self,
        zxid: Zxid,
        leader: Option<Sid>,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        if zxid <= local.db.last_applied() {
            return Ok(());
        }
        match self.pending.pop_front() {
            Some(entry) if entry.zxid() == zxid => self.apply(entry, leader, local, now, out),
            head => {
                let head = head.inspect(|e| self.pending.push_front(e.clone()));
                let head = head.map(|e| e.zxid());
                Err(RoleOver(format!(
                    "COMMIT of {zxid}, but the oldest proposal is {head:?}"
                )))
            }
        }
    }

    /// Applies what a quorum has. A session that begins counts as alive on every server, so that no
    /// slow first answer costs it its time.
    fn apply(
        &mut self,
        entry: Entry,
        leader: Option<Sid>,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let zxid = entry.zxid();
        let next = leader.and_then(|leader| Some((config_of(&entry)?, leader)));
        if let TxnBody::CreateSession { timeout_ms } = entry.txn.body {
            self.touched.insert(entry.txn.header.session, timeout_ms);
        }
        let for_wards = self.master.is_some().then(|| entry.clone());
        local.apply_committed(entry, out);
        if let Some(entry) = for_wards {
            self.tell_wards(&entry, leader, local, out);
        }
        if let Some((next, leader)) = next
            && local.activate_config(next, Some((leader, zxid)), now, out)
        {
            let stays = leader == self.leader && local.designated.is_none();
            if !stays && self.leader_gives_up {
                local.parting.given_up();
            }
            if !stays || !local.clients.can_hold() || local.turning.is_some() {
                return Err(RoleOver("the members changed".into()));
            }
            local.turning = Some(Turning::begin(now, local.cfg.tick_ms));
        }
        Ok(())
    }

    pub(super) fn forward(&self, request: ForwardedRequest, out: &mut Outputs) {
        out.push(Output::ToLink {
            link: self.link,
            packet: Packet::Request(request),
        });
    }

    /// A request of one of this server's clients that the leader has to see.
    pub(crate) fn submit(&mut self, submission: Submission, out: &mut Outputs) {
        let Submission {
            conn,
            session,
            xid,
            auth,
            what,
        } = submission;
        let (op, body) = match what {
            Submitted::Write(request, body) => (request.op(), body),
            Submitted::Undecodable(op, body) => (op, body),
            Submitted::Close => (OpCode::CloseSession, Bytes::new()),
            Submitted::Sync(body) => {
                self.syncs.push_back(Syncing::Client(conn));
                (OpCode::Sync, body)
            }
        };
        self.forward(
            ForwardedRequest {
                session,
                xid,
                op: op.to_wire(),
                body,
                auth,
            },
            out,
        );
    }

    /// A new session of one of this server's clients.
    pub(crate) fn create_session(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Outputs,
    ) {
        let body = Bytes::copy_from_slice(&timeout_ms.to_be_bytes());
        let op = OpCode::CreateSession.to_wire();
        let auth = Vec::new();
        self.forward(
            ForwardedRequest {
                session,
                xid: Xid(0),
                op,
                body,
                auth,
            },
            out,
        );
    }

    /// A client of this server comes back with its session: the leader decides. It goes on when a
    /// sync behind that is through: then whatever its earlier connections had asked, from wherever,
    /// is applied here or was refused.
    pub(crate) fn reopen_session(&mut self, who: Returning, me: Sid, out: &mut Outputs) {
        if let Some(master) = &mut self.master {
            master.returns_to(who.session, me);
        }
        self.revalidations.asked(Asked::Client(who));
        self.ask_about(who.session, who.timeout_ms, out);
        self.sync_before(who, out);
    }

    /// The same for a session that nobody else knows.
    pub(crate) fn return_local(&mut self, who: Returning, out: &mut Outputs) {
        self.revalidations.lives(who);
        self.sync_before(who, out);
    }

    /// Begins the sync behind which a client goes on.
    fn sync_before(&mut self, who: Returning, out: &mut Outputs) {
        self.syncs.push_back(Syncing::Return(who.conn));
        let mut body = Writer::with_capacity(5);
        body.string("/");
        self.forward(
            ForwardedRequest {
                session: who.session,
                xid: Xid(0),
                op: OpCode::Sync.to_wire(),
                body: body.into_bytes(),
                auth: Vec::new(),
            },
            out,
        );
    }

    /// Asks the leader whether a session lives, and may act through this server.
    pub(super) fn ask_about(&self, session: SessionId, timeout_ms: i32, out: &mut Outputs) {
        let packet = Packet::Revalidate {
            session,
            timeout_ms,
        };
        out.push(Output::ToLink {
            link: self.link,
            packet,
        });
    }

    /// Asks to be let go: the leader answers when a quorum follows without this server.
    pub(crate) fn leave(&self, out: &mut Outputs) {
        if self.leader_hands_over && matches!(self.stage, Stage::Serving) {
            out.push(Output::ToLink {
                link: self.link,
                packet: Packet::HandOver(HandOver::Leaves),
            });
        }
    }

    /// A sign of life of a session, told with the next ping.
    pub(crate) fn touch_session(&mut self, session: SessionId, timeout_ms: i32) {
        if matches!(self.stage, Stage::Serving) {
            self.touched.insert(session, timeout_ms);
        }
    }
}
