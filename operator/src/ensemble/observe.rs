//! What is there: the StatefulSet, the pods, their zones, and what the servers say themselves.
//!
//! All of it is read anew in each reconcile, past any cache, because the planner takes pods away
//! by it. A server that stays silent is part of the observation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, Node, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::build::{TEMPLATE_ANNOTATION, voter_selector};
use super::error::{Called, ReconcileError};
use super::validate::{VOTER_ID_MAX, ValidatedEnsemble};
use crate::crd::ZkEnsemble;
use crate::members::{MemberReport, Members};

/// Label of nodes, and with newer Kubernetes of pods, that names their zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Longest piece of a container's last words that is shown in status.
const TROUBLE_LEN_MAX: usize = 240;

/// What was found of one ensemble.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The StatefulSet of the voters; `None` before it was made.
    pub voter_set: Option<VoterSet>,
    /// Pods of voters by server id.
    pub voters: BTreeMap<u8, Voter>,
    /// Versions of the objects that were read, by "Kind name": nothing is written over anything else.
    pub versions: BTreeMap<String, String>,
    /// Objects that carry our names but belong to someone else, as "Kind name".
    pub foreign: Vec<String>,
}

/// The StatefulSet of the voters.
#[derive(Clone, Debug)]
pub struct VoterSet {
    /// Fingerprint of the template that it was last asked for.
    pub template_fingerprint: Option<String>,
    /// Revision that new pods get; `None` while the StatefulSet controller lags behind.
    pub update_revision: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Number of pods that it is asked for: the ordinals from 0 on.
    pub slots: u8,
}

/// The pod of one voter.
#[derive(Clone, Debug)]
pub struct Voter {
    /// Name of the pod.
    pub pod: String,
    /// Its uid, the precondition of any deletion.
    pub uid: String,
    /// Node that it is bound to.
    pub node: Option<String>,
    /// Zone of that node.
    pub zone: Option<String>,
    /// Revision that it was made from.
    pub revision: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Since when the kubelet has called it ready; `None` while it is not.
    pub ready_since: Option<Timestamp>,
    /// Since when the kubelet has called it unready, from its creation on; `None` while it is ready.
    pub unready_since: Option<Timestamp>,
    /// Whether it is on its way out.
    pub terminating: bool,
    /// Address, once it runs.
    pub ip: Option<IpAddr>,
    /// Whether its container ends again and again.
    pub crashing: bool,
    /// What Kubernetes says keeps it from running.
    pub trouble: Option<String>,
    /// What the server says; `None` when it did not answer.
    pub report: Option<MemberReport>,
}

/// Reads the object itself; `None` when there is nothing to do for it any more.
///
/// # Errors
///
/// When the API server does not answer.
pub async fn object(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<ZkEnsemble>, ReconcileError> {
    let api: Api<ZkEnsemble> = Api::namespaced(client.clone(), namespace);
    let object = api.get_opt(name).await.called("get the ZkEnsemble")?;
    Ok(object.filter(|object| object.metadata.deletion_timestamp.is_none()))
}

/// Reads everything about the ensemble but the object itself.
///
/// # Errors
///
/// When the API server does not answer. Silent servers are no error.
pub async fn cluster<M: Members>(
    client: &Client,
    members: &M,
    ensemble: &ValidatedEnsemble,
) -> Result<Observed, ReconcileError> {
    let namespace = ensemble.namespace.as_str();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let set_name = ensemble.voter_set_name();
    let (set, pods, others) = futures::try_join!(
        async { sets.get_opt(&set_name).await.called("get the StatefulSet") },
        list_pods(client, ensemble),
        other_objects(client, ensemble),
    )?;
    let mut found = Found::default();
    for (what, metadata) in others {
        found.note(what, metadata, ensemble);
    }
    let metadata = set.as_ref().map(|set| set.metadata.clone());
    let ours = found.note(format!("StatefulSet {set_name}"), metadata, ensemble);
    let voter_set = set.filter(|_| ours).map(VoterSet::from);
    let mut voters: BTreeMap<u8, Voter> = pods
        .iter()
        .filter_map(|pod| {
            let id = id_of(pod.metadata.name.as_deref()?, &set_name)?;
            Some((id, read_pod(pod)?))
        })
        .collect();
    let (zones, reports) =
        futures::join!(zones_of_nodes(client, &voters), ask_all(members, &voters));
    let zones = zones?;
    for (id, voter) in &mut voters {
        if voter.zone.is_none() {
            voter.zone = voter
                .node
                .as_ref()
                .and_then(|node| zones.get(node).cloned());
        }
        voter.report = reports.get(id).cloned();
    }
    Ok(Observed {
        voter_set,
        voters,
        versions: found.versions,
        foreign: found.foreign,
    })
}

/// The id of the server in a pod of the voters' set.
fn id_of(pod: &str, set_name: &str) -> Option<u8> {
    let ordinal = pod.strip_prefix(set_name)?.strip_prefix('-')?;
    let id = ordinal.parse::<u8>().ok()?.checked_add(1)?;
    (id <= VOTER_ID_MAX).then_some(id)
}

impl From<StatefulSet> for VoterSet {
    fn from(set: StatefulSet) -> Self {
        let status = set.status.unwrap_or_default();
        let current = status.observed_generation >= set.metadata.generation;
        Self {
            template_fingerprint: set
                .metadata
                .annotations
                .and_then(|mut annotations| annotations.remove(TEMPLATE_ANNOTATION)),
            update_revision: status.update_revision.filter(|_| current),
            created: set.metadata.creation_timestamp.map(|time| time.0),
            slots: set
                .spec
                .and_then(|spec| spec.replicas)
                .map_or(1, |replicas| u8::try_from(replicas).unwrap_or(u8::MAX)),
        }
    }
}

async fn list_pods(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<Vec<Pod>, ReconcileError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &ensemble.namespace);
    let params = ListParams::default().labels(&voter_selector(ensemble));
    Ok(api.list(&params).await.called("list the pods")?.items)
}

fn is_ours(metadata: &ObjectMeta, ensemble: &ValidatedEnsemble) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.uid == ensemble.owner.uid)
}

/// What was found of the objects that carry our names.
#[derive(Default)]
struct Found {
    versions: BTreeMap<String, String>,
    foreign: Vec<String>,
}

impl Found {
    /// Notes an object; true when it is there and belongs to the ensemble. Others are in the way:
    /// server-side apply would take over what somebody else made.
    fn note(
        &mut self,
        what: String,
        metadata: Option<ObjectMeta>,
        ensemble: &ValidatedEnsemble,
    ) -> bool {
        let Some(metadata) = metadata else {
            return false;
        };
        if !is_ours(&metadata, ensemble) {
            self.foreign.push(what);
            return false;
        }
        let version = metadata.resource_version;
        self.versions.extend(version.map(|version| (what, version)));
        true
    }
}

/// Everything but the StatefulSet, by "Kind name".
async fn other_objects(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<[(String, Option<ObjectMeta>); 4], ReconcileError> {
    let names = [
        ensemble.config_name(),
        ensemble.peers_name(),
        ensemble.client_name(),
        ensemble.voter_set_name(),
    ];
    let [config, peers, clients, budget] = &names;
    let found = futures::try_join!(
        metadata::<ConfigMap>(client, ensemble, config),
        metadata::<Service>(client, ensemble, peers),
        metadata::<Service>(client, ensemble, clients),
        metadata::<PodDisruptionBudget>(client, ensemble, budget),
    )?;
    Ok([
        (format!("ConfigMap {config}"), found.0),
        (format!("Service {peers}"), found.1),
        (format!("Service {clients}"), found.2),
        (format!("PodDisruptionBudget {budget}"), found.3),
    ])
}

async fn metadata<K>(
    client: &Client,
    ensemble: &ValidatedEnsemble,
    name: &str,
) -> Result<Option<ObjectMeta>, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &ensemble.namespace);
    let found = api
        .get_metadata_opt(name)
        .await
        .called("look for an object of the ensemble")?;
    Ok(found.map(|object| object.metadata))
}

fn read_pod(pod: &Pod) -> Option<Voter> {
    let metadata = &pod.metadata;
    let status = pod.status.as_ref();
    let conditions = status
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let container = status
        .and_then(|s| s.container_statuses.as_deref())
        .and_then(<[ContainerStatus]>::first);
    let ready = conditions.iter().find(|c| c.type_ == "Ready");
    let is_ready = ready.is_some_and(|c| c.status == "True");
    let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
    let changed = ready
        .and_then(|c| c.last_transition_time.as_ref())
        .map(|time| time.0);
    let labels = metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned();
    let unscheduled = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")
        .and_then(|c| c.message.clone());
    Some(Voter {
        pod: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        zone: label(ZONE_LABEL),
        revision: label("controller-revision-hash"),
        created,
        ready_since: changed.filter(|_| is_ready),
        unready_since: changed.or(created).filter(|_| !is_ready),
        terminating: metadata.deletion_timestamp.is_some(),
        ip: status
            .and_then(|s| s.pod_ip.as_deref())
            .and_then(|ip| ip.parse().ok()),
        crashing: container.is_some_and(is_crashing),
        trouble: container.and_then(container_trouble).or(unscheduled),
        report: None,
    })
}

/// A container that has ended and is not running now; the first end counts, whatever its code,
/// because a server never ends by itself.
fn is_crashing(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    let running = state.is_some_and(|state| state.running.is_some());
    !running && (container.restart_count > 0 || state.is_some_and(|s| s.terminated.is_some()))
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    if let Some(end) = state.terminated.as_ref().or(last) {
        let words = end
            .message
            .as_deref()
            .and_then(last_line)
            .unwrap_or("it left no message");
        return Some(shorten(&format!(
            "ended with code {}: {words}",
            end.exit_code
        )));
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("Waiting");
    Some(match waiting.message.as_deref().and_then(last_line) {
        Some(message) => shorten(&format!("{reason}: {message}")),
        None => reason.to_owned(),
    })
}

/// The last line of a server that does not take its settings, as with Apache's; the reason stands
/// before it.
const INVALID_CONFIG: &str = "Invalid config, exiting abnormally";

fn last_line(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && *line != INVALID_CONFIG)
}

fn shorten(text: &str) -> String {
    text.chars().take(TROUBLE_LEN_MAX).collect()
}

/// Zones of the nodes that voters are bound to and whose pods do not carry the zone themselves.
async fn zones_of_nodes(
    client: &Client,
    voters: &BTreeMap<u8, Voter>,
) -> Result<BTreeMap<String, String>, ReconcileError> {
    let nodes: BTreeSet<&String> = voters
        .values()
        .filter(|voter| voter.zone.is_none())
        .filter_map(|voter| voter.node.as_ref())
        .collect();
    let api: Api<Node> = Api::all(client.clone());
    let zone_of = async |node: &String| -> Result<_, ReconcileError> {
        let found = api.get_metadata_opt(node).await.called("get a node")?;
        let labels = found.and_then(|node| node.metadata.labels);
        Ok(labels
            .and_then(|mut labels| labels.remove(ZONE_LABEL))
            .map(|zone| (node.clone(), zone)))
    };
    let zones = try_join_all(nodes.into_iter().map(zone_of)).await?;
    Ok(zones.into_iter().flatten().collect())
}

/// Asks all voters that have an address, at the same time.
async fn ask_all<M: Members>(
    members: &M,
    voters: &BTreeMap<u8, Voter>,
) -> BTreeMap<u8, MemberReport> {
    let asked = voters.iter().filter(|(_, voter)| !voter.terminating);
    let answers = join_all(asked.filter_map(|(id, voter)| {
        let ip = voter.ip?;
        Some(async move {
            match members.ask(ip).await {
                Ok(report) if report.server_id == *id => Some((*id, report)),
                Ok(report) => {
                    tracing::warn!(pod = %voter.pod, id = report.server_id, "server has another id");
                    None
                }
                Err(silence) => {
                    tracing::debug!(pod = %voter.pod, %silence, "server does not answer");
                    None
                }
            }
        })
    }))
    .await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_reason() {
        let words = "2026 INFO starts\nzoo.cfg: tickTime=soon: not a number\nInvalid config, exiting abnormally\n\n";
        assert_eq!(
            last_line(words),
            Some("zoo.cfg: tickTime=soon: not a number")
        );
        assert_eq!(last_line("\n"), None);
    }
}
