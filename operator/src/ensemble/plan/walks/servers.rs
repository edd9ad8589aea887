//! The servers of a simulated ensemble: what is on each disk, who leads, what is acknowledged. A
//! model of the rules that the real servers keep, with all that can go wrong in between: proposals
//! that only some have, changes of the members among them, and disks that were lost.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;
use crate::ensemble::membership::Membership;
use crate::members::{ConfigVersion, History, Learner, MemberReport, ReportedConfig, ReportedRole};

/// A transaction: a write, or a change of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ensemble) struct Entry {
    pub(in crate::ensemble) epoch: u32,
    pub(in crate::ensemble) number: u32,
    pub(in crate::ensemble) voters: Option<BTreeSet<u8>>,
}

impl Entry {
    fn zxid(&self) -> u64 {
        u64::from(self.epoch) << 32 | u64::from(self.number)
    }

    fn config(&self) -> Option<Membership> {
        Some(Membership {
            version: ConfigVersion(self.zxid()),
            voters: self.voters.clone()?,
            lines: Vec::new(),
        })
    }
}

/// What a server has on its volume.
#[derive(Clone, Debug, Default)]
pub(in crate::ensemble) struct Disk {
    pub(in crate::ensemble) log: Vec<Entry>,
    /// The last epoch whose beginning it acknowledged.
    pub(in crate::ensemble) epoch: u32,
    /// Whether it has all that it ever acknowledged.
    pub(in crate::ensemble) whole: bool,
    /// The members in force, as far as it knows.
    pub(in crate::ensemble) known: Membership,
}

impl Disk {
    pub(in crate::ensemble) fn last(&self) -> u64 {
        self.log.last().map_or(0, Entry::zxid)
    }

    /// The config that it has seen proposed, if that is not in force as far as it knows.
    pub(in crate::ensemble) fn seen(&self) -> Option<Membership> {
        let newest = self.log.iter().rev().find_map(Entry::config)?;
        (newest.version > self.known.version).then_some(newest)
    }
}

/// The server that leads, and who has all that it has.
#[derive(Clone, Debug)]
pub(in crate::ensemble) struct Lead {
    pub(in crate::ensemble) id: u8,
    pub(in crate::ensemble) synced: BTreeSet<u8>,
}

/// All servers.
#[derive(Clone, Debug, Default)]
pub(in crate::ensemble) struct Servers {
    pub(in crate::ensemble) disks: BTreeMap<u8, Disk>,
    /// Which processes run.
    pub(in crate::ensemble) up: BTreeSet<u8>,
    /// How often each process has started.
    pub(in crate::ensemble) lives: BTreeMap<u8, u32>,
    pub(in crate::ensemble) lead: Option<Lead>,
    pub(in crate::ensemble) acknowledged: Vec<Entry>,
    /// What was lost, and how: a server was elected that lacks something acknowledged.
    pub(in crate::ensemble) lost: Option<String>,
}

fn has_quorum(config: &Membership, present: &BTreeSet<u8>) -> bool {
    config.voters.intersection(present).count() >= config.quorum()
}

impl Servers {
    /// The process of this server starts, with the list of members that its pod was given.
    pub(in crate::ensemble) fn start(&mut self, id: u8, list: &Membership) {
        let disk = self.disks.entry(id).or_default();
        if disk.known.voters.is_empty() || list.version > disk.known.version {
            disk.known = list.clone();
        }
        self.up.insert(id);
        *self.lives.entry(id).or_default() += 1;
    }

    pub(in crate::ensemble) fn stop(&mut self, id: u8) {
        self.up.remove(&id);
        if let Some(lead) = &mut self.lead {
            lead.synced.remove(&id);
        }
        self.end_lost_lead();
    }

    /// An empty server is told that its ensemble begins, in the life in which it was seen empty.
    pub(in crate::ensemble) fn form(&mut self, id: u8, life: &str) {
        let lives = self.lives.get(&id).map(u32::to_string);
        if !self.up.contains(&id) || lives.as_deref() != Some(life) {
            return;
        }
        if let Some(disk) = self.disks.get_mut(&id)
            && disk.log.is_empty()
            && disk.epoch == 0
        {
            disk.whole = true;
        }
    }

    /// Whether its voice counts for those in whose config it is, whether or not it knows of that.
    fn votes(&self, id: u8) -> bool {
        self.up.contains(&id) && self.disks.get(&id).is_some_and(|disk| disk.whole)
    }

    /// Whether it wants to lead: it is a member as far as it knows.
    fn stands(&self, id: u8) -> bool {
        let is_in = |config: &Membership| config.voters.contains(&id);
        self.votes(id)
            && self
                .disks
                .get(&id)
                .is_some_and(|disk| is_in(&disk.known) || disk.seen().as_ref().is_some_and(is_in))
    }

    pub(in crate::ensemble) fn serves(&self, id: u8) -> bool {
        self.up.contains(&id)
            && self
                .lead
                .as_ref()
                .is_some_and(|lead| lead.synced.contains(&id))
    }

    /// What this server says of itself; `None` while it does not run.
    pub(in crate::ensemble) fn report(&self, id: u8) -> Option<MemberReport> {
        let disk = self.disks.get(&id)?;
        if !self.up.contains(&id) {
            return None;
        }
        let serves = self.serves(id);
        let lead = self.lead.as_ref().filter(|_| serves);
        let leads = lead.is_some_and(|lead| lead.id == id);
        let learners = lead.filter(|_| leads).map(|lead| {
            let others = lead.synced.iter().filter(|other| **other != id);
            let learner = |other: &u8| Learner {
                server_id: *other,
                voter: disk.known.voters.contains(other),
                synced: true,
                lag: 0,
            };
            others.map(learner).collect()
        });
        Some(MemberReport {
            server_id: id,
            life: self.lives.get(&id).map(u32::to_string).unwrap_or_default(),
            role: match (leads, serves) {
                (true, _) => ReportedRole::Leader,
                (false, true) => ReportedRole::Follower,
                (false, false) => ReportedRole::Looking,
            },
            serving: serves,
            leader: lead.map(|lead| lead.id),
            epoch: disk.epoch,
            history: if disk.whole {
                History::Whole
            } else {
                History::Lost
            },
            zxid_logged: format!("{:#x}", disk.last()),
            config: ReportedConfig {
                version: disk.known.version,
                voters: disk.known.voters.clone(),
                proposed: disk.seen().is_some(),
                proposed_voters: disk.seen().map(|seen| seen.voters).unwrap_or_default(),
                members: Vec::new(),
            },
            settings: None,
            learners: learners.unwrap_or_default(),
        })
    }

    /// The members in force: those of whoever leads, else the newest that anybody knows.
    pub(in crate::ensemble) fn members(&self) -> Membership {
        let led = self.lead.as_ref().and_then(|lead| self.disks.get(&lead.id));
        let newest = || self.disks.values().max_by_key(|disk| disk.known.version);
        led.or_else(newest)
            .map(|disk| disk.known.clone())
            .unwrap_or_default()
    }

    fn end_lost_lead(&mut self) {
        let Some(lead) = &self.lead else { return };
        let members = self.members();
        if !self.up.contains(&lead.id) || !has_quorum(&members, &lead.synced) {
            self.lead = None;
        }
    }

    /// Holds an election among those that follow nobody.
    pub(in crate::ensemble) fn elect(&mut self, dice: &mut Dice) {
        self.end_lost_lead();
        let led = self
            .lead
            .as_ref()
            .map(|lead| lead.synced.clone())
            .unwrap_or_default();
        let free = self.up.difference(&led).copied();
        let voting: Vec<u8> = free.filter(|id| self.votes(*id)).collect();
        let standing: Vec<u8> = voting
            .iter()
            .copied()
            .filter(|id| self.stands(*id))
            .collect();
        let Some(chosen) = dice.of(&standing) else {
            return;
        };
        let Some(disk) = self.disks.get(&chosen) else {
            return;
        };
        let newest = disk.seen().map_or(disk.known.version, |seen| seen.version);
        let supports = |id: &u8| {
            self.disks.get(id).is_some_and(|other| {
                let history = |disk: &Disk| (disk.epoch, disk.last());
                history(other) <= history(disk) && other.known.version <= newest
            })
        };
        let quorum: BTreeSet<u8> = voting.iter().copied().filter(supports).collect();
        let seen = disk.seen();
        let wins = has_quorum(&disk.known, &quorum)
            && seen.as_ref().is_none_or(|seen| has_quorum(seen, &quorum));
        if wins {
            let config = seen.unwrap_or_else(|| disk.known.clone());
            self.begin(chosen, quorum, config);
        }
    }

    /// A server begins to lead: a quorum has its history and the config in it, and that is in force.
    fn begin(&mut self, chosen: u8, quorum: BTreeSet<u8>, config: Membership) {
        let Some(log) = self.disks.get(&chosen).map(|disk| disk.log.clone()) else {
            return;
        };
        if let Some(lead) = &self.lead {
            let other = lead.id;
            self.lost = Some(format!("server {chosen} is elected while {other} leads"));
        }
        let mut acknowledged = self.acknowledged.iter();
        if let Some(entry) = acknowledged.find(|entry| !log.contains(entry)) {
            self.lost = Some(format!(
                "server {chosen} is elected without {entry:?}, which was acknowledged"
            ));
        }
        let promised = quorum.iter().filter_map(|id| self.disks.get(id));
        let epoch = promised.map(|disk| disk.epoch).max().unwrap_or(0) + 1;
        for id in &quorum {
            if let Some(disk) = self.disks.get_mut(id) {
                disk.epoch = epoch;
                disk.log.clone_from(&log);
                disk.known = config.clone();
            }
        }
        for entry in log {
            if !self.acknowledged.contains(&entry) {
                self.acknowledged.push(entry);
            }
        }
        let leads_on = config.voters.contains(&chosen);
        self.lead = leads_on.then_some(Lead {
            id: chosen,
            synced: quorum,
        });
    }

    /// Brings a server level with the leader.
    pub(in crate::ensemble) fn level(&mut self, id: u8) {
        let Some(lead) = &mut self.lead else { return };
        let Some(of_leader) = self.disks.get(&lead.id).cloned() else {
            return;
        };
        if !self.up.contains(&id) {
            return;
        }
        if let Some(disk) = self.disks.get_mut(&id) {
            *disk = Disk {
                whole: true,
                ..of_leader
            };
            lead.synced.insert(id);
        }
    }

    /// The leader proposes something; it may reach only some. Returns whether it was acknowledged.
    pub(in crate::ensemble) fn propose(
        &mut self,
        voters: Option<BTreeSet<u8>>,
        dice: &mut Dice,
    ) -> bool {
        let Some(lead) = self.lead.clone() else {
            return false;
        };
        let Some(of_leader) = self.disks.get(&lead.id) else {
            return false;
        };
        let last = of_leader.last();
        let in_epoch = last >> 32 == u64::from(of_leader.epoch);
        let number = if in_epoch {
            u32::try_from(last & 0xffff_ffff).unwrap_or(0) + 1
        } else {
            1
        };
        let entry = Entry {
            epoch: of_leader.epoch,
            number,
            voters,
        };
        let before = of_leader.known.clone();
        let reached: BTreeSet<u8> = lead
            .synced
            .iter()
            .copied()
            .filter(|id| *id == lead.id || dice.percent(85))
            .collect();
        for id in &reached {
            if let Some(disk) = self.disks.get_mut(id) {
                disk.log.push(entry.clone());
            }
        }
        let config = entry.config();
        let done = has_quorum(&before, &reached)
            && config
                .as_ref()
                .is_none_or(|config| has_quorum(config, &reached));
        if !done {
            self.lead = None;
            return false;
        }
        self.acknowledged.push(entry);
        if let Some(config) = config {
            for id in &reached {
                if (*id == lead.id || dice.percent(80))
                    && let Some(disk) = self.disks.get_mut(id)
                {
                    disk.known = config.clone();
                }
            }
        }
        let leads_on = self.members().voters.contains(&lead.id);
        self.lead = leads_on.then_some(Lead {
            id: lead.id,
            synced: reached,
        });
        true
    }

    /// The leader is asked to change the members from a certain config on.
    pub(in crate::ensemble) fn reconfigure(
        &mut self,
        at: u8,
        from: ConfigVersion,
        change: impl FnOnce(&mut BTreeSet<u8>) -> bool,
        dice: &mut Dice,
    ) {
        let members = self.members();
        let Some(lead) = &self.lead else { return };
        if lead.id != at || members.version != from {
            return;
        }
        let mut voters = members.voters.clone();
        if !change(&mut voters) {
            return;
        }
        let after = members.with(voters.clone());
        if !after.voters.is_empty() && has_quorum(&after, &lead.synced) {
            self.propose(Some(voters), dice);
        }
    }

    /// Whether the volume of this server may be lost without a loss of what was acknowledged: whatever
    /// quorum of the others elects, one of them has it, and no change of the members is under way that
    /// fewer would have to carry through.
    pub(in crate::ensemble) fn may_lose(&self, id: u8) -> bool {
        let members = self.members();
        let others = members.voters.iter().filter(|other| **other != id);
        let whole: Vec<&Disk> = others
            .filter_map(|other| self.disks.get(other))
            .filter(|disk| disk.whole && disk.known == members)
            .collect();
        let quorum = members.quorum();
        whole.len() >= quorum
            && self.disks.values().all(|disk| disk.seen().is_none())
            && self.acknowledged.iter().all(|entry| {
                let without = whole.iter().filter(|disk| !disk.log.contains(entry));
                without.count() < quorum
            })
    }
}
