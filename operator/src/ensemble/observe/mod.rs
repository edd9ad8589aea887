//! What is there: the StatefulSets, the pods, their zones, and what the servers say themselves.
//!
//! All of it is read anew in each reconcile, past any cache, because the planner takes pods away
//! by it. A server that stays silent is part of the observation.

mod pods;
mod surplus;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

pub use self::pods::ServerPod;
use self::pods::pods_of;
use self::surplus::surplus;
pub use self::surplus::{Surplus, SurplusKind};
pub use self::volumes::ServerVolume;
use super::build::{SETTINGS_ANNOTATION, TEMPLATE_ANNOTATION, ensemble_selector};
use super::certificates::{self, CertificateSource, Certificates};
use super::endpoints::Reach;
use super::error::{Called, ReconcileError};
use super::observers::ObserverGroup;
use super::validate::{VOTER_ID_MAX, ValidatedEnsemble};
use crate::crd::ZkEnsemble;
use crate::members::{MemberReport, Members};
use crate::quantity::Size;

/// Label of nodes, and with newer Kubernetes of pods, that names their zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// What was found of one ensemble.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The StatefulSet of the voters; `None` before it was made.
    pub voter_set: Option<ServerSet>,
    /// Pods of voters by server id.
    pub voters: BTreeMap<u8, ServerPod>,
    /// Volumes of voters by server id.
    pub volumes: BTreeMap<u8, ServerVolume>,
    /// The observers by zone: of all that are wanted, and of others that have pods still.
    pub observers: BTreeMap<String, ObserverPods>,
    /// Certificates, where there is TLS.
    pub certificates: Option<Certificates>,
    /// How the Services are reached that are there, by name.
    pub services: BTreeMap<String, Reach>,
    /// Objects of the ensemble that are not wanted any more.
    pub surplus: Vec<Surplus>,
    /// Versions of the objects that were read, by "Kind name": nothing is written over anything else.
    pub versions: BTreeMap<String, String>,
    /// Objects that carry our names but belong to someone else, as "Kind name".
    pub foreign: Vec<String>,
}

/// The observers of one zone.
#[derive(Clone, Debug, Default)]
pub struct ObserverPods {
    /// Their StatefulSet; `None` before it was made.
    pub set: Option<ServerSet>,
    /// Pods by server id.
    pub pods: BTreeMap<u8, ServerPod>,
}

/// The StatefulSet of a group of servers.
#[derive(Clone, Debug, Default)]
pub struct ServerSet {
    /// Fingerprint of the template that it was last asked for.
    pub template_fingerprint: Option<String>,
    /// Revision that new pods get; `None` while the StatefulSet controller lags behind.
    pub update_revision: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Number of pods that it is asked for: the ordinals from 0 on.
    pub slots: u8,
    /// Its uid and its version, the preconditions of its deletion.
    pub identity: SetIdentity,
    /// The settings in its template, see `Stamps`; `None` before there was such a thing.
    pub settings_stamp: Option<String>,
    /// Size of the volumes that it makes; `None` where it makes none.
    pub claim_size: Option<Size>,
    /// Whether it is on its way out.
    pub terminating: bool,
}

/// What tells a StatefulSet from its namesakes, and from itself at another time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetIdentity {
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub version: String,
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
    let (sets, pods, others, services, budgets, policies, volumes, secrets) = futures::try_join!(
        server_sets(client, ensemble),
        list::<Pod>(client, ensemble, "list the pods"),
        other_objects(client, ensemble),
        list::<Service>(client, ensemble, "list the Services"),
        list::<PodDisruptionBudget>(client, ensemble, "list the PodDisruptionBudgets"),
        list::<NetworkPolicy>(client, ensemble, "list the NetworkPolicies"),
        volumes::volumes(client, ensemble),
        certificates(client, ensemble),
    )?;
    let mut found = Found::default();
    let (others_of_tls, certificates) = secrets;
    let others = others.into_iter().chain(others_of_tls);
    for (what, metadata) in others {
        found.note(what, metadata, ensemble);
    }
    let ours = |found: &mut Found, name: &str| {
        let set = sets
            .iter()
            .find(|set| set.metadata.name.as_deref() == Some(name));
        let what = format!("StatefulSet {name}");
        let metadata = set.map(|set| set.metadata.clone());
        let ours = found.note(what, metadata, ensemble);
        set.filter(|_| ours).cloned().map(ServerSet::from)
    };
    let voter_set = ours(&mut found, &ensemble.voter_set_name());
    let mut voters = pods_of(&pods, &ensemble.voter_set_name(), 1);
    voters.retain(|id, _| *id <= VOTER_ID_MAX);
    let mut observers = BTreeMap::new();
    for (zone, id_base) in zones(ensemble) {
        let name = ensemble.observer_set_name(&zone);
        let set = ours(&mut found, &name);
        let pods = pods_of(&pods, &name, id_base);
        observers.insert(zone, ObserverPods { set, pods });
    }
    let surplus = surplus(ensemble, &sets, &services, &budgets, &policies);
    let mut observed = Observed {
        voter_set,
        voters,
        volumes,
        observers,
        certificates,
        services: services.iter().filter_map(Reach::of).collect(),
        surplus,
        versions: found.versions,
        foreign: found.foreign,
    };
    let (zones, reports) = futures::join!(
        zones_of_nodes(client, &observed),
        ask_all(members, &observed)
    );
    let zones = zones?;
    for (id, server) in observed.servers_mut() {
        if server.zone.is_none() {
            let node = server.node.as_ref();
            server.zone = node.and_then(|node| zones.get(node).cloned());
        }
        server.report = reports.get(&id).cloned();
    }
    Ok(observed)
}

impl Observed {
    /// All pods, voters first.
    pub fn servers(&self) -> impl Iterator<Item = (u8, &ServerPod)> {
        let observers = self.observers.values().flat_map(|group| &group.pods);
        self.voters
            .iter()
            .chain(observers)
            .map(|(id, pod)| (*id, pod))
    }

    /// Whether nothing of the voters is there.
    pub fn is_new(&self) -> bool {
        self.voter_set.is_none() && self.voters.is_empty()
    }

    fn servers_mut(&mut self) -> impl Iterator<Item = (u8, &mut ServerPod)> {
        let observers = self
            .observers
            .values_mut()
            .flat_map(|group| &mut group.pods);
        self.voters
            .iter_mut()
            .chain(observers)
            .map(|(id, pod)| (*id, pod))
    }
}

/// What is in the Secrets with certificates, and the metadata of what is to be the ensemble's own of them, by
/// "Kind name".
async fn certificates(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<(Vec<(String, Option<ObjectMeta>)>, Option<Certificates>), ReconcileError> {
    if !ensemble.tls.is_on() {
        return Ok((Vec::new(), None));
    }
    Ok(match &ensemble.tls.source {
        CertificateSource::Own => {
            let secrets = certificates::look(client, ensemble).await?;
            let metadata = secrets.metadata(ensemble).into();
            (metadata, Some(secrets.certificates()))
        }
        CertificateSource::Secret(_) => {
            let given = certificates::look_at_given(client, ensemble).await?;
            (Vec::new(), Some(given))
        }
        CertificateSource::Issuer(_) => {
            let (request, issued) = certificates::look_at_issued(client, ensemble).await?;
            (vec![request], Some(issued))
        }
    })
}

/// The zones that are to have observers, and those that had some, with the first id of each.
fn zones(ensemble: &ValidatedEnsemble) -> BTreeMap<String, u8> {
    let recorded = ensemble.observers.recorded.iter();
    let recorded = recorded.map(|zone| (zone.name.clone(), zone.id_base));
    let wanted = ensemble.observers.groups.iter();
    let wanted = wanted.map(|group: &ObserverGroup| (group.zone.clone(), group.id_base));
    recorded.chain(wanted).collect()
}

/// The StatefulSets of the ensemble, and whatever has the name of one that is wanted.
async fn server_sets(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<Vec<StatefulSet>, ReconcileError> {
    let api: Api<StatefulSet> = Api::namespaced(client.clone(), &ensemble.namespace);
    let mut sets = list::<StatefulSet>(client, ensemble, "list the StatefulSets").await?;
    let groups = ensemble.observers.groups.iter();
    let groups = groups.map(|group| ensemble.observer_set_name(&group.zone));
    let names: Vec<String> = groups
        .chain([ensemble.voter_set_name()])
        .filter(|name| {
            sets.iter()
                .all(|set| set.metadata.name.as_ref() != Some(name))
        })
        .collect();
    let missing = names.iter().map(|name| api.get_opt(name));
    let others = try_join_all(missing).await.called("get a StatefulSet")?;
    sets.extend(others.into_iter().flatten());
    Ok(sets)
}

/// Everything of one kind that was made for the ensemble.
async fn list<K>(
    client: &Client,
    ensemble: &ValidatedEnsemble,
    call: &'static str,
) -> Result<Vec<K>, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &ensemble.namespace);
    let params = ListParams::default().labels(&ensemble_selector(ensemble));
    Ok(api.list(&params).await.called(call)?.items)
}

impl From<StatefulSet> for ServerSet {
    fn from(set: StatefulSet) -> Self {
        let claim_size = claim_size(&set);
        let settings_stamp = settings_stamp(&set);
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
            identity: SetIdentity {
                uid: set.metadata.uid.unwrap_or_default(),
                version: set.metadata.resource_version.unwrap_or_default(),
            },
            settings_stamp,
            claim_size,
            terminating: set.metadata.deletion_timestamp.is_some(),
        }
    }
}

fn settings_stamp(set: &StatefulSet) -> Option<String> {
    let template = set.spec.as_ref()?.template.metadata.as_ref()?;
    let annotations = template.annotations.as_ref()?;
    annotations.get(SETTINGS_ANNOTATION).cloned()
}

fn claim_size(set: &StatefulSet) -> Option<Size> {
    let claims = set.spec.as_ref()?.volume_claim_templates.as_ref()?;
    let resources = claims.first()?.spec.as_ref()?.resources.as_ref()?;
    Size::parse(resources.requests.as_ref()?.get("storage")?)
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

/// Everything but the StatefulSets, by "Kind name".
async fn other_objects(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<Vec<(String, Option<ObjectMeta>)>, ReconcileError> {
    let services = ensemble.service_names();
    let budgets = [ensemble.voter_set_name(), ensemble.observer_budget_name()];
    let config = ensemble.config_name();
    let policy = ensemble.network_policy_name();
    let (services, budgets, config, policy) = futures::try_join!(
        all::<Service>(client, ensemble, &services),
        all::<PodDisruptionBudget>(client, ensemble, &budgets),
        all::<ConfigMap>(client, ensemble, std::slice::from_ref(&config)),
        all::<NetworkPolicy>(client, ensemble, std::slice::from_ref(&policy)),
    )?;
    Ok([config, budgets, services, policy].concat())
}

/// Looks for each of these objects, by "Kind name".
async fn all<K>(
    client: &Client,
    ensemble: &ValidatedEnsemble,
    names: &[String],
) -> Result<Vec<(String, Option<ObjectMeta>)>, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let look = async |name: &String| {
        let found = metadata::<K>(client, ensemble, name).await?;
        Ok((format!("{} {name}", K::kind(&())), found))
    };
    try_join_all(names.iter().map(look)).await
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

/// Zones of the nodes that servers are bound to and whose pods do not carry the zone themselves.
async fn zones_of_nodes(
    client: &Client,
    observed: &Observed,
) -> Result<BTreeMap<String, String>, ReconcileError> {
    let nodes: BTreeSet<&String> = observed
        .servers()
        .filter(|(_, server)| server.zone.is_none())
        .filter_map(|(_, server)| server.node.as_ref())
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

/// Asks all servers that have an address, at the same time.
async fn ask_all<M: Members>(members: &M, observed: &Observed) -> BTreeMap<u8, MemberReport> {
    let asked = observed.servers().filter(|(_, server)| !server.terminating);
    let answers = join_all(asked.filter_map(|(id, server)| {
        let ip = server.ip?;
        Some(async move {
            match members.ask(ip).await {
                Ok(report) if report.server_id == id => Some((id, report)),
                Ok(report) => {
                    tracing::warn!(pod = %server.pod, id = report.server_id, "server has another id");
                    None
                }
                Err(silence) => {
                    tracing::debug!(pod = %server.pod, %silence, "server does not answer");
                    None
                }
            }
        })
    }))
    .await;
    answers.into_iter().flatten().collect()
}
