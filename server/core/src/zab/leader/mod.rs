//! The LEADING role.
//!
//! ```text
//! Discovery --quorum of promises, acceptedEpoch durable--> EpochAcks --quorum of ACKEPOCH-->
//! Synchronization --quorum of NEWLEADER acks, own currentEpoch durable--> Broadcast
//! ```
//! Any of the first three may take `initLimit` ticks, then the leader gives up. In broadcast it gives
//! up when it has not heard of a quorum for `syncLimit` ticks.

mod broadcast;
mod discovery;
mod epoch_acks;
mod hand_over;
mod lag;
mod late_promise;
mod link;
mod requests;
mod sweep;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::quorum::Packet;
use zk_wire::{Epoch, SessionId, Sid, Zxid};

use crate::io::{LinkId, Output, Outputs};
use crate::peer::disk::After;
use crate::peer::local::Local;
use crate::status::{ElectionCause, LearnerStatus, Phase};
use crate::time::{Mono, Now};

use broadcast::Broadcast;
use epoch_acks::EpochAcks;
use hand_over::HandOver;
use lag::Behind;
use late_promise::LatePromises;
use link::{Link, LinkState};

/// Why a role ends.
#[derive(Debug)]
pub(crate) struct RoleOver(pub(crate) String);

/// What a leader is busy with.
#[derive(Debug)]
enum Stage {
    /// Collects promises; the epoch grows with what the learners have promised before.
    Discovery {
        epoch: Epoch,
        promised: BTreeSet<Sid>,
    },
    /// The epoch is fixed, its promise is being written.
    Promising,
    /// Collects acknowledgements of the epoch from voters with no newer history.
    EpochAcks(EpochAcks),
    /// Collects acknowledgements of NEWLEADER.
    Synchronization { epoch: Epoch, acked: BTreeSet<Sid> },
    /// Serves.
    Broadcast(Box<Broadcast>),
}

/// The mistake of going on in the epoch of the leader that passed on the lead.
fn same_epoch(local: &Local) -> bool {
    local.cfg.bugs.successor_keeps_epoch() && local.cause == ElectionCause::HandOver
}

impl Stage {
    fn broadcast(&self) -> Option<&Broadcast> {
        if let Self::Broadcast(b) = self {
            Some(b)
        } else {
            None
        }
    }
}

/// The role.
#[derive(Debug)]
pub(crate) struct Leading {
    me: Sid,
    standalone: bool,
    stage: Stage,
    links: BTreeMap<LinkId, Link>,
    /// The connection over which each learner was served last.
    served: BTreeMap<Sid, LinkId>,
    /// Own epoch and last zxid when the lead began, to which the learners' are compared.
    history_at_start: (Epoch, Zxid),
    /// When the stage must be over.
    stage_deadline: Mono,
    ping_at: Mono,
    quorum_check_at: Mono,
    late_promises: LatePromises,
    hand_over: Option<HandOver>,
}

impl Leading {
    /// Begins to lead, on the promise of an election.
    pub(crate) fn new(local: &mut Local, patience_ms: u64, now: Now, out: &mut Outputs) -> Self {
        out.push(Output::QuorumPort { open: true });
        let mut leading = Self::at(local, now, Self::first_stage(local));
        leading.stage_deadline = now.mono.plus(patience_ms);
        leading.promise(local, None, out);
        leading
    }

    fn first_stage(local: &Local) -> Stage {
        let promised = local.accepted_epoch.max(local.promised_elsewhere);
        let later = if same_epoch(local) { 0 } else { 1 };
        Stage::Discovery {
            epoch: Epoch(promised.0.saturating_add(later)),
            promised: BTreeSet::new(),
        }
    }

    fn at(local: &Local, now: Now, stage: Stage) -> Self {
        Self {
            me: local.cfg.sid,
            standalone: false,
            stage,
            links: BTreeMap::new(),
            served: BTreeMap::new(),
            history_at_start: (local.current_epoch, local.last_logged),
            stage_deadline: now.mono.plus(local.ticks(local.cfg.init_limit)),
            ping_at: now.mono,
            quorum_check_at: now.mono,
            late_promises: LatePromises::default(),
            hand_over: None,
        }
    }

    /// Begins to serve alone, without an ensemble.
    pub(crate) fn standalone(local: &mut Local, now: Now) -> Self {
        let epoch = local.last_logged.epoch();
        let broadcast = Broadcast::new(local, epoch, now);
        local.serving = true;
        let stage = Stage::Broadcast(Box::new(broadcast));
        Self {
            standalone: true,
            ..Self::at(local, now, stage)
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Discovery { .. } | Stage::Promising | Stage::EpochAcks(_) => Phase::Discovery,
            Stage::Synchronization { .. } => Phase::Synchronization,
            Stage::Broadcast(_) => Phase::Broadcast,
        }
    }

    /// When sessions are over, soonest first; `None` before this server tracks them.
    pub(crate) fn session_deadlines(&self) -> Option<Vec<(Mono, Vec<SessionId>)>> {
        if let Stage::Broadcast(b) = &self.stage {
            Some(b.session_deadlines())
        } else {
            None
        }
    }

    /// The epoch, once it is fixed and promised.
    fn epoch(&self) -> Option<Epoch> {
        match &self.stage {
            Stage::Discovery { .. } | Stage::Promising => None,
            Stage::EpochAcks(acks) => Some(acks.epoch),
            Stage::Synchronization { epoch, .. } => Some(*epoch),
            Stage::Broadcast(b) => Some(b.epoch()),
        }
    }

    /// The epoch, once a quorum has acknowledged it and before anybody is served in it.
    pub(crate) fn begun(&self) -> Option<Epoch> {
        if let Stage::Synchronization { epoch, .. } = &self.stage {
            Some(*epoch)
        } else {
            None
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let at = match self.stage.broadcast() {
            Some(b) => b.deadline(),
            None => self.stage_deadline,
        };
        let at = self.hand_over.as_ref().map_or(at, |h| at.min(h.deadline()));
        Some(if self.standalone {
            at
        } else {
            at.min(self.ping_at)
        })
    }

    /// A learner connected.
    pub(crate) fn connected(&mut self, id: LinkId, local: &Local, now: Now) {
        // The first bound is generous: connecting, epoch and history take initLimit together.
        let silent_at = now
            .mono
            .plus(local.ticks(local.cfg.init_limit + local.cfg.sync_limit));
        self.links.insert(id, Link::new(silent_at, now.mono));
    }

    /// A learner's connection ended. A leader that a reconfiguration deposed waits for just that.
    pub(crate) fn closed(
        &mut self,
        id: LinkId,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        self.links.remove(&id);
        let deposed = self.stage.broadcast().and_then(Broadcast::deposed_until);
        if deposed.is_some() {
            self.check_quorum(local)?;
        }
        self.check_hand_over(local, now, out)
    }

    fn drop_link(&mut self, id: LinkId, why: String, out: &mut Outputs) {
        if self.links.remove(&id).is_some() {
            out.push(Output::CloseLink { link: id, why });
        }
    }

    /// A packet of a learner. What it may not send at this point costs its connection only.
    pub(crate) fn packet(
        &mut self,
        id: LinkId,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        let limit = if link.state == LinkState::Serving {
            local.cfg.sync_limit
        } else {
            local.cfg.init_limit + local.cfg.sync_limit
        };
        link.silent_at = now.mono.plus(local.ticks(limit));
        let outcome = match (link.state, packet) {
            (LinkState::ExpectInfo, Packet::FollowerInfo(info)) => {
                self.check_promise(&info, local, now)?;
                self.learner_info(id, &info, false, local, out)
            }
            (LinkState::ExpectInfo, Packet::ObserverInfo(info)) => {
                self.learner_info(id, &info, true, local, out)
            }
            (
                LinkState::ExpectAckEpoch,
                Packet::AckEpoch {
                    last_zxid,
                    current_epoch,
                },
            ) => self.ack_epoch(id, last_zxid, current_epoch, local, now, out),
            (LinkState::ExpectNewLeaderAck, Packet::Ack(zxid)) => {
                self.ack_new_leader(id, zxid, local, now, out)
            }
            (LinkState::Serving, packet) => return self.serve_packet(id, packet, local, now, out),
            (state, packet) => Err(format!("{packet:?} while {state:?}")),
        };
        if let Err(why) = outcome {
            self.drop_link(id, why, out);
        }
        Ok(())
    }

    /// Disk operations of this role became durable.
    pub(crate) fn durable(
        &mut self,
        after: After,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        match after {
            After::EpochPromised(epoch) => {
                self.epoch_promised(epoch, local, now, out);
                Ok(())
            }
            After::EpochBegun => {
                self.count_new_leader_ack(self.me, local, now, out);
                Ok(())
            }
            After::SelfAck(zxid) => self.acked(self.me, zxid, local, now, out),
            After::Ack(..) | After::AckEpoch(_) => Ok(()),
        }
    }

    /// Time passed.
    pub(crate) fn tick(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        if let Stage::Broadcast(b) = &self.stage {
            if b.deposed_until().is_some_and(|until| until <= now.mono) {
                return Err(RoleOver("a reconfiguration made another the leader".into()));
            }
            local.last_served = now.mono;
            self.check_hand_over(local, now, out)?;
            self.expire_sessions(local, now, out)?;
            self.sweep(local, now, out)?;
        } else if self.stage_deadline <= now.mono {
            let why = format!(
                "no quorum of followers within initLimit in {:?}",
                self.phase()
            );
            return Err(RoleOver(why));
        }
        if !self.standalone && self.ping_at <= now.mono {
            self.ping_at = now.mono.plus((local.cfg.tick_ms / 2).max(1));
            self.ping_links(local, now, out);
            if self.quorum_check_at <= now.mono {
                self.quorum_check_at = now.mono.plus(local.cfg.tick_ms);
                self.check_quorum(local)?;
            }
        }
        Ok(())
    }

    fn ping_links(&mut self, local: &Local, now: Now, out: &mut Outputs) {
        let sent = self.stage.broadcast().map(|b| (b.last(), b.committed()));
        let lag_ms = local.ticks(local.cfg.sync_limit);
        let zxid = local.last_logged.max(local.db.last_applied());
        let mut dead = Vec::new();
        for (id, link) in &mut self.links {
            let lagging = link
                .oldest_unacked
                .is_some_and(|(_, at)| at.plus(lag_ms) <= now.mono);
            if link.silent_at <= now.mono {
                dead.push((*id, "silent for too long".to_owned()));
            } else if lagging {
                dead.push((
                    *id,
                    "a proposal is not acknowledged within syncLimit".to_owned(),
                ));
            } else if link.stream_open() {
                let packet = Packet::Ping { zxid };
                out.push(Output::ToLink { link: *id, packet });
                // What comes before UPTODATE is not answered.
                if let (LinkState::Serving, Some((last, committed))) = (link.state, sent) {
                    let behind = if link.observer { committed } else { last };
                    link.lag.pinged(zxid, behind, now.mono);
                }
            }
        }
        for (id, why) in dead {
            self.drop_link(id, why, out);
        }
    }

    /// This server and the followers that serve.
    fn synced(&self) -> impl Iterator<Item = Sid> {
        self.links
            .values()
            .filter(|l| l.state == LinkState::Serving && !l.observer)
            .filter_map(|l| l.sid)
            .chain([self.me])
    }

    /// Those of them that are not silent for too long, whether or not that was noticed.
    fn heard_from(&self, now: Now) -> impl Iterator<Item = Sid> {
        self.links
            .values()
            .filter(move |l| l.state == LinkState::Serving && !l.observer)
            .filter(move |l| l.silent_at > now.mono)
            .filter_map(|l| l.sid)
            .chain([self.me])
    }

    fn check_quorum(&self, local: &Local) -> Result<(), RoleOver> {
        let Stage::Broadcast(_) = self.stage else {
            return Ok(());
        };
        if local.ensemble.is_quorum(self.synced()) {
            Ok(())
        } else {
            Err(RoleOver("fewer followers than a quorum needs".into()))
        }
    }

    /// Ends the role: connections close, what was proposed and not committed is given back.
    pub(crate) fn end(self, out: &mut Outputs) -> Vec<crate::db::Entry> {
        out.push(Output::QuorumPort { open: false });
        for link in self.links.into_keys() {
            out.push(Output::CloseLink {
                link,
                why: "no longer leading".into(),
            });
        }
        if let Stage::Broadcast(b) = self.stage {
            b.into_tail()
        } else {
            Vec::new()
        }
    }

    pub(crate) fn committed(&self) -> Option<Zxid> {
        self.stage.broadcast().map(Broadcast::committed)
    }

    pub(crate) fn proposals_outstanding(&self) -> u64 {
        self.stage.broadcast().map_or(0, Broadcast::proposals_len)
    }

    /// Syncs of this leader's and its learners' clients that wait for a commit.
    pub(crate) fn pending_syncs(&self) -> u64 {
        self.stage.broadcast().map_or(0, Broadcast::syncs_len)
    }

    fn behind(&self, link: &Link, local: &Local) -> Behind {
        match self.stage.broadcast() {
            Some(b) if link.state == LinkState::Serving && link.observer => {
                link.lag.of_observer(b.committed())
            }
            Some(b) if link.state == LinkState::Serving => link.lag.of_follower(b.last()),
            Some(b) => link.lag.in_sync(b.last()),
            None => link.lag.in_sync(local.history_last()),
        }
    }

    pub(crate) fn learners(&self, local: &Local) -> Vec<LearnerStatus> {
        let lag = |link: &Link| match (self.stage.broadcast(), link.sid) {
            (Some(b), Some(sid)) if !link.observer => b.lag_of(sid),
            _ => 0,
        };
        let status = |link: &Link| {
            let sid = link.sid?;
            let behind = self.behind(link, local);
            Some(LearnerStatus {
                sid,
                voter: !link.observer && local.ensemble.is_voter(sid),
                synced: link.state == LinkState::Serving,
                lag: lag(link),
                lag_txns: behind.txns,
                late_ms: behind.late_ms,
                waits_since: behind.since,
            })
        };
        self.links.values().filter_map(status).collect()
    }
}
