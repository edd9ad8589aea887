//! Synchronization: DIFF, TRUNC or SNAP, then NEWLEADER; and the begin of serving.

use bytes::Bytes;
use zk_wire::election::ServerState;
use zk_wire::quorum::Packet;
use zk_wire::{Sid, Zxid};

use super::broadcast::Broadcast;
use super::link::LinkState;
use super::{Leading, Stage};
use crate::db::Entry;
use crate::io::{DiskOp, LinkId, Output, Outputs};
use crate::peer::local::Local;
use crate::status::{PeerEvent, Phase, SyncKind};
use crate::time::Now;
use crate::zab::bring_level::{self, Committed};
use crate::zab::history::SyncPlan;

/// A config that was proposed when this lead began is in force now: NEWLEADER had it, and a quorum
/// of it, too, has acknowledged. True when it has no place for this leader; followers find that by
/// themselves.
fn complete_config(local: &mut Local, now: Now, out: &mut Outputs) -> bool {
    let Some(next) = local.ensemble.proposed().cloned() else {
        return false;
    };
    local.activate_config(next, None, now, out)
}

impl Leading {
    /// Begins to bring a learner level: from memory, or, when it is behind that, as the log on disk
    /// allows.
    pub(super) fn start_sync(
        &mut self,
        id: LinkId,
        last_zxid: Zxid,
        local: &mut Local,
        out: &mut Outputs,
    ) {
        let plan = local.history.sync_plan(local.history_last(), last_zxid);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        // Zero is said by who wants a snapshot, too.
        if plan == SyncPlan::Snap
            && last_zxid != Zxid::ZERO
            && local.history.begins_after(last_zxid)
        {
            link.state = LinkState::AwaitLog { last_zxid };
            let op = DiskOp::ReadLog {
                after: last_zxid,
                link: id,
            };
            local.disk(op, None, out);
            return;
        }
        self.sync_by(id, last_zxid, plan, &[], local, out);
    }

    /// The log was read for a learner that waits.
    pub(crate) fn log_read(
        &mut self,
        id: LinkId,
        entries: Option<Vec<Entry>>,
        local: &Local,
        out: &mut Outputs,
    ) {
        let waiting = self.links.get(&id).map(|link| link.state);
        let Some(LinkState::AwaitLog { last_zxid }) = waiting else {
            return;
        };
        // What is in memory is committed; the end of the log need not be.
        let mut from_disk = entries.unwrap_or_default();
        let first = local.history.first();
        from_disk.retain(|entry| Some(entry.zxid()) < first);
        let whole = match (from_disk.last(), first) {
            (Some(last), Some(first)) => {
                // What memory forgot since the log was read is in neither.
                let begins = first.epoch() > last.zxid().epoch() && first.counter() == 1;
                begins || last.zxid().next() == Some(first)
            }
            _ => false,
        };
        if whole {
            self.sync_by(id, last_zxid, SyncPlan::Diff, &from_disk, local, out);
        } else {
            // What is in memory may have become enough, or have gone on meanwhile.
            let plan = local.history.sync_plan(local.history_last(), last_zxid);
            self.sync_by(id, last_zxid, plan, &[], local, out);
        }
    }

    /// Queues everything that brings a learner level, and from here on live traffic. Nothing is
    /// proposed or committed in between, since one input is handled at a time.
    fn sync_by(
        &mut self,
        id: LinkId,
        last_zxid: Zxid,
        plan: SyncPlan,
        from_disk: &[Entry],
        local: &Local,
        out: &mut Outputs,
    ) {
        let Some(epoch) = self.epoch() else { return };
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.state = LinkState::ExpectNewLeaderAck;
        let (sid, observer) = (link.sid, link.observer);
        let proposed = self.stage.broadcast().filter(|_| !observer);
        let through = proposed.map_or_else(|| local.history_last(), Broadcast::last);
        link.lag.sync_sent(last_zxid, through);
        let kind = bring_level::kind(plan);
        link.sync = Some(kind);
        self.tell_syncs(kind, out);
        let committed = Committed {
            link: id,
            last_zxid,
            plan,
            from_disk,
        };
        committed.send(local, out);
        if let Stage::Broadcast(broadcast) = &mut self.stage {
            if let Some(sid) = sid {
                broadcast.forget_acks(sid);
            }
            if !observer {
                for (zxid, txn) in broadcast.proposals() {
                    let packet = Packet::Proposal { zxid, txn };
                    out.push(Output::ToLink { link: id, packet });
                }
            }
        }
        // A follower gets the proposal of a config that is not in force yet; an observer must not
        // believe in it before it is.
        let is_open = matches!(self.stage, Stage::Broadcast(_));
        let config = if observer && is_open {
            local.ensemble.text()
        } else {
            local.ensemble.last_seen_text()
        };
        let config = Some(Bytes::copy_from_slice(config.as_bytes()));
        let packet = Packet::NewLeader {
            zxid: Zxid::new(epoch, 0),
            config,
        };
        out.push(Output::ToLink { link: id, packet });
        if let Some(sid) = sid {
            bring_level::note(sid, plan, !from_disk.is_empty(), out);
        }
    }

    /// Tells how many learners are being brought level in this way.
    fn tell_syncs(&self, kind: SyncKind, out: &mut Outputs) {
        let links = self.links.values();
        let count = links.filter(|link| link.sync == Some(kind)).count() as u64;
        out.push(Output::Event(PeerEvent::SyncsUnderWay { kind, count }));
    }

    /// A learner has the history and the epoch, durably.
    pub(super) fn ack_new_leader(
        &mut self,
        id: LinkId,
        zxid: Zxid,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), String> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };
        if zxid != Zxid::new(epoch, 0) {
            return Err(format!("ACK of {zxid} instead of NEWLEADER"));
        }
        let silent_at = now.mono.plus(local.ticks(local.cfg.sync_limit));
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        link.silent_at = silent_at;
        link.lag.sync_done();
        let sid = link.sid;
        if let Some(kind) = link.sync.take() {
            self.tell_syncs(kind, out);
        }
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        if let Stage::Broadcast(b) = &mut self.stage {
            link.state = LinkState::Serving;
            let before = sid.and_then(|sid| self.served.insert(sid, id));
            if let Some(before) = before {
                b.sessions.pass_on(before, id);
            }
            out.push(Output::ToLink {
                link: id,
                packet: Packet::UpToDate,
            });
            if let Some(before) = before {
                // What it still has to say is said over the new connection.
                self.drop_link(before, "it connected again".to_owned(), out);
            }
            self.let_go(local, out);
            return Ok(());
        }
        link.state = LinkState::AwaitActivation;
        // An observer that is to become a voter counts for the config that makes it one.
        if let Some(sid) = sid {
            self.count_new_leader_ack(sid, local, now, out);
        }
        Ok(())
    }

    /// Counts an acknowledgement of NEWLEADER; with a quorum the leader begins to serve.
    pub(super) fn count_new_leader_ack(
        &mut self,
        sid: Sid,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) {
        let me = self.me;
        let Stage::Synchronization { epoch, acked } = &mut self.stage else {
            return;
        };
        if local.ensemble.is_voter(sid) {
            acked.insert(sid);
        }
        if !acked.contains(&me) || !local.ensemble.is_quorum(acked.iter().copied()) {
            return;
        }
        let epoch = *epoch;
        local.begin_serving(epoch, out);
        // Said behind the begin of this lead, which commits it.
        let mut of_config = Outputs::new();
        let deposed = complete_config(local, now, &mut of_config);
        local.show_config(now);
        local.vote.epoch = Some(epoch);
        let mut broadcast = Broadcast::new(local, epoch, now);
        if deposed {
            broadcast.depose(now.mono.plus(local.ticks(local.cfg.sync_limit)));
        }
        self.stage = Stage::Broadcast(Box::new(broadcast));
        self.quorum_check_at = now.mono.plus(local.cfg.tick_ms);
        let silent_at = now.mono.plus(local.ticks(local.cfg.sync_limit));
        for (id, link) in &mut self.links {
            if link.state == LinkState::AwaitActivation {
                link.state = LinkState::Serving;
                self.served.extend(link.sid.map(|sid| (sid, *id)));
                link.silent_at = silent_at;
                out.push(Output::ToLink {
                    link: *id,
                    packet: Packet::UpToDate,
                });
            }
        }
        Local::event_phase(ServerState::Leading, Phase::Broadcast, Some(me), out);
        out.append(&mut of_config);
    }
}
