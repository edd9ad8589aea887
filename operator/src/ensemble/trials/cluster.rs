//! The made-up cluster: what the controllers, the kubelets and the servers do, and what is asked of the
//! API server about them.

use std::collections::{BTreeMap, BTreeSet, VecDeque, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use serde_json::{Value, json};

use super::answers::Answers;
use super::pods::Pod;
use super::store::{Answer, Store, target, text};
use super::witness::Witness;
use super::{NAME, clock};
use crate::calls::Target;
use crate::ensemble::membership::Membership;
use crate::ensemble::plan::walks::dice::Dice;
use crate::ensemble::plan::walks::servers::Servers;
use crate::ensemble::validate::VOTER_ID_MAX;
use crate::members::{
    ConfigVersion, History, MemberReport, ReportedConfig, ReportedRole, ReportedSettings,
};

/// Seconds for which a pod that is deleted may stay.
const GRACE_S: u64 = 8;

/// What a person changes in the spec.
pub(super) type Wish = fn(&mut Value);

/// The cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) store: Store,
    pub(super) pods: BTreeMap<String, Pod>,
    pub(super) servers: Servers,
    pub(super) dice: Dice,
    pub(super) witness: Witness,
    /// StatefulSets that were deleted without their pods.
    pub(super) orphaned: BTreeSet<String>,
    /// What goes wrong with requests.
    pub(super) answers: Option<Answers>,
    /// Whether the servers take settings while they run.
    pub(super) take_settings: bool,
    /// What the person will ask for when all is as wished.
    pub(super) wishes: VecDeque<Wish>,
}

/// A StatefulSet as its controller sees it.
struct Set {
    name: String,
    replicas: u8,
    id_base: u8,
    revision: String,
    labels: Value,
}

impl Set {
    fn read(object: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        let template = &object["spec"]["template"];
        template.to_string().hash(&mut hasher);
        let args = template.pointer("/spec/containers/0/args").unwrap();
        let mut args = args.as_array().unwrap().iter().filter_map(Value::as_str);
        let id_base = args
            .find(|arg| *arg == "--id-base")
            .and_then(|_| args.next());
        Self {
            name: text(object, "/metadata/name").to_owned(),
            replicas: u8::try_from(object["spec"]["replicas"].as_u64().unwrap()).unwrap(),
            id_base: id_base.unwrap().parse().unwrap(),
            revision: format!("{:x}", hasher.finish()),
            labels: template["metadata"]["labels"].clone(),
        }
    }
}

fn now_s() -> i64 {
    clock().as_second()
}

impl Cluster {
    /// One with an ensemble that nobody has looked at yet.
    pub(super) fn new(seed: u64, replicas: i32) -> Self {
        let mut object = crate::fixtures::ensemble(replicas);
        object.status = None;
        object.metadata.uid = None;
        object.metadata.generation = None;
        let mut store = Store::default();
        let target = target("create", "zkensembles", NAME);
        let object = serde_json::to_value(object).unwrap();
        store.create(&target, object, clock()).unwrap();
        Self {
            store,
            pods: BTreeMap::new(),
            servers: Servers::default(),
            dice: Dice::new(seed),
            witness: Witness::default(),
            orphaned: BTreeSet::new(),
            answers: None,
            take_settings: true,
            wishes: VecDeque::new(),
        }
    }

    /// Who is in the Lease.
    pub(super) fn holder(&self) -> String {
        let mut leases = self.store.all("leases");
        let lease = leases.next().unwrap_or(&Value::Null);
        text(lease, "/spec/holderIdentity").to_owned()
    }

    /// The ensemble as it is on record.
    pub(super) fn ensemble(&self) -> &Value {
        self.store.get("zkensembles", NAME).unwrap()
    }

    fn observers_wanted(&self) -> usize {
        let wanted = self.ensemble().pointer("/spec/observers/replicas");
        wanted
            .and_then(Value::as_u64)
            .map_or(0, |n| usize::try_from(n).unwrap())
    }

    /// Answers a request that has arrived.
    pub(super) fn asked(
        &mut self,
        caller: &str,
        target: &Target,
        query: &str,
        body: Value,
    ) -> Answer {
        let name = target.name.as_deref().unwrap_or_default();
        match (target.verb, target.resource.as_str()) {
            ("get", "nodes") => Ok(json!({"metadata": {
                "name": name, "labels": {"topology.kubernetes.io/zone": format!("zone-of-{name}")},
            }})),
            ("get", "storageclasses") => Ok(json!({
                "metadata": {"name": name}, "provisioner": "made-up", "allowVolumeExpansion": true,
            })),
            ("patch", "persistentvolumeclaims") => {
                self.store
                    .patch(target, &body, "/spec/resources/requests/storage")
            }
            ("list", resource) => Ok(self.list(resource, query)),
            ("get", resource) => self.store.get(resource, name).cloned().ok_or(404),
            // Nobody reads them.
            (_, "events") => Ok(body),
            ("delete", "pods") => self.delete_pod(caller, name, &body),
            ("delete", resource) => {
                let what = format!("deletes {resource} {name}");
                self.witness.disruptive(caller, &self.holder(), &what);
                if body.pointer("/preconditions/uid").is_none() {
                    self.witness
                        .complain(format!("{caller} {what} without its uid"));
                }
                let answer = self.store.delete(target, &body);
                if resource == "statefulsets" && answer.is_ok() {
                    self.set_goes(name, &body);
                }
                answer
            }
            ("create", _) => self.store.create(target, body, clock()),
            ("replace", _) => self.store.replace(target, body),
            ("apply", resource) => {
                if resource == "statefulsets" {
                    self.check_places(&body);
                }
                let written = self.store.apply(target, body, clock())?;
                if resource == "zkensembles" {
                    self.witness.status(&written["status"]);
                }
                Ok(written)
            }
            _ => Err(405),
        }
    }

    /// A StatefulSet goes; that of the voters never takes its pods with it.
    fn set_goes(&mut self, name: &str, options: &Value) {
        if options["propagationPolicy"] == "Orphan" {
            self.orphaned.insert(name.to_owned());
        } else if name.ends_with("-voter") {
            self.witness.complain(format!("{name} goes with its pods"));
        }
    }

    /// Every member has a place for its pod.
    fn check_places(&mut self, set: &Value) {
        let highest = self.servers.members().voters.last().copied().unwrap_or(0);
        let places = set["spec"]["replicas"].as_u64().unwrap_or(0);
        if text(set, "/metadata/name").ends_with("-voter") && places < u64::from(highest) {
            let what = format!("{places} places, and {highest} is a member");
            self.witness.complain(what);
        }
    }

    fn list(&self, resource: &str, query: &str) -> Value {
        let selector = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("labelSelector="));
        let selector = selector
            .unwrap_or_default()
            .replace("%2F", "/")
            .replace("%3D", "=");
        let pairs: Vec<(String, String)> = selector
            .replace("%2C", ",")
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let fits = |object: &Value| {
            let labels = &object["metadata"]["labels"];
            pairs.iter().all(|(key, value)| labels[key] == json!(value))
        };
        let objects: Vec<Value> = if resource == "pods" {
            self.pods.values().map(Pod::object).filter(fits).collect()
        } else {
            self.store
                .all(resource)
                .filter(|o| fits(o))
                .cloned()
                .collect()
        };
        json!({"metadata": {"resourceVersion": "1"}, "items": objects})
    }

    fn delete_pod(&mut self, caller: &str, name: &str, options: &Value) -> Answer {
        let what = format!("deletes pod {name}");
        self.witness.disruptive(caller, &self.holder(), &what);
        let uid = text(options, "/preconditions/uid");
        if uid.is_empty() {
            self.witness
                .complain(format!("{caller} {what} without its uid"));
        }
        let pod = self.pods.get(name).ok_or(404_u16)?;
        if pod.uid != uid {
            return Err(409);
        }
        let (id, object) = (pod.server_id, pod.object());
        if pod.ends_at.is_some() {
            return Ok(object);
        }
        self.witness_those_back();
        if self.takes_part(id) {
            let observers = self.observers_wanted();
            self.witness.takes_away(id, observers);
        }
        self.end(name);
        Ok(object)
    }

    fn end(&mut self, name: &str) {
        let grace = i64::try_from(self.dice.below(GRACE_S)).unwrap();
        if let Some(pod) = self.pods.get_mut(name) {
            pod.ends_at = Some(now_s() + grace);
            self.servers.stop(pod.server_id);
        }
    }

    /// Whether somebody would miss this server.
    fn takes_part(&self, id: u8) -> bool {
        if id > VOTER_ID_MAX {
            return self.report(id).is_some_and(|report| report.serving);
        }
        self.servers.serves(id) && self.servers.members().voters.contains(&id)
    }

    fn witness_those_back(&mut self) {
        let (members, wanted) = (self.servers.members().voters, self.observers_wanted());
        let mut witness = std::mem::take(&mut self.witness);
        witness.looks(|id| {
            let ready = |pod: &Pod| pod.server_id == id && pod.ready_since.is_some();
            let back = if id > VOTER_ID_MAX {
                self.pods.values().any(ready) || wanted == 0
            } else {
                !members.contains(&id)
            };
            back || (id <= VOTER_ID_MAX && self.takes_part(id))
        });
        self.witness = witness;
    }

    /// What a server says; `None` while it does not run.
    pub(super) fn report(&self, id: u8) -> Option<MemberReport> {
        let mut pods = self.pods.values();
        let pod = pods.find(|pod| pod.server_id == id && pod.running && pod.ends_at.is_none());
        let settings = pod.and_then(|pod| pod.settings.clone());
        let settings = settings.filter(|_| self.take_settings);
        let report = self.report_of_role(id)?;
        Some(MemberReport {
            settings: settings.map(|revision| ReportedSettings {
                revision,
                ..ReportedSettings::default()
            }),
            ..report
        })
    }

    fn report_of_role(&self, id: u8) -> Option<MemberReport> {
        if id <= VOTER_ID_MAX {
            return self.servers.report(id);
        }
        let lead = self.servers.lead.as_ref().map(|lead| lead.id);
        let runs = |pod: &Pod| pod.server_id == id && pod.running && pod.ends_at.is_none();
        self.pods.values().any(runs).then(|| MemberReport {
            server_id: id,
            life: String::new(),
            role: if lead.is_some() {
                ReportedRole::Observer
            } else {
                ReportedRole::Looking
            },
            serving: lead.is_some(),
            leader: lead,
            epoch: 1,
            history: History::Whole,
            zxid_logged: "0x1".to_owned(),
            config: ReportedConfig::default(),
            settings: None,
            learners: Vec::new(),
        })
    }

    /// Everybody but the operator does what is due.
    pub(super) fn tick(&mut self) {
        let now = now_s();
        self.pods
            .retain(|_, pod| pod.ends_at.is_none_or(|at| at > now));
        self.follow_sets(now);
        self.follow_claims();
        self.follow_requests();
        let list = self.list_of_members();
        let starting = |pod: &&mut Pod| !pod.running && pod.ends_at.is_none();
        for pod in self.pods.values_mut().filter(starting) {
            pod.running = true;
            if pod.server_id <= VOTER_ID_MAX {
                self.servers.start(pod.server_id, &list);
            }
        }
        self.bring_settings();
        self.servers.elect(&mut self.dice);
        for id in self.servers.up.clone() {
            self.servers.level(id);
        }
        for name in self.pods.keys().cloned().collect::<Vec<_>>() {
            let id = self.pods[&name].server_id;
            let serves = self.report(id).is_some_and(|report| report.serving);
            if let Some(pod) = self.pods.get_mut(&name) {
                pod.probe(serves && pod.ends_at.is_none(), now);
            }
        }
        self.witness_those_back();
        if let Some(lost) = self.servers.lost.clone() {
            self.witness.complain(lost);
        }
    }

    fn follow_sets(&mut self, now: i64) {
        let sets: Vec<Set> = self.store.all("statefulsets").map(Set::read).collect();
        let belongs = |pod: &Pod| {
            let set = sets.iter().find(|set| set.name == pod.set);
            set.map_or(self.orphaned.contains(&pod.set), |set| {
                pod.server_id < set.id_base + set.replicas
            })
        };
        let alone = self
            .pods
            .values()
            .filter(|pod| !belongs(pod) && pod.ends_at.is_none());
        for name in alone.map(|pod| pod.name.clone()).collect::<Vec<_>>() {
            self.end(&name);
        }
        for set in &sets {
            self.orphaned.remove(&set.name);
            self.store.change("statefulsets", &set.name, |object| {
                let generation = object["metadata"]["generation"].clone();
                object["status"] = json!({
                    "replicas": 0,
                    "observedGeneration": generation,
                    "updateRevision": set.revision,
                });
            });
            for ordinal in 0..set.replicas {
                let name = format!("{}-{ordinal}", set.name);
                if self.pods.contains_key(&name) {
                    continue;
                }
                let pod = Pod {
                    uid: format!("uid-{}", self.store.next()),
                    set: set.name.clone(),
                    server_id: set.id_base + ordinal,
                    revision: set.revision.clone(),
                    labels: set.labels.clone(),
                    created: now,
                    running: false,
                    ready_since: None,
                    unready_since: now,
                    ends_at: None,
                    settings: None,
                    name: name.clone(),
                };
                self.pods.insert(name, pod);
            }
        }
    }

    /// What a line of the ConfigMap says.
    pub(super) fn revision_of_settings(&self) -> Option<String> {
        let mut configs = self.store.all("configmaps");
        let config = configs.next().unwrap_or(&Value::Null);
        let mut lines = text(config, "/data/zoo.cfg").lines();
        lines.find_map(|line| Some(line.strip_prefix("quorate.settings.revision=")?.to_owned()))
    }

    /// The kubelets bring the file to pods that start, and to the others when they come to it.
    fn bring_settings(&mut self) {
        let revision = self.revision_of_settings();
        for pod in self.pods.values_mut().filter(|pod| pod.running) {
            let other = pod.settings != revision;
            if other && (pod.settings.is_none() || self.dice.below(3) == 0) {
                pod.settings.clone_from(&revision);
            }
        }
    }

    /// The members in the ConfigMap, as a server that starts reads them.
    fn list_of_members(&self) -> Membership {
        let mut configs = self.store.all("configmaps");
        let config = configs.next().unwrap_or(&Value::Null);
        let mut list = Membership::default();
        for line in text(config, "/data/zoo.cfg").lines() {
            if let Some(version) = line.strip_prefix("quorate.members.version=") {
                list.version = ConfigVersion::parse(version).unwrap();
            }
            let member = line
                .strip_prefix("server.")
                .and_then(|line| line.split_once('='));
            list.voters
                .extend(member.map(|(id, _)| id.parse::<u8>().unwrap()));
        }
        list
    }

    /// Whether all is as wished, and the status says so.
    pub(super) fn rests(&self) -> bool {
        let ensemble = self.ensemble();
        let status = &ensemble["status"];
        let conditions = status["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let ready = conditions.any(|c| c["type"] == "Ready" && c["status"] == "True");
        let current = status["observedGeneration"] == ensemble["metadata"]["generation"];
        let wanted = ensemble["spec"]["voters"]["replicas"].as_u64().unwrap();
        let wanted = usize::try_from(wanted).unwrap();
        let voters = self
            .pods
            .values()
            .filter(|pod| pod.server_id <= VOTER_ID_MAX);
        let sets: Vec<Set> = self.store.all("statefulsets").map(Set::read).collect();
        let settled = |pod: &Pod| {
            let set = sets.iter().find(|set| set.name == pod.set);
            pod.ready_since.is_some() && set.is_some_and(|set| set.revision == pod.revision)
        };
        ready
            && current
            && status.get("operation").is_none_or(Value::is_null)
            && voters.count() == wanted
            && self.servers.members().voters.len() == wanted
            && self.pods.len() == wanted + self.observers_wanted()
            && self.pods.values().all(settled)
            && self.has_no_surplus(wanted)
    }

    /// Whether each zone has its objects, nothing else has, and only more than one voter a budget.
    fn has_no_surplus(&self, voters: usize) -> bool {
        let zones = self.ensemble().pointer("/spec/observers/zones");
        let zones = zones.and_then(Value::as_array).map_or(0, Vec::len);
        let budgets = usize::from(voters > 1) + usize::from(zones > 0);
        let listeners = self.ensemble().pointer("/spec/listeners");
        let listeners = listeners.and_then(Value::as_array).map_or(0, Vec::len);
        let count = |resource: &str| self.store.all(resource).count();
        let policies = usize::from(!self.ensemble()["spec"]["networkPolicy"].is_null());
        count("networkpolicies") == policies
            && count("statefulsets") == 1 + zones
            && count("services") == 2 + zones + listeners
            && count("poddisruptionbudgets") == budgets
    }

    /// The person asks for the next thing; false when there is none.
    pub(super) fn wish(&mut self) -> bool {
        let Some(wish) = self.wishes.pop_front() else {
            return false;
        };
        self.store
            .change("zkensembles", NAME, |object| wish(&mut object["spec"]));
        let spec = self.ensemble()["spec"].to_string();
        self.witness.tell(format!("the person wishes {spec}"));
        true
    }
}
