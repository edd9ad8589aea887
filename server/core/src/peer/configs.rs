//! The configs of the ensemble at one member: what is proposed, what is in force, and what that
//! changes for its role (`QuorumPeer.setLastSeenQuorumVerifier`, `QuorumPeer.processReconfig`).

use zk_wire::membership::{Membership, ServerSpec};
use zk_wire::txn::TxnBody;
use zk_wire::{Round, Sid, Zxid};

use super::local::Local;
use crate::db::{CONFIG_PATH, Database, Entry};
use crate::election::Vote;
use crate::io::{Configs, DiskOp, Output, Outputs};
use crate::status::PeerEvent;
use crate::time::Now;

/// The config that a reconfiguration carries.
pub(crate) fn config_of(entry: &Entry) -> Option<Membership> {
    let TxnBody::SetData {
        reconfig: true,
        data: Some(data),
        ..
    } = &entry.txn.body
    else {
        return None;
    };
    parse(data)
}

fn parse(data: &[u8]) -> Option<Membership> {
    Membership::parse(std::str::from_utf8(data).ok()?).ok()
}

/// The config in the tree, if a reconfiguration put it there.
pub(crate) fn config_in(db: &Database) -> Option<Membership> {
    let node = db.node(CONFIG_PATH)?;
    let found = parse(node.data.as_deref()?)?;
    (found.version == node.stat.mzxid).then_some(found)
}

fn same_quorum_address(a: &ServerSpec, b: &ServerSpec) -> bool {
    a.host == b.host && a.quorum_port == b.quorum_port
}

impl Local {
    /// Whether configs are taken from others at all.
    fn reconfigurable(&self) -> bool {
        self.cfg.reconfig.enabled && self.cfg.membership.is_some()
    }

    /// A config is proposed, or none any more: the word of the leader, or of the log.
    pub(crate) fn see_config(&mut self, next: Membership, out: &mut Outputs) {
        if self.reconfigurable() && self.ensemble.propose(next) {
            self.tell_configs(out);
        }
    }

    /// The same for the text in NEWLEADER; one that is no config is ignored, as Apache does.
    pub(crate) fn see_config_text(&mut self, text: &[u8], out: &mut Outputs) -> Option<Membership> {
        let next = parse(text)?;
        self.see_config(next.clone(), out);
        Some(next)
    }

    /// What is known; `None` when there is no ensemble.
    pub(super) fn configs(&self) -> Option<Configs> {
        self.cfg.membership.as_ref()?;
        Some(Configs {
            committed: self.ensemble.committed().clone(),
            proposed: self.ensemble.proposed().cloned(),
        })
    }

    fn tell_configs(&mut self, out: &mut Outputs) {
        let Some(configs) = self.configs() else {
            return;
        };
        out.push(Output::Configs(Box::new(configs.clone())));
        self.disk(DiskOp::Config(Box::new(configs)), None, out);
    }

    /// A config is in force. True when this server has to leave its role: for another leader, who
    /// is designated or to be found, or because it has or loses a vote.
    pub(crate) fn activate_config(
        &mut self,
        next: Membership,
        designated: Option<(Sid, Zxid)>,
        now: Now,
        out: &mut Outputs,
    ) -> bool {
        let known = self.ensemble.version();
        let newer = next.version > known
            || self.cfg.bugs.adopts_config_of_joiner() && next.version == known;
        if !self.reconfigurable() || !newer {
            return false;
        }
        let observed = self.ensemble.is_observer();
        let before = self.ensemble.activate(next);
        self.tell_configs(out);
        self.show_config(now);
        let config = self.ensemble.committed();
        out.push(Output::Event(PeerEvent::ConfigInForce {
            version: config.version,
            members: config.lines().join(","),
        }));
        if before.same_members(config) {
            return false;
        }
        let role_changes = observed != self.ensemble.is_observer();
        let Some((leader, zxid)) = designated else {
            self.designated = None;
            return role_changes || self.leader_is_gone(&before);
        };
        if self.vote.leader == Some(leader) {
            return role_changes;
        }
        self.vote = Vote {
            leader: Some(leader),
            zxid: Some(zxid),
            epoch: None,
        };
        self.vote_round = Round(-1);
        self.designated = Some(leader);
        true
    }

    /// Whether the leader has no vote any more, or another address.
    fn leader_is_gone(&self, before: &Membership) -> bool {
        let Some(leader) = self.vote.leader else {
            return false;
        };
        let now = self.ensemble.committed();
        let voter = |m: &Membership| m.voters().any(|sid| sid == leader);
        match (before.servers.get(&leader), now.servers.get(&leader)) {
            (Some(old), Some(new)) if voter(before) && voter(now) => !same_quorum_address(old, new),
            // It was elected to bring about the config that gives it a vote.
            (_, Some(_)) => voter(before) || !voter(now),
            _ => true,
        }
    }

    /// Who leads once `next` is in force: this server if it still can, else the voter of `next` that
    /// acknowledged most (`Leader.getDesignatedLeader`).
    pub(crate) fn designate(
        &self,
        next: &Membership,
        acked: impl Iterator<Item = (Sid, Zxid)>,
    ) -> Sid {
        let me = self.cfg.sid;
        let votes = |sid: Sid| next.voters().any(|voter| voter == sid);
        let own = self.ensemble.committed().servers.get(&me);
        let stays = match (own, next.servers.get(&me)) {
            (Some(old), Some(new)) => votes(me) && same_quorum_address(old, new),
            _ => false,
        };
        if stays {
            return me;
        }
        let candidates = acked.filter(|(sid, _)| *sid != me && votes(*sid));
        let most = candidates.max_by_key(|(sid, zxid)| (*zxid, std::cmp::Reverse(*sid)));
        most.map_or(me, |(sid, _)| sid)
    }
}
