//! A simulated cluster: the objects that the operator writes, the pods that come of them, and the
//! servers in these. Everything happens in single events, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::jiff::Timestamp;

use super::dice::Dice;
use super::observers::{self, Observers};
use super::pods::Pod;
use super::servers::{Disk, Servers};
use super::volumes::{Volumes, gib};
use crate::crd::Formation;
use crate::ensemble::membership::Membership;
use crate::ensemble::observe::{Observed, ServerPod, ServerSet, SetIdentity};
use crate::ensemble::observers::ObserverSpec;
use crate::ensemble::plan::{Plan, Step};
use crate::ensemble::validate::{VOTER_ID_MAX, ValidatedEnsemble};
use crate::fixtures::valid;
use crate::members::MemberReport;

/// Seconds for which a pod that is deleted may stay.
pub(super) const GRACE_S: u64 = 20;

/// What a person asks for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) replicas: u8,
    pub(super) observers: u8,
    pub(super) template: u32,
    pub(super) suspend: bool,
    pub(super) replace_after_s: Option<i64>,
    /// Of each voter's volume, GiB.
    pub(super) size: u8,
}

/// The uid and the version of the StatefulSet.
pub(super) type SetVersion = (u64, u64);

/// The StatefulSet.
#[derive(Clone, Debug)]
struct Set {
    slots: u8,
    template: u32,
    version: u64,
    uid: u64,
    /// Of the volumes that it makes, GiB.
    size: u8,
    terminating: bool,
}

/// The cluster.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now: i64,
    pub(super) wish: Wish,
    /// Templates whose servers end at once.
    pub(super) broken: Vec<u32>,
    set: Option<Set>,
    /// The members in the ConfigMap.
    list: Option<Membership>,
    pub(super) formation: Option<Formation>,
    pub(super) recorded: Option<Membership>,
    pub(super) pods: BTreeMap<u8, Pod>,
    pub(super) volumes: Volumes,
    pub(super) servers: Servers,
    pub(super) observers: Observers,
    /// Voters whose nodes are lost.
    pub(super) nodes_lost: BTreeSet<u8>,
    /// Voters that are away because the operator restarted them.
    pub(super) away: Vec<u8>,
    /// Version of the object of the ensemble.
    object: u64,
    /// Copies of volumes from an earlier time.
    copies: BTreeMap<u8, Disk>,
    /// What happened, for whoever has to understand a walk that failed.
    pub(super) story: Vec<String>,
    uids: u64,
    spare: ValidatedEnsemble,
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Name of a template, as the fingerprint and the revision of its pods.
pub(super) fn name(template: u32) -> String {
    format!("template-{template}")
}

impl World {
    pub(super) fn new(replicas: u8) -> Self {
        Self {
            now: 1_800_000_000,
            wish: Wish {
                replicas,
                observers: 0,
                template: 0,
                suspend: false,
                replace_after_s: None,
                size: 1,
            },
            broken: Vec::new(),
            set: None,
            list: None,
            formation: None,
            recorded: None,
            pods: BTreeMap::new(),
            volumes: Volumes::default(),
            servers: Servers::default(),
            observers: Observers::default(),
            nodes_lost: BTreeSet::new(),
            away: Vec::new(),
            object: 0,
            copies: BTreeMap::new(),
            story: Vec::new(),
            uids: 0,
            spare: valid(3),
        }
    }

    pub(super) fn tell(&mut self, what: &str) {
        let lead = self
            .servers
            .lead
            .as_ref()
            .map(|lead| (lead.id, lead.synced.clone()));
        let members = self.servers.members();
        self.story.push(format!(
            "{}: {what}; slots {:?}, led by {lead:?}, members {:?}, away {:?}",
            self.now - 1_800_000_000,
            self.slots(),
            members.voters,
            self.away
        ));
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        at(self.now)
    }

    pub(super) fn template(&self) -> String {
        name(self.wish.template)
    }

    /// The object as it is validated now.
    pub(super) fn ensemble(&self) -> ValidatedEnsemble {
        let formation = self.formation.clone().unwrap_or(Formation {
            voters: self.wish.replicas,
            complete: false,
        });
        ValidatedEnsemble {
            replicas: self.wish.replicas,
            replace_after_s: self.wish.replace_after_s,
            suspend: self.wish.suspend,
            formation,
            recorded: self.recorded.clone(),
            storage_size: gib(self.wish.size),
            observers: ObserverSpec {
                groups: observers::groups(self.wish.observers),
                ..ObserverSpec::default()
            },
            ..self.spare.clone()
        }
    }

    /// What a look at the cluster shows; some servers may not answer.
    pub(super) fn observe(&self, dice: &mut Dice, silent_percent: u64) -> Observed {
        let voters = self.pods.iter().map(|(id, pod)| {
            let answers = pod.ends_at.is_none() && !dice.percent(silent_percent);
            let report = self.servers.report(*id).filter(|_| answers);
            (*id, self.voter(*id, pod, report))
        });
        let voters: BTreeMap<u8, ServerPod> = voters.collect();
        let silent: BTreeSet<u8> = self
            .observers
            .pods
            .keys()
            .filter(|_| dice.percent(silent_percent))
            .copied()
            .collect();
        let leader = self.servers.lead.as_ref().map(|lead| lead.id);
        Observed {
            certificates: None,
            observers: self.observers.observe(leader, &self.broken, &silent),
            services: BTreeMap::new(),
            surplus: Vec::new(),
            voters,
            volumes: self.volumes.observe(&self.spare),
            voter_set: self.set.as_ref().map(|set| ServerSet {
                template_fingerprint: Some(name(set.template)),
                settings_stamp: None,
                update_revision: Some(name(set.template)),
                created: Some(at(1_800_000_000)),
                slots: set.slots,
                identity: SetIdentity {
                    uid: set.uid.to_string(),
                    version: set.version.to_string(),
                },
                claim_size: Some(gib(set.size)),
                terminating: set.terminating,
            }),
            versions: BTreeMap::new(),
            foreign: Vec::new(),
        }
    }

    fn voter(&self, id: u8, pod: &Pod, report: Option<MemberReport>) -> ServerPod {
        let broken = self.broken.contains(&pod.template);
        ServerPod {
            pod: self.spare.pod_of(id),
            uid: pod.uid.to_string(),
            node: Some(format!("node-{id}")),
            zone: None,
            revision: Some(name(pod.template)),
            created: Some(at(pod.created)),
            ready_since: pod.ready_since.map(at),
            unready_since: pod.ready_since.is_none().then(|| at(pod.unready_since)),
            terminating: pod.ends_at.is_some(),
            ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, id))),
            crashing: broken,
            trouble: None,
            report,
        }
    }

    /// The status is written, if the object is as it was seen: what must be on record first.
    pub(super) fn latch(&mut self, plan: &Plan, seen: u64) -> bool {
        if seen != self.object {
            return false;
        }
        let formation = Some(plan.formation.clone());
        if self.formation != formation {
            self.object += 1;
        }
        self.formation = Some(plan.formation.clone());
        if plan.formation.complete {
            self.recorded = Some(plan.members.clone());
        }
        true
    }

    /// The version of the object that was read.
    pub(super) fn object_version(&self) -> u64 {
        self.object
    }

    /// A person wants something else.
    pub(super) fn wish(&mut self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.wish);
        self.object += 1;
    }

    /// The objects are written, unless the StatefulSet has changed since it was seen.
    pub(super) fn apply(&mut self, plan: &Plan, seen: Option<SetVersion>) -> bool {
        if seen != self.set_version() {
            return false;
        }
        let list = Some(plan.members.clone());
        let mut changed = self.list != list;
        self.list = list;
        let (slots, template) = (plan.slots, self.wish.template);
        self.observers.apply(self.wish.observers, template);
        self.uids += 1;
        let size = (1..=u8::MAX).find(|gi| *gib(*gi).quantity() == plan.claims.size);
        let size = size.expect("a size in GiB");
        let set = self.set.get_or_insert(Set {
            slots,
            template,
            version: 0,
            uid: self.uids,
            size,
            terminating: false,
        });
        if !set.terminating {
            assert_eq!(set.size, size, "claims of a StatefulSet that is there");
            // What is as it was written is not written again.
            changed |= (set.slots, set.template) != (slots, template);
            set.slots = slots;
            set.template = template;
            set.version += u64::from(changed);
        }
        true
    }

    /// The list of members is that of the beginning again.
    pub(super) fn forget_members(&mut self) {
        self.list = Some(self.ensemble().founders());
    }

    /// A step is carried out as far as its preconditions hold.
    pub(super) fn carry_out(&mut self, step: &Step, dice: &mut Dice) {
        self.tell(&step.text());
        match step {
            Step::GrowVolume {
                claim,
                version,
                size,
                ..
            } => self.volumes.grow(claim, version, size, &self.spare),
            Step::RecreateSet { uid, version, .. } => {
                let seen = |set: &&mut Set| {
                    (set.uid.to_string(), set.version.to_string()) == (uid.clone(), version.clone())
                };
                if let Some(set) = self.set.as_mut().filter(seen) {
                    set.terminating = true;
                    set.version += 1;
                }
            }
            Step::Form { servers } => {
                for place in servers {
                    self.servers.form(place.server_id, &place.life);
                }
            }
            Step::Restart { server_id, uid, .. } if *server_id > VOTER_ID_MAX => {
                let leads = self.servers.lead.is_some();
                let (total, now) = (self.wish.observers, self.now);
                self.observers
                    .restart((*server_id, uid), total, leads, now, dice);
            }
            Step::Restart { server_id, uid, .. } => {
                self.restart_voter(*server_id, uid, dice);
            }
            Step::AddVoter {
                via,
                from,
                server_id,
                ..
            } => {
                let add = |voters: &mut BTreeSet<u8>| voters.insert(*server_id);
                self.servers.reconfigure(via.server_id, *from, add, dice);
            }
            Step::ReplaceVoter {
                via,
                from,
                joining,
                leaving,
                ..
            } => {
                let swap =
                    |voters: &mut BTreeSet<u8>| voters.remove(leaving) && voters.insert(*joining);
                self.servers.reconfigure(via.server_id, *from, swap, dice);
            }
            Step::RemoveVoter {
                via,
                from,
                server_id,
                ..
            } => {
                let remove = |voters: &mut BTreeSet<u8>| voters.remove(server_id);
                self.servers.reconfigure(via.server_id, *from, remove, dice);
            }
        }
    }

    fn restart_voter(&mut self, id: u8, uid: &str, dice: &mut Dice) {
        self.note_those_back();
        let (now, takes_part) = (self.now, self.takes_part(id));
        if let Some(pod) = self.pods.get_mut(&id)
            && pod.uid.to_string() == uid
            && pod.ends_at.is_none()
        {
            pod.ends_at = Some(now + i64::try_from(dice.below(GRACE_S)).unwrap());
            if takes_part {
                self.away.push(id);
            }
            self.servers.stop(id);
        }
    }

    /// Whether a voter is there for the quorum.
    pub(super) fn takes_part(&self, id: u8) -> bool {
        self.servers.serves(id) && self.servers.members().voters.contains(&id)
    }

    /// The controller of StatefulSets and the kubelets do what is due.
    pub(super) fn kubernetes(&mut self, dice: &mut Dice, promptly: bool) {
        let now = self.now;
        self.pods
            .retain(|_, pod| pod.ends_at.is_none_or(|at| at > now));
        let leaves = |set: &Set| set.terminating;
        if self.set.as_ref().is_some_and(leaves) && (promptly || dice.percent(40)) {
            self.set = None;
        }
        if let Some(set) = self.set.clone().filter(|set| !set.terminating) {
            self.run_set(&set, dice, promptly);
        }
        self.volumes.work(&self.pods, now, dice, promptly);
        let list = self.list.clone().unwrap_or_default();
        for (id, pod) in &mut self.pods {
            let has_place = pod.ends_at.is_none() && !self.nodes_lost.contains(id);
            let may_run = has_place && !self.broken.contains(&pod.template);
            if may_run && !pod.running && (promptly || dice.percent(50)) {
                pod.running = true;
                self.servers.start(*id, &list);
            }
            let hears = promptly || dice.percent(50);
            pod.probe(self.servers.serves(*id), now, hears);
        }
        let leads = self.servers.lead.is_some();
        self.observers
            .kubernetes((now, &mut self.uids, leads), &self.broken, dice, promptly);
    }

    /// Pods that are not wanted go, and those that are missing come.
    fn run_set(&mut self, set: &Set, dice: &mut Dice, promptly: bool) {
        let now = self.now;
        for (id, pod) in &mut self.pods {
            if *id > set.slots && pod.ends_at.is_none() {
                pod.ends_at = Some(now + i64::try_from(dice.below(GRACE_S)).unwrap());
                self.servers.stop(*id);
            }
        }
        for id in 1..=set.slots {
            if !self.pods.contains_key(&id) && (promptly || dice.percent(60)) {
                self.uids += 1;
                self.volumes.provide(id, set.size);
                self.pods.insert(id, Pod::new(self.uids, set.template, now));
            }
        }
    }

    /// Voters that are away because the operator restarted them.
    pub(super) fn note_those_back(&mut self) {
        let members = self.servers.members();
        let away = std::mem::take(&mut self.away);
        self.away = away
            .into_iter()
            .filter(|id| members.voters.contains(id) && !self.takes_part(*id))
            .collect();
    }

    /// The process in a pod ends and starts again.
    pub(super) fn crash(&mut self, id: u8) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.running = false;
            pod.ready_since = None;
            pod.unready_since = self.now;
            self.servers.stop(id);
        }
    }

    /// The node of a voter is lost with all that runs on it, or comes back.
    pub(super) fn toggle_node(&mut self, id: u8) {
        if !self.nodes_lost.remove(&id) {
            self.nodes_lost.insert(id);
            self.crash(id);
        }
    }

    /// A pod goes without being asked.
    pub(super) fn lose_pod(&mut self, id: u8) {
        self.servers.stop(id);
        self.pods.remove(&id);
    }

    /// A pod goes, and its volume with it.
    pub(super) fn lose_disk(&mut self, id: u8) {
        self.lose_pod(id);
        self.servers.disks.remove(&id);
        self.volumes.lose(id);
    }

    /// A person copies all volumes.
    pub(super) fn copy_volumes(&mut self) {
        self.copies.clone_from(&self.servers.disks);
    }

    /// A person puts the copies in place where no member's pod uses the volume: those of former
    /// voters, which may be voters again.
    pub(super) fn bring_back_volumes(&mut self) {
        let members = self.servers.members().voters;
        let needed = |disk: &Disk| {
            disk.seen()
                .is_some_and(|seen| !seen.voters.is_subset(&members))
        };
        if self.servers.disks.values().any(needed) {
            return;
        }
        for (id, copy) in &self.copies {
            if !members.contains(id) && !self.pods.contains_key(id) {
                self.servers.disks.insert(*id, copy.clone());
            }
        }
    }

    /// A person changes the StatefulSet by hand.
    pub(super) fn meddle(&mut self, slots: u8) {
        if let Some(set) = &mut self.set {
            set.slots = slots;
            set.version += 1;
        }
    }

    /// The version of the StatefulSet that was read.
    pub(super) fn set_version(&self) -> Option<SetVersion> {
        self.set.as_ref().map(|set| (set.uid, set.version))
    }

    /// Whether each voter has a volume of the size that is wanted, and so would one to come.
    pub(super) fn has_room(&self) -> bool {
        let smallest = self.volumes.smallest(1..=self.wish.replicas);
        let of_set = self.set.as_ref().map(|set| set.size);
        smallest >= Some(self.wish.size) && of_set >= Some(self.wish.size)
    }

    /// Number of pods that the StatefulSet is asked for.
    pub(super) fn slots(&self) -> Option<u8> {
        self.set.as_ref().map(|set| set.slots)
    }
}
