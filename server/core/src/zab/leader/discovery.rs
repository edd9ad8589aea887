//! Discovery: FOLLOWERINFO .. ACKEPOCH; a quorum promises one epoch (`Leader.getEpochToPropose`,
//! `Leader.waitForEpochAck`).

use std::collections::BTreeSet;

use zk_wire::quorum::{LearnerInfo, Packet};
use zk_wire::{Epoch, Zxid};

use super::epoch_acks::EpochAcks;
use super::late_promise::EPOCH_LEAP_MAX;
use super::link::LinkState;
use super::{Leading, RoleOver, Stage};
use crate::io::{DiskOp, LinkId, Output, Outputs};
use crate::peer::disk::After;
use crate::peer::local::Local;
use crate::time::Now;
use crate::zab::serve_learners::check_info;

impl Leading {
    /// A learner introduces itself.
    pub(super) fn learner_info(
        &mut self,
        id: LinkId,
        info: &LearnerInfo,
        observer: bool,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), String> {
        check_info(info, local)?;
        let known = self.epoch().unwrap_or(local.accepted_epoch);
        if !is_plausible(info.accepted_epoch, known) {
            let promised = info.accepted_epoch;
            return Err(format!(
                "it has promised epoch {promised}, which cannot be true"
            ));
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.sid = Some(info.sid);
            link.observer = observer;
            link.hands_over = info.hands_over;
            link.state = LinkState::AwaitEpoch;
        }
        match self.epoch() {
            Some(epoch) => self.send_leader_info(id, epoch, out),
            None => self.promise(local, Some(info), out),
        }
        Ok(())
    }

    /// Gives up the lead when a voter insists that it has promised a later epoch.
    pub(super) fn check_promise(
        &mut self,
        info: &LearnerInfo,
        local: &mut Local,
        now: Now,
    ) -> Result<(), RoleOver> {
        let (sid, promised) = (info.sid, info.accepted_epoch);
        let Some(epoch) = self.epoch().filter(|epoch| promised > *epoch) else {
            return Ok(());
        };
        let insists = local.ensemble.is_voter(sid)
            && is_plausible(promised, epoch)
            && self
                .late_promises
                .insists(sid, promised, now.mono, local.cfg.tick_ms);
        if !insists {
            return Ok(());
        }
        local.promised_elsewhere = local.promised_elsewhere.max(promised);
        let why = format!("voter {sid} has promised epoch {promised}, this is epoch {epoch}");
        Err(RoleOver(why))
    }

    /// Counts a promise, this server's own when `learner` is `None`; a quorum fixes the epoch.
    pub(super) fn promise(
        &mut self,
        local: &mut Local,
        learner: Option<&LearnerInfo>,
        out: &mut Outputs,
    ) {
        let me = self.me;
        let Stage::Discovery { epoch, promised } = &mut self.stage else {
            return;
        };
        if let Some(info) = learner
            && !super::same_epoch(local)
        {
            *epoch = (*epoch).max(Epoch(info.accepted_epoch.0.saturating_add(1)));
        }
        let sid = learner.map_or(me, |info| info.sid);
        if local.ensemble.is_voter(sid) {
            promised.insert(sid);
        }
        if !promised.contains(&me) || !local.ensemble.is_quorum(promised.iter().copied()) {
            return;
        }
        let epoch = *epoch;
        self.stage = Stage::Promising;
        local.accepted_epoch = epoch;
        local.disk(
            DiskOp::AcceptedEpoch(epoch),
            Some(After::EpochPromised(epoch)),
            out,
        );
    }

    /// This server's own promise is durable: the epoch may be told.
    pub(super) fn epoch_promised(
        &mut self,
        epoch: Epoch,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) {
        let waiting: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| link.state == LinkState::AwaitEpoch)
            .map(|(id, _)| *id)
            .collect();
        let (_, last) = self.history_at_start;
        self.stage = Stage::EpochAcks(EpochAcks::new(epoch, self.me, last));
        for id in waiting {
            self.send_leader_info(id, epoch, out);
        }
        self.check_epoch_acks(local, now, out);
    }

    fn send_leader_info(&mut self, id: LinkId, epoch: Epoch, out: &mut Outputs) {
        if let Some(link) = self.links.get_mut(&id) {
            link.state = LinkState::ExpectAckEpoch;
            out.push(Output::ToLink {
                link: id,
                packet: Packet::LeaderInfo(epoch),
            });
        }
    }

    /// A learner acknowledges the epoch; one with a newer history must not be led by this server.
    pub(super) fn ack_epoch(
        &mut self,
        id: LinkId,
        last_zxid: Zxid,
        current_epoch: Option<Epoch>,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        let Some(sid) = link.sid else { return Ok(()) };
        let Stage::EpochAcks(acks) = &mut self.stage else {
            self.start_sync(id, last_zxid, local, out);
            return Ok(());
        };
        if let Some(theirs) = current_epoch {
            let is_ahead = (theirs, last_zxid) > self.history_at_start;
            if is_ahead && !acks.ahead(sid, &local.ensemble) {
                return Err(format!(
                    "its history (epoch {theirs}, {last_zxid}) is newer than this server's {:?}",
                    self.history_at_start
                ));
            }
            if !is_ahead && local.ensemble.is_voter(sid) {
                acks.level(sid, last_zxid);
            }
        }
        link.state = LinkState::AwaitEpochAcks { last_zxid };
        self.check_epoch_acks(local, now, out);
        Ok(())
    }

    /// The members from a file have version 0. If wanted, the first leader gives them one of their own,
    /// so that they win over whatever a joiner has in its file (ZOOKEEPER-1783).
    fn first_config(&self, epoch: Epoch, local: &mut Local, out: &mut Outputs) {
        let known = local.ensemble.committed();
        let established = known.version != 0 || local.ensemble.proposed().is_some();
        if local.cfg.reconfig.first_version && !established {
            let mut first = known.clone();
            first.version = Zxid::new(epoch, 0).to_wire();
            local.see_config(first, out);
        }
    }

    /// With a quorum of acknowledgements, the epoch begins: here on disk, and for the learners by
    /// synchronization.
    fn check_epoch_acks(&mut self, local: &mut Local, now: Now, out: &mut Outputs) {
        let Stage::EpochAcks(acks) = &self.stage else {
            return;
        };
        if !acks.are_enough(&local.ensemble) {
            return;
        }
        let epoch = acks.epoch;
        self.first_config(epoch, local, out);
        self.stage = Stage::Synchronization {
            epoch,
            acked: BTreeSet::new(),
        };
        self.stage_deadline = now.mono.plus(local.ticks(local.cfg.init_limit));
        local.current_epoch = epoch;
        local.disk(DiskOp::CurrentEpoch(epoch), Some(After::EpochBegun), out);
        let waiting: Vec<(LinkId, Zxid)> = self
            .links
            .iter()
            .filter_map(|(id, link)| {
                let LinkState::AwaitEpochAcks { last_zxid } = link.state else {
                    return None;
                };
                Some((*id, last_zxid))
            })
            .collect();
        for (id, last_zxid) in waiting {
            self.start_sync(id, last_zxid, local, out);
        }
    }
}

/// Whether somebody can have promised this epoch when the present one is `known`.
fn is_plausible(promised: Epoch, known: Epoch) -> bool {
    promised.0 <= known.0.saturating_add(EPOCH_LEAP_MAX)
}
