//! Broadcast: proposals, acknowledgements, commits; what is asked comes from `requests`.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zk_wire::client::Request;
use zk_wire::quorum::{HandOver, Packet};
use zk_wire::txn::{Txn, TxnBody, TxnHeader};
use zk_wire::{Epoch, SessionId, Sid, Zxid};

use super::link::LinkState;
use super::requests::Ask;
use super::sweep::Sweep;
use super::{Leading, RoleOver, Stage};
use crate::db::Entry;
use crate::io::{ConnId, LinkId, Output, Outputs};
use crate::peer::configs::config_of;
use crate::peer::disk::After;
use crate::peer::local::{Local, ends_session};
use crate::request::order::Returning;
use crate::request::outstanding::Outstanding;
use crate::request::prep::{Asker, Write, prepare};
use crate::session::{SessionTracker, Standing};
use crate::time::{Mono, Now};
use crate::zab::serve_learners::commit_packet;

/// Proposals whose time is remembered for each follower, of those that go out within `syncLimit`.
const NOTES_PER_SYNC_LIMIT: u64 = 32;

/// Who waits for a sync.
#[derive(Debug, Clone, Copy)]
pub(super) enum Syncing {
    Client(ConnId),
    Learner(LinkId),
    /// A session that came back to this server, until what its earlier connections had asked is
    /// applied or refused.
    Session(Returning),
}

/// State of an established leader.
#[derive(Debug)]
pub(crate) struct Broadcast {
    epoch: Epoch,
    /// Last zxid that was given out.
    pub(super) last: Zxid,
    committed: Zxid,
    pub(super) outstanding: Outstanding,
    /// Proposed and not committed, oldest first.
    proposals: VecDeque<Entry>,
    /// What each voter has acknowledged; acknowledging one acknowledges all before it.
    acked: BTreeMap<Sid, Zxid>,
    pub(super) sessions: SessionTracker,
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

    pub(super) fn syncs_len(&self) -> u64 {
        self.syncs.len() as u64
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

impl Leading {
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
        let spacing_ms = local.ticks(local.cfg.sync_limit) / NOTES_PER_SYNC_LIMIT;
        for (id, link) in &mut self.links {
            if link.stream_open() && !link.observer {
                let packet = Packet::Proposal {
                    zxid,
                    txn: entry.raw.clone(),
                };
                out.push(Output::ToLink { link: *id, packet });
                link.lag.sent(zxid, now.mono, spacing_ms);
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
            let gives_up = leader.is_some_and(|leader| leader != me);
            for (id, link) in &self.links {
                if link.stream_open() {
                    if gives_up && link.hands_over {
                        let packet = Packet::HandOver(HandOver::GivesUp);
                        out.push(Output::ToLink { link: *id, packet });
                    }
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
                answer_sync(who, b, local, now, out);
            }
        }
        local.last_served = now.mono;
        if b.deposed_until.is_some() {
            self.check_quorum(local)?;
        }
        self.go_on_handing_over(local, out)
    }

    /// Whether a reconfiguration made another the leader. Who asks for something from then on hears of
    /// the end of this lead, and asks the next leader: what this one said might not be known to that.
    pub(super) fn serves_nobody(&self) -> bool {
        let Stage::Broadcast(b) = &self.stage else {
            return true;
        };
        b.deposed_until.is_some()
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
        if self.serves_nobody() {
            return Ok(());
        }
        let Some(who) = self.hold_sync(who) else {
            return Ok(());
        };
        let Stage::Broadcast(b) = &mut self.stage else {
            return Ok(());
        };
        match b.proposals.back() {
            Some(last) => b.syncs.push_back((last.zxid(), who)),
            None => answer_sync(who, b, local, now, out),
        }
        Ok(())
    }
}

fn answer_sync(who: Syncing, b: &mut Broadcast, local: &mut Local, now: Now, out: &mut Outputs) {
    match who {
        Syncing::Client(conn) => local.clients.synced(&local.db, conn, out),
        Syncing::Session(who) => {
            // Its client hears of it only now.
            let lives = b.sessions.touch(who.session, who.timeout_ms, now.mono)
                || local.local_sessions.contains(who.session);
            local.settle_session(who.conn, lives, out);
        }
        Syncing::Learner(link) => out.push(Output::ToLink {
            link,
            packet: Packet::Sync,
        }),
    }
}
