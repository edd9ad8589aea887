//! Broadcast: proposals, acknowledgements, commits; and the requests of this server's clients and
//! of the learners.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zk_wire::client::{ErrorCode, OpCode, Request};
use zk_wire::quorum::{ForwardedRequest, Packet};
use zk_wire::txn::{Txn, TxnBody, TxnHeader};
use zk_wire::{Epoch, Id, SessionId, Sid, Xid, Zxid};

use super::link::LinkState;
use super::sweep::Sweep;
use super::{Leading, RoleOver, Stage};
use crate::db::Entry;
use crate::io::{ConnId, LinkId, Output, Outputs};
use crate::peer::configs::config_of;
use crate::peer::disk::After;
use crate::peer::local::{Local, ends_session};
use crate::request::order::{Submission, Submitted};
use crate::request::outstanding::Outstanding;
use crate::request::prep::{Asker, Write, prepare};
use crate::session::{Owner, SessionTracker, Standing};
use crate::status::PeerEvent;
use crate::time::{Mono, Now};

/// Who waits for a sync.
#[derive(Debug, Clone, Copy)]
pub(super) enum Syncing {
    Client(ConnId),
    Learner(LinkId),
    /// A session that came back to this server, until what its earlier connections had asked is
    /// applied or refused.
    Session(SessionId),
}

/// State of an established leader.
#[derive(Debug)]
pub(crate) struct Broadcast {
    epoch: Epoch,
    /// Last zxid that was given out.
    last: Zxid,
    committed: Zxid,
    pub(super) outstanding: Outstanding,
    /// Proposed and not committed, oldest first.
    proposals: VecDeque<Entry>,
    /// What each voter has acknowledged; acknowledging one acknowledges all before it.
    acked: BTreeMap<Sid, Zxid>,
    sessions: SessionTracker,
    /// Syncs, each with the proposal whose commit it waits for, oldest first.
    syncs: VecDeque<(Zxid, Syncing)>,
    pub(super) sweep: Sweep,
    /// A reconfiguration has made another the leader: this one commits nothing any more, and waits
    /// until then for the followers to leave.
    deposed_until: Option<Mono>,
}

impl Broadcast {
    pub(super) fn new(local: &Local, epoch: Epoch, now: Now) -> Self {
        let start = if local.cfg.bugs.expire_during_election() {
            local.last_served
        } else {
            now.mono
        };
        let sessions = SessionTracker::new(local.db.sessions(), local.cfg.tick_ms, start);
        let last = local.db.last_applied();
        Self {
            epoch,
            last,
            committed: last,
            outstanding: Outstanding::new(local.db.digest()),
            proposals: VecDeque::new(),
            acked: BTreeMap::new(),
            sessions,
            syncs: VecDeque::new(),
            sweep: Sweep::new(&local.cfg.kinds, now.mono),
            deposed_until: None,
        }
    }

    /// A session that is to begin lives from here on: its client may ask more at once.
    pub(super) fn begin_session(&mut self, ask: &Ask, now: Now) {
        if let Write::CreateSession { timeout_ms } = ask.write {
            self.sessions
                .add(ask.session, timeout_ms, Some(ask.owner), now.mono);
        }
    }

    /// From here on nothing is proposed or committed.
    pub(super) fn depose(&mut self, until: Mono) {
        self.deposed_until = Some(until);
    }

    pub(super) fn deposed_until(&self) -> Option<Mono> {
        self.deposed_until
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Last zxid that was given out.
    pub(super) fn last(&self) -> Zxid {
        self.last
    }

    /// What a voter has acknowledged.
    pub(super) fn acked_by(&self, sid: Sid) -> Zxid {
        self.acked.get(&sid).copied().unwrap_or_default()
    }

    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    /// When sessions are over, soonest first.
    pub(super) fn session_deadlines(&self) -> Vec<(Mono, Vec<SessionId>)> {
        self.sessions.deadlines().collect()
    }

    pub(super) fn proposals_len(&self) -> u64 {
        self.proposals.len() as u64
    }

    /// When sessions expire or the sweep goes on, whichever is first.
    pub(super) fn deadline(&self) -> Mono {
        let sweep = self.sweep.deadline();
        let sessions = self.sessions.next_deadline();
        [sessions, self.deposed_until]
            .into_iter()
            .flatten()
            .fold(sweep, Mono::min)
    }

    /// Proposals that a learner that joins now has to get.
    pub(super) fn proposals(&self) -> impl Iterator<Item = (Zxid, Bytes)> + '_ {
        self.proposals.iter().map(|e| (e.zxid(), e.raw.clone()))
    }

    /// A voter begins anew: what it acknowledged before says nothing of its disk now.
    pub(super) fn forget_acks(&mut self, sid: Sid) {
        self.acked.remove(&sid);
    }

    pub(super) fn lag_of(&self, sid: Sid) -> u64 {
        let acked = self.acked.get(&sid).copied().unwrap_or_default();
        self.proposals.iter().filter(|e| e.zxid() > acked).count() as u64
    }

    pub(super) fn into_tail(self) -> Vec<Entry> {
        self.proposals.into()
    }

    /// The zxid for the next transaction; `None` when the epoch is used up.
    fn next_zxid(&self, standalone: bool) -> Option<Zxid> {
        match self.last.next() {
            // Nobody has to agree to a new epoch when there is nobody else.
            None if standalone => Some(Zxid::new(Epoch(self.last.epoch().0 + 1), 1)),
            next => next,
        }
    }

    /// Whether a quorum has the oldest proposal on disk.
    fn head_is_committed(&self, local: &Local, me: Sid) -> bool {
        if self.deposed_until.is_some() {
            return false;
        }
        let Some(head) = self.proposals.front().map(Entry::zxid) else {
            return false;
        };
        if local.cfg.bugs.commit_without_quorum() {
            return self.acked.get(&me).is_some_and(|z| *z >= head);
        }
        let acked = self
            .acked
            .iter()
            .filter(|(_, z)| **z >= head)
            .map(|(sid, _)| *sid);
        if local.cfg.bugs.reconfig_commits_without_new_quorum() {
            return local.ensemble.without_proposed().is_quorum(acked);
        }
        local.ensemble.is_quorum(acked)
    }
}

/// A request on its way to becoming a transaction.
#[derive(Debug)]
pub(super) struct Ask {
    owner: Owner,
    session: SessionId,
    xid: Xid,
    auth: Vec<Id>,
    write: Write,
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
        let write = Write::CreateSession { timeout_ms };
        let ask = Ask {
            owner: Owner::Here,
            session,
            xid: Xid(0),
            auth: Vec::new(),
            write,
        };
        self.propose(ask, local, now, out)
    }

    /// A client of this server comes back with its session: it goes on behind what its earlier
    /// connections had asked.
    pub(crate) fn reopen_session(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        let owner = Owner::Here;
        let valid = b.sessions.reopen(session, timeout_ms, owner, now.mono);
        if valid && !local.cfg.bugs.settles_before_sync() {
            return self.sync(Syncing::Session(session), local, now, out);
        }
        local.settle_session(session, valid, out);
        Ok(())
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
            let write = Write::CloseSession;
            let auth = Vec::new();
            let ask = Ask {
                owner: Owner::Here,
                session,
                xid: Xid(0),
                auth,
                write,
            };
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
        let ask = Ask {
            owner: Owner::Here,
            session: SessionId::NONE,
            xid: Xid(0),
            auth: Vec::new(),
            write: Write::Sweep { path },
        };
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
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        match packet {
            Packet::Ack(zxid) => self.learner_ack(id, zxid, local, now, out),
            Packet::PingReply { touched, .. } => {
                for (session, timeout_ms) in touched {
                    b.sessions.touch(session, timeout_ms, now.mono);
                }
                Ok(())
            }
            Packet::Revalidate {
                session,
                timeout_ms,
            } => {
                let owner = Owner::Learner(id);
                let valid = b.sessions.reopen(session, timeout_ms, owner, now.mono);
                if valid {
                    local.clients.moved_away(session);
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

    /// Turns a request into a proposal.
    #[expect(clippy::too_many_lines, reason = "one step after the other")]
    pub(super) fn propose(
        &mut self,
        ask: Ask,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Some(ask) = self.hold_ask(ask, local, now) else {
            return Ok(());
        };
        let standalone = self.standalone;
        let synced: Vec<Sid> = if let Write::Client(Request::Reconfig(_)) = &ask.write {
            self.synced().collect()
        } else {
            Vec::new()
        };
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        if b.deposed_until.is_some() {
            // Whoever asked hears of the end of this lead.
            return Ok(());
        }
        let zxid = b
            .next_zxid(standalone)
            .ok_or_else(|| RoleOver("the epoch has no zxid left, a new one must begin".into()))?;
        b.begin_session(&ask, now);
        let write = ask.write;
        let view = local.view_of(ask.session);
        let mut standing = Standing::GOOD;
        match &write {
            Write::CloseSession => b.sessions.set_closing(ask.session),
            Write::Client(_) => {
                standing = Standing::of(ask.session, ask.owner, &mut b.sessions, view);
            }
            Write::CreateSession { .. } | Write::Sweep { .. } | Write::Refused(_) => {}
        }
        let asker = Asker {
            session: ask.session,
            auth: &ask.auth,
            standing,
            zxid,
            time_ms: now.wall_ms,
            cfg: &local.cfg,
            ensemble: &local.ensemble,
            synced: &synced,
        };
        let body = prepare(&local.db, &mut b.outstanding, asker, &write);
        let digest = (!matches!(body, TxnBody::Error { .. })).then(|| b.outstanding.digest());
        let header = TxnHeader {
            session: ask.session,
            xid: ask.xid,
            zxid,
            time_ms: now.wall_ms,
        };
        let txn = Txn {
            header,
            body,
            digest,
        };
        let raw = txn.encode();
        b.last = zxid;
        let entry = Entry { txn, raw };
        for (id, link) in &mut self.links {
            if link.stream_open() && !link.observer {
                let packet = Packet::Proposal {
                    zxid,
                    txn: entry.raw.clone(),
                };
                out.push(Output::ToLink { link: *id, packet });
                // While it takes over the history, initLimit bounds it.
                if link.state == LinkState::Serving {
                    link.oldest_unacked.get_or_insert((zxid, now.mono));
                }
            }
        }
        local.append(&entry, Some(After::SelfAck(zxid)), out);
        if let Some(next) = config_of(&entry) {
            local.see_config(next, out);
        }
        b.proposals.push_back(entry);
        if local.cfg.bugs.ack_before_durable() {
            return self.acked(self.me, zxid, local, now, out);
        }
        self.roll_over_if_due(zxid, local, now, out)
    }

    /// A voter has `zxid`, and so all before it, on disk.
    pub(super) fn acked(
        &mut self,
        sid: Sid,
        zxid: Zxid,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        let acked = b.acked.entry(sid).or_default();
        *acked = (*acked).max(zxid);
        self.commit_what_can_be(local, now, out)
    }

    fn commit_what_can_be(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let me = self.me;
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        while b.head_is_committed(local, me) {
            let Some(entry) = b.proposals.pop_front() else {
                break;
            };
            let zxid = entry.zxid();
            b.committed = zxid;
            let next = config_of(&entry).map(|next| {
                let acked = b.acked.iter().filter(|(_, acked)| **acked >= zxid);
                let leader = local.designate(&next, acked.map(|(sid, acked)| (*sid, *acked)));
                (next, leader)
            });
            let leader = next.as_ref().map(|(_, leader)| *leader);
            for (id, link) in &self.links {
                if link.stream_open() {
                    let packet = commit_packet(&entry, link.observer, leader);
                    out.push(Output::ToLink { link: *id, packet });
                }
            }
            if ends_session(&entry) {
                b.sessions.remove(entry.txn.header.session);
            }
            if let TxnBody::CreateSession { timeout_ms } = entry.txn.body {
                // Its client hears of it only now, however long this took.
                let session = entry.txn.header.session;
                b.sessions.touch(session, timeout_ms, now.mono);
            }
            local.apply_committed(entry, out);
            b.outstanding.applied(zxid);
            if let Some((next, leader)) = next
                && local.activate_config(next, Some((leader, zxid)), now, out)
            {
                b.depose(now.mono.plus(local.ticks(local.cfg.sync_limit)));
            }
            while let Some((after, who)) = b.syncs.front().copied()
                && after <= zxid
            {
                b.syncs.pop_front();
                answer_sync(who, local, out);
            }
        }
        local.last_served = now.mono;
        if b.deposed_until.is_some() {
            self.check_quorum(local)?;
        }
        self.go_on_handing_over(local, out)
    }

    /// A sync is through when everything proposed before it is committed, and what waits for a
    /// hand-over is proposed, too.
    pub(super) fn sync(
        &mut self,
        who: Syncing,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        // A process that was stopped for a while hears its clients before it looks at the time, and
        // the others may have another leader by now.
        if !self.standalone && !local.ensemble.is_quorum(self.heard_from(now)) {
            return Err(RoleOver("no quorum was heard within syncLimit".into()));
        }
        let Some(who) = self.hold_sync(who) else {
            return Ok(());
        };
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        match b.proposals.back() {
            Some(last) => b.syncs.push_back((last.zxid(), who)),
            None => answer_sync(who, local, out),
        }
        Ok(())
    }
}

/// COMMIT or INFORM, which for a config say who leads from here on.
fn commit_packet(entry: &Entry, observer: bool, leader: Option<Sid>) -> Packet {
    let zxid = entry.zxid();
    let txn = || entry.raw.clone();
    match (observer, leader) {
        (false, None) => Packet::Commit(zxid),
        (false, Some(leader)) => Packet::CommitAndActivate { zxid, leader },
        (true, None) => Packet::Inform { zxid, txn: txn() },
        (true, Some(leader)) => Packet::InformAndActivate {
            zxid,
            leader,
            txn: txn(),
        },
    }
}

fn answer_sync(who: Syncing, local: &mut Local, out: &mut Outputs) {
    match who {
        Syncing::Client(conn) => local.clients.synced(&local.db, conn, out),
        Syncing::Session(session) => local.settle_session(session, true, out),
        Syncing::Learner(link) => out.push(Output::ToLink {
            link,
            packet: Packet::Sync,
        }),
    }
}
