//! From the connection to UPTODATE (`Learner.registerWithLeader`, `Learner.syncWithLeader`).

use zk_wire::membership::Membership;
use zk_wire::quorum::{LearnerInfo, Packet};
use zk_wire::txn::Txn;
use zk_wire::{Epoch, Sid, Zxid};

use super::{Incoming, Learner, Stage};
use crate::db::{Entry, Trust};
use crate::io::{DiskOp, Output, Outputs};
use crate::peer::configs::config_in;
use crate::peer::disk::After;
use crate::peer::local::Local;
use crate::status::Phase;
use crate::time::Now;
use crate::zab::leader::RoleOver;

impl Learner {
    /// The connection is there.
    pub(crate) fn connected(&mut self, local: &Local, now: Now, out: &mut Outputs) {
        if !matches!(self.stage, Stage::Connecting) {
            return;
        }
        let info = LearnerInfo {
            accepted_epoch: local.accepted_epoch,
            sid: local.cfg.sid,
            config_version: local.ensemble.version(),
            hands_over: local.cfg.hand_over,
        };
        let packet = if self.observer {
            Packet::ObserverInfo(info)
        } else {
            Packet::FollowerInfo(info)
        };
        out.push(Output::ToLink {
            link: self.link,
            packet,
        });
        self.stage = Stage::LeaderInfo;
        self.silent_at = now.mono.plus(local.ticks(local.cfg.init_limit));
    }

    /// The leader names its epoch: promised before it is answered, refused when an older one.
    pub(super) fn leader_info(
        &mut self,
        packet: &Packet,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Packet::LeaderInfo(epoch) = *packet else {
            return Err(RoleOver(format!("{packet:?} instead of LEADERINFO")));
        };
        if epoch < local.accepted_epoch {
            let why = format!(
                "epoch {epoch} is older than the promised {}",
                local.accepted_epoch
            );
            return Err(RoleOver(why));
        }
        let bugs = local.cfg.bugs;
        if epoch == local.accepted_epoch && !bugs.successor_keeps_epoch() {
            // Promised to this leader before: it must not count this server twice.
            self.stage = Stage::Promising { epoch, reply: None };
            self.send_ack_epoch(local.history_end(), out);
            return Ok(());
        }
        // Who may have lost what it acknowledged says nothing about the newest history.
        let supports = local.has_vote() || bugs.lost_history_supports();
        let reply = supports.then_some(local.current_epoch);
        if bugs.lost_history_trusted_too_early() {
            local.trust = Trust::Whole;
        }
        local.accepted_epoch = epoch;
        self.stage = Stage::Promising { epoch, reply };
        self.last_zxid = local.history_end();
        local.disk(
            DiskOp::AcceptedEpoch(epoch),
            Some(After::AckEpoch(self.link)),
            out,
        );
        Ok(())
    }

    /// The promise is durable.
    pub(super) fn epoch_promised(&mut self, out: &mut Outputs) {
        self.send_ack_epoch(self.last_zxid, out);
    }

    fn send_ack_epoch(&mut self, last_zxid: Zxid, out: &mut Outputs) {
        let Stage::Promising { epoch, reply } = self.stage else {
            return;
        };
        let packet = Packet::AckEpoch {
            last_zxid,
            current_epoch: reply,
        };
        out.push(Output::ToLink {
            link: self.link,
            packet,
        });
        self.stage = Stage::FirstSync { epoch };
        Local::event_phase(self.state(), Phase::Synchronization, Some(self.leader), out);
    }

    /// How this server is brought level.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "unknown and misplaced packets are alike"
    )]
    pub(super) fn first_sync(
        &mut self,
        packet: Packet,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::FirstSync { epoch } = self.stage else {
            return Ok(());
        };
        match packet {
            Packet::Diff(_) if local.wants_snapshot => {
                return Err(RoleOver(
                    "DIFF, but only a snapshot can replace what is here".into(),
                ));
            }
            Packet::Diff(_) => {
                self.stage = Stage::Syncing {
                    epoch,
                    incoming: Incoming::default(),
                };
            }
            Packet::Trunc(_) if local.cfg.bugs.skip_trunc() => {
                self.stage = Stage::Syncing {
                    epoch,
                    incoming: Incoming::default(),
                };
            }
            Packet::Trunc(to) => {
                self.stage = Stage::Truncating {
                    epoch,
                    waiting: Default::default(),
                };
                local.disk(DiskOp::Truncate { to }, None, out);
            }
            other => {
                return Err(RoleOver(format!(
                    "{other:?} instead of DIFF, TRUNC or SNAP"
                )));
            }
        }
        Ok(())
    }

    /// History, NEWLEADER, UPTODATE.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "unknown and misplaced packets are alike"
    )]
    pub(super) fn sync_packet(
        &mut self,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Syncing { epoch, incoming } = &mut self.stage else {
            return Ok(());
        };
        match packet {
            Packet::Proposal { txn, .. } => stage(incoming, decode(txn)?, local.last_logged),
            Packet::Inform { txn, .. } => {
                let entry = decode(txn)?;
                incoming.committed.push_back(entry.zxid());
                stage(incoming, entry, local.last_logged)
            }
            Packet::Commit(zxid) => {
                incoming.committed.push_back(zxid);
                Ok(())
            }
            Packet::CommitAndActivate { zxid, leader } => {
                incoming.committed.push_back(zxid);
                incoming.designated = Some((leader, zxid));
                Ok(())
            }
            Packet::InformAndActivate { leader, zxid, txn } => {
                incoming.committed.push_back(zxid);
                incoming.designated = Some((leader, zxid));
                stage(incoming, decode(txn)?, local.last_logged)
            }
            Packet::NewLeader { zxid, config } => {
                if zxid != Zxid::new(*epoch, 0) {
                    return Err(RoleOver(format!("NEWLEADER of {zxid} in epoch {epoch}")));
                }
                self.new_leader(config, local, now, out)
            }
            Packet::UpToDate => self.up_to_date(local, now, out),
            // PING and whatever else is not for this phase.
            _ => Ok(()),
        }
    }

    /// The history is complete: on disk first, then the epoch, then the acknowledgement.
    fn new_leader(
        &mut self,
        config: Option<bytes::Bytes>,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Syncing { epoch, incoming } = &mut self.stage else {
            return Ok(());
        };
        let epoch = *epoch;
        incoming.new_leader = true;
        let from_snapshot = incoming.snapshot.is_some();
        if let Some(database) = incoming.snapshot.take() {
            local.install(*database, now, out);
        }
        if local.trust != Trust::Whole && !from_snapshot && local.history_last() == Zxid::ZERO {
            // Level with a leader that has nothing yet: without a snapshot its disk would look as if it
            // had lost everything again.
            local.write_down(out);
        }
        let bugs = local.cfg.bugs;
        let ack = After::Ack(self.link, Zxid::new(epoch, 0));
        if bugs.zk4643_epoch_before_history() {
            local.disk(DiskOp::CurrentEpoch(epoch), None, out);
        }
        if bugs.zk4785_history_after_epoch_and_ack() {
            local.disk(DiskOp::CurrentEpoch(epoch), Some(ack), out);
        }
        for late in std::mem::take(&mut local.late) {
            let (zxid, raw) = (late.zxid(), late.raw);
            local.disk(DiskOp::Append { zxid, raw }, None, out);
        }
        if bugs.zk4394_uncommitted_taken_for_committed() {
            incoming.committed = incoming.staged.iter().map(Entry::zxid).collect();
        }
        if !bugs.zk3911_history_logged_at_uptodate() {
            log_committed(incoming, from_snapshot, local, out)?;
        }
        if let Some(text) = config {
            incoming.config = local.see_config_text(&text, out);
        }
        if bugs.zk4685_proposals_acked_first() {
            let staged: Vec<Entry> = incoming.staged.drain(..).collect();
            for entry in staged {
                self.log_proposal(entry, local, out)?;
            }
        }
        let hasty = bugs.lost_history_acked_too_early() && local.trust != Trust::Whole;
        // With this on disk, and no election before it is, the server has what its leader has.
        local.trust = Trust::Whole;
        if bugs.current_epoch_too_late() {
            self.durable(ack, out);
            return Ok(());
        }
        let mut after = Some(ack);
        if hasty || bugs.zk4646_new_leader_acked_too_early() {
            self.durable(ack, out);
            after = None;
        }
        if bugs.zk4785_history_after_epoch_and_ack() {
            after = None;
        }
        self.begin_epoch(epoch, local, after, out);
        Ok(())
    }

    fn begin_epoch(
        &self,
        epoch: Epoch,
        local: &mut Local,
        after: Option<After>,
        out: &mut Outputs,
    ) {
        local.current_epoch = epoch;
        local.disk(DiskOp::CurrentEpoch(epoch), after, out);
    }

    /// The leader serves, and so does this server.
    fn up_to_date(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Stage::Syncing { epoch, incoming } = &mut self.stage else {
            return Ok(());
        };
        if !incoming.new_leader {
            return Err(RoleOver("UPTODATE before NEWLEADER".into()));
        }
        let (epoch, mut incoming) = (*epoch, std::mem::take(incoming));
        if local.cfg.bugs.current_epoch_too_late() {
            self.begin_epoch(epoch, local, None, out);
        }
        let packet = Packet::Ack(Zxid::new(epoch, 0));
        out.push(Output::ToLink {
            link: self.link,
            packet,
        });
        self.stage = Stage::Serving;
        Local::event_phase(self.state(), Phase::Broadcast, Some(self.leader), out);
        self.open_to_observers(local, out);
        local.begin_serving(epoch, out);
        let designated = incoming.designated.take();
        if let Some((_, zxid)) = designated
            && let Some(config) = config_in(&local.db)
            && config.version == zxid.to_wire()
        {
            complete_config(config, designated, local, now, out)?;
        }
        if let Some(config) = incoming.config.take() {
            complete_config(config, designated, local, now, out)?;
        }
        local.vote.epoch = Some(epoch);
        while let Some(entry) = incoming.staged.pop_front() {
            self.log_proposal(entry, local, out)?;
        }
        while let Some(zxid) = incoming.committed.pop_front() {
            let leader = designated.filter(|(_, at)| *at == zxid).map(|(sid, _)| sid);
            self.commit(zxid, leader, local, now, out)?;
        }
        Ok(())
    }
}

/// The config of NEWLEADER is in force with UPTODATE, unless its proposal is still under way: a
/// leader that is asked in the middle of a reconfiguration names the new config, too.
fn complete_config(
    config: Membership,
    designated: Option<(Sid, Zxid)>,
    local: &mut Local,
    now: Now,
    out: &mut Outputs,
) -> Result<(), RoleOver> {
    let under_way = Zxid::from_wire(config.version) > local.db.last_applied();
    if under_way {
        return Ok(());
    }
    let designated = designated.filter(|(_, zxid)| zxid.to_wire() == config.version);
    if local.activate_config(config, designated, now, out) {
        return Err(RoleOver("the members changed".into()));
    }
    Ok(())
}

/// Keeps a proposal until it may be logged. What the state has already is no news; a gap within an
/// epoch is the end.
fn stage(incoming: &mut Incoming, entry: Entry, last_logged: Zxid) -> Result<(), RoleOver> {
    let zxid = entry.zxid();
    let state = incoming
        .snapshot
        .as_ref()
        .map_or(last_logged, |db| db.last_applied());
    let last = incoming.staged.back().map_or(state, Entry::zxid);
    if zxid <= last {
        return Ok(());
    }
    check_follows(last, zxid)?;
    incoming.staged.push_back(entry);
    Ok(())
}

/// Within an epoch the counter goes up by one; a higher epoch may begin at any.
pub(super) fn check_follows(last: Zxid, zxid: Zxid) -> Result<(), RoleOver> {
    let follows = zxid.epoch() > last.epoch() || last.next() == Some(zxid);
    if follows {
        Ok(())
    } else {
        Err(RoleOver(format!("a gap: {zxid} after {last}")))
    }
}

pub(super) fn decode(raw: bytes::Bytes) -> Result<Entry, RoleOver> {
    let txn = Txn::decode(raw.clone())
        .map_err(|why| RoleOver(format!("an undecodable transaction from the leader: {why}")))?;
    Ok(Entry { txn, raw })
}

/// Logs the proposals whose commit came; the others stay. They are part of the leader's history,
/// which is committed when the leader is established. Behind a snapshot they are all that a leader
/// may have applied while it sent it.
fn log_committed(
    incoming: &mut Incoming,
    from_snapshot: bool,
    local: &mut Local,
    out: &mut Outputs,
) -> Result<(), RoleOver> {
    if from_snapshot {
        local.fuzzy_until = incoming.committed.back().copied();
    }
    while let Some(zxid) = incoming.committed.front().copied() {
        if zxid <= local.last_logged {
            incoming.committed.pop_front();
            continue;
        }
        let Some(entry) = incoming.staged.pop_front() else {
            break;
        };
        if entry.zxid() != zxid {
            return Err(RoleOver(format!(
                "COMMIT of {zxid} before {}",
                entry.zxid()
            )));
        }
        incoming.committed.pop_front();
        local.append(&entry, None, out);
        local.take_ahead(entry, out);
    }
    Ok(())
}
