//! The observers of the simulated cluster: a set of pods in each of three zones, which serve while
//! somebody leads. Nothing depends on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::dice::Dice;
use super::pods::Pod;
use super::world::{GRACE_S, at, name};
use crate::ensemble::observe::{ObserverPods, ServerPod, ServerSet};
use crate::ensemble::observers::ObserverGroup;
use crate::members::{History, MemberReport, ReportedConfig, ReportedRole};

/// The zones with the first id of each.
const ZONES: [(&str, u8); 3] = [("a", 32), ("b", 64), ("c", 96)];

/// Of so many observers one may be away by the operator's doing.
const PER_ABSENCE: usize = 4;

/// What there is of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Observers {
    /// Slots and template of the set of each zone.
    sets: BTreeMap<&'static str, (u8, u32)>,
    pub(super) pods: BTreeMap<u8, Pod>,
    /// A zone in which no pod runs.
    pub(super) lost: Option<&'static str>,
    /// Those that served when the operator restarted them, and do not again yet; with the number that was
    /// wanted then.
    away: BTreeMap<u8, u8>,
}

/// So many, spread over the zones.
pub(super) fn groups(total: u8) -> Vec<ObserverGroup> {
    let group = |(at, (zone, id_base)): (u8, (&str, u8))| ObserverGroup {
        zone: zone.to_owned(),
        id_base,
        replicas: (total + 2 - at) / 3,
    };
    (0..).zip(ZONES).map(group).collect()
}

fn zone_of(id: u8) -> Option<&'static str> {
    let zone = ZONES.into_iter().rev().find(|(_, base)| *base <= id);
    zone.map(|(zone, _)| zone)
}

impl Observers {
    /// The objects are written.
    pub(super) fn apply(&mut self, total: u8, template: u32) {
        for (group, (zone, _)) in groups(total).iter().zip(ZONES) {
            self.sets.insert(zone, (group.replicas, template));
        }
    }

    /// A pod is deleted, if it is the one that was seen.
    pub(super) fn restart(
        &mut self,
        (id, uid): (u8, &str),
        total: u8,
        leads: bool,
        now: i64,
        dice: &mut Dice,
    ) {
        let serves = self.serves(id, leads);
        if let Some(pod) = self.pods.get_mut(&id)
            && pod.uid.to_string() == uid
            && pod.ends_at.is_none()
        {
            pod.ends_at = Some(now + i64::try_from(dice.below(GRACE_S)).unwrap());
            // To one that is not ready no client is sent.
            if serves && pod.ready_since.is_some() {
                self.away.insert(id, total);
            }
        }
    }

    fn serves(&self, id: u8, leads: bool) -> bool {
        let pod = self.pods.get(&id);
        leads && pod.is_some_and(|pod| pod.running && pod.ends_at.is_none())
    }

    /// Whether more are away by the operator's doing than may be.
    pub(super) fn too_many_away(&mut self, total: u8, leads: bool) -> bool {
        let wanted = |id: &u8| groups(total).iter().any(|g| g.wanted().any(|w| w == *id));
        let back = |id: &u8| {
            self.pods
                .get(id)
                .is_some_and(|pod| pod.ready_since.is_some())
        };
        let away = std::mem::take(&mut self.away);
        self.away = away
            .into_iter()
            .filter(|(id, _)| wanted(id) && leads && !back(id))
            .collect();
        let most = self.away.values().copied().max().unwrap_or(total);
        self.away.len() > (usize::from(most) / PER_ABSENCE).max(1)
    }

    /// The controllers and the kubelets do what is due; `uids` names new pods.
    pub(super) fn kubernetes(
        &mut self,
        (now, uids, leads): (i64, &mut u64, bool),
        broken: &[u32],
        dice: &mut Dice,
        promptly: bool,
    ) {
        self.pods
            .retain(|_, pod| pod.ends_at.is_none_or(|at| at > now));
        let sets = ZONES.map(|(zone, base)| (base, self.sets.get(zone).copied()));
        for (base, set) in sets {
            let Some((slots, template)) = set else {
                continue;
            };
            let wanted = base..base + slots;
            for (id, pod) in &mut self.pods {
                let surplus = zone_of(*id) == zone_of(base) && !wanted.contains(id);
                if surplus && pod.ends_at.is_none() {
                    pod.ends_at = Some(now + i64::try_from(dice.below(GRACE_S)).unwrap());
                }
            }
            for id in wanted {
                if !self.pods.contains_key(&id) && (promptly || dice.percent(60)) {
                    *uids += 1;
                    self.pods.insert(id, Pod::new(*uids, template, now));
                }
            }
        }
        let lost = self.lost;
        for (id, pod) in &mut self.pods {
            let has_place = lost.is_none() || zone_of(*id) != lost;
            pod.running &= has_place && pod.ends_at.is_none();
            let may_run = has_place && pod.ends_at.is_none() && !broken.contains(&pod.template);
            if may_run && !pod.running && (promptly || dice.percent(50)) {
                pod.running = true;
            }
            pod.probe(pod.running && leads, now, promptly || dice.percent(50));
        }
    }

    /// What a look at the cluster shows.
    pub(super) fn observe(
        &self,
        leader: Option<u8>,
        broken: &[u32],
        silent: &BTreeSet<u8>,
    ) -> BTreeMap<String, ObserverPods> {
        let zone = |(zone, base): (&'static str, u8)| {
            let set = self.sets.get(zone).map(|(slots, template)| ServerSet {
                template_fingerprint: Some(name(*template)),
                settings_stamp: None,
                update_revision: Some(name(*template)),
                created: Some(at(1_800_000_000)),
                slots: *slots,
                ..ServerSet::default()
            });
            let inside = self
                .pods
                .iter()
                .filter(|(id, _)| zone_of(**id) == Some(zone));
            let pods = inside.map(|(id, pod)| {
                let report = self.serves(*id, leader.is_some()) && !silent.contains(id);
                (
                    *id,
                    server(*id, base, pod, leader.filter(|_| report), broken),
                )
            });
            let pods = pods.collect();
            (zone.to_owned(), ObserverPods { set, pods })
        };
        ZONES.map(zone).into()
    }
}

fn server(id: u8, base: u8, pod: &Pod, leader: Option<u8>, broken: &[u32]) -> ServerPod {
    ServerPod {
        pod: format!("observer-{base}-{}", id - base),
        uid: pod.uid.to_string(),
        node: None,
        zone: zone_of(id).map(str::to_owned),
        revision: Some(name(pod.template)),
        created: Some(at(pod.created)),
        ready_since: pod.ready_since.map(at),
        unready_since: pod.ready_since.is_none().then(|| at(pod.unready_since)),
        terminating: pod.ends_at.is_some(),
        ip: pod
            .running
            .then_some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, id))),
        crashing: broken.contains(&pod.template),
        trouble: None,
        report: leader.map(|leader| MemberReport {
            server_id: id,
            life: String::new(),
            role: ReportedRole::Observer,
            serving: true,
            leader: Some(leader),
            epoch: 1,
            history: History::Whole,
            zxid_logged: "0x1".to_owned(),
            config: ReportedConfig::default(),
            settings: None,
            learners: Vec::new(),
        }),
    }
}
