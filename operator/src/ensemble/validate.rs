//! From the object as it came to a `ValidatedEnsemble` that cannot be wrong further in. Pure.
//!
//! The CEL rules of the CRD refuse most mistakes at the door. What is checked here again is what
//! the rest of the pipeline relies on, so that an older CRD in the cluster cannot mislead it, and
//! what CEL cannot check cheaply.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::SignedDuration;
use kube::{Resource, ResourceExt};

use super::build::DATA_VOLUME;
use super::certificates::{CertificateSource, TlsSpec};
use super::error::ReconcileError;
use super::listeners;
use super::membership::Membership;
use super::network;
use super::observers::{ObserverGroup, ObserverSpec};
use super::windows::UpdateTimes;
use crate::crd::{
    ClientTlsMode, Formation, GIVEN_PREFIXES, Listener, NetworkAccess, OWNED_KEYS, OWNED_PREFIXES,
    Operation, PeerTlsMode, Resources, Spread, Template, Volumes, Voters, ZkEnsemble,
    ZkEnsembleSpec, ZkEnsembleStatus,
};
use crate::members::{ConfigVersion, MasterKey};
use crate::quantity::Size;

/// Longest name of an ensemble, see the rule of the CRD.
const NAME_LEN_MAX: usize = 30;

/// Longest key of `zoo.cfg`.
const KEY_LEN_MAX: usize = 128;

/// Longest name of a Secret.
const SECRET_NAME_LEN_MAX: usize = 253;

/// Annotation of the ensemble: whenever its text changes, every server is restarted, one at a time.
pub const RESTARTED_AT_ANNOTATION: &str = "quorate.dev/restartedAt";

/// Highest id of a voter: ids of observers begin above.
pub const VOTER_ID_MAX: u8 = 31;

/// Settings of the operator itself that end up in objects.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// What the credential for each ensemble follows from.
    pub key: MasterKey,
    /// Server image for ensembles that name none.
    pub server_image: String,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
    /// The namespace that operators run in.
    pub operator_namespace: String,
}

/// An ensemble whose every field is known to be usable.
#[derive(Clone, Debug)]
pub struct ValidatedEnsemble {
    /// Name of the object, the root of all other names.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its generation.
    pub generation: Option<i64>,
    /// The reference that makes objects belong to it.
    pub owner: OwnerReference,
    /// Identity that the servers keep on disk.
    pub ensemble_id: String,
    /// Container image of the servers.
    pub image: String,
    /// What the servers know the operator by: the value of `quorate.operatorDigest`.
    pub operator_digest: String,
    /// Whether nothing may be changed.
    pub suspend: bool,
    /// What a person wrote to have every server restarted; another text does it again.
    pub restarted_at: Option<String>,
    /// Number of voters that is wanted: 1, 3, 5 or 7.
    pub replicas: u8,
    /// How long a voter may be unavailable before another one stands in for it, s; `None` for ever.
    pub replace_after_s: Option<i64>,
    /// How the ensemble begins or began; the spec has a say in it only before its first object.
    pub formation: Formation,
    /// What was being done in an earlier look.
    pub operation: Option<Operation>,
    /// The members that were seen last, in an earlier look.
    pub recorded: Option<Membership>,
    /// Size of a voter's volume.
    pub storage_size: Size,
    /// Class of the volumes; `None` for the cluster's default.
    pub storage_class: Option<String>,
    /// CPU and memory of a voter.
    pub resources: Option<ResourceRequirements>,
    /// How strictly voters are spread.
    pub spread: Spread,
    /// Additions to the pods of voters.
    pub template: Template,
    /// The observers.
    pub observers: ObserverSpec,
    /// What TLS is wanted.
    pub tls: TlsSpec,
    /// Further Services for clients.
    pub listeners: Vec<Listener>,
    /// When servers that work may be restarted.
    pub updates: UpdateTimes,
    /// What becomes of volumes that are not used any more.
    pub volumes: Volumes,
    /// Settings of the user.
    pub config: BTreeMap<String, String>,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
    /// The namespace that operators run in.
    pub operator_namespace: String,
    /// Who may reach the servers; `None` where everybody may.
    pub network: Option<NetworkAccess>,
}

/// Why a spec cannot be carried out; shown in the Degraded condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// Too long or not a DNS label.
    #[error("metadata.name {0:?} must be 1 to 30 characters of a-z, 0-9 and '-', a letter first")]
    Name(String),
    /// Not an allowed number of voters.
    #[error("voters.replicas is {0}; set 1, 3, 5 or 7")]
    Replicas(i32),
    /// Not a time that voters may be unavailable for.
    #[error("voters.replaceUnavailableAfter is {0:?}; set a time from 1m to 720h, such as 15m")]
    ReplaceAfter(String),
    /// Not a window for restarts.
    #[error(
        "updates.windows cannot have one from {0:?} for {1:?}; write for example start 02:30 and a \
         duration from 10m to 24h, such as 2h"
    )]
    UpdateWindow(String, String),
    /// Not a size.
    #[error("voters.storage.size is {0:?}; write a number with a unit, such as 10Gi")]
    StorageSize(String),
    /// Not a number of observers that these zones can have.
    #[error(
        "observers.replicas is {0}; set a number that is not below the minReplicas of all zones \
         together, and at most 31 for each zone"
    )]
    ObserverReplicas(i32),
    /// A zone that cannot have observers.
    #[error(
        "observers.zones cannot have {0:?}: each zone may be named once, with minReplicas from 0 to 31, \
         and there are ids for 7 zones; remove it, or remove another zone and wait until its pods are gone"
    )]
    ObserverZone(String),
    /// A name of a Secret that cannot be, or that the operator uses itself.
    #[error(
        "tls.secretName {0:?} must be the name of a Secret that is not one of the operator's own for \
         this ensemble; give it another name, or remove tls.secretName"
    )]
    SecretName(String),
    /// A listener that cannot be.
    #[error("listener {0:?} cannot be: {1}")]
    Listener(String, &'static str),
    /// A record of the status that only a person can have changed.
    #[error("status.{0} is not what the operator wrote; restore it from a backup of this object")]
    Record(&'static str),
    /// Not a key of a settings file.
    #[error("config key {0:?} must be letters, digits, '.', '_' and '-', at most 128; rename it")]
    ConfigKey(String),
    /// A key that belongs to the operator.
    #[error("config key {0:?} is written by the operator; remove it")]
    ConfigKeyOwned(String),
    /// Not the key of a label.
    #[error(
        "networkPolicy chooses by the label {0:?}, which nothing can have: a key is letters, digits, '.', \
         '_' and '-', at most 63, with a domain and '/' before it or not; correct it"
    )]
    LabelKey(String),
    /// A value with a line break.
    #[error("the value of config key {0:?} has a line break; make it one line")]
    ConfigValue(String),
}

impl ValidatedEnsemble {
    /// Ids of the voters that are wanted.
    pub fn wanted(&self) -> BTreeSet<u8> {
        (1..=self.replicas).collect()
    }

    /// Number of voters that the ensemble had when it was last seen.
    pub fn members(&self) -> usize {
        let recorded = self.recorded.as_ref();
        recorded.map_or(usize::from(self.formation.voters), |m| m.voters.len())
    }

    /// The members that an ensemble begins with, before any change.
    pub fn founders(&self) -> Membership {
        Membership {
            version: ConfigVersion::default(),
            voters: (1..=self.formation.voters).collect(),
            lines: Vec::new(),
        }
    }

    /// Name of the pod of a voter: its id is its ordinal plus one.
    pub fn pod_of(&self, server_id: u8) -> String {
        format!("{}-{}", self.voter_set_name(), server_id.saturating_sub(1))
    }

    /// The DNS name of that pod, by which the servers find each other.
    pub fn host_of(&self, pod: &str) -> String {
        format!("{pod}.{}", self.service_host(&self.peers_name()))
    }

    /// The whole DNS name of a Service.
    pub fn service_host(&self, service: &str) -> String {
        let (namespace, domain) = (&self.namespace, &self.cluster_domain);
        format!("{service}.{namespace}.svc.{domain}")
    }

    /// Name of the voters' StatefulSet.
    pub fn voter_set_name(&self) -> String {
        format!("{}-voter", self.name)
    }

    /// Name of the StatefulSet of the observers in a zone, and of the Service for clients there.
    pub fn observer_set_name(&self, zone: &str) -> String {
        format!("{}-observer-{zone}", self.name)
    }

    /// Name of the pod of an observer.
    pub fn observer_pod(&self, group: &ObserverGroup, server_id: u8) -> String {
        let ordinal = server_id.saturating_sub(group.id_base);
        format!("{}-{ordinal}", self.observer_set_name(&group.zone))
    }

    /// Name of the PodDisruptionBudget of the observers.
    pub fn observer_budget_name(&self) -> String {
        format!("{}-observer", self.name)
    }

    /// Name of the headless Service that gives each pod its DNS name.
    pub fn peers_name(&self) -> String {
        format!("{}-peers", self.name)
    }

    /// Name of the Service for clients.
    pub fn client_name(&self) -> String {
        format!("{}-client", self.name)
    }

    /// Name of the Service of a listener.
    pub fn listener_name(&self, listener: &Listener) -> String {
        format!("{}-listener-{}", self.name, listener.name)
    }

    /// Names of all Services that are wanted.
    pub fn service_names(&self) -> Vec<String> {
        let zones = self.observers.groups.iter();
        let zones = zones.map(|group| self.observer_set_name(&group.zone));
        let listeners = self.listeners.iter();
        zones
            .chain(listeners.map(|listener| self.listener_name(listener)))
            .chain([self.peers_name(), self.client_name()])
            .collect()
    }

    /// Name of the claim of a voter's volume.
    pub fn claim_of(&self, server_id: u8) -> String {
        format!("{DATA_VOLUME}-{}", self.pod_of(server_id))
    }

    /// Name of the NetworkPolicy around all servers.
    pub fn network_policy_name(&self) -> String {
        format!("{}-servers", self.name)
    }

    /// Name of the Secret with the certificate of the servers.
    pub fn tls_secret_name(&self) -> String {
        match &self.tls.source {
            CertificateSource::Own => format!("{}-tls", self.name),
            CertificateSource::Secret(name) => name.clone(),
            CertificateSource::Issuer(_) => format!("{}-tls-issued", self.name),
        }
    }

    /// Name of the Secret with the operator's own authority for the ensemble.
    pub fn authority_secret_name(&self) -> String {
        format!("{}-ca", self.name)
    }

    /// Whether clients are asked for certificates: they are not, unless the settings say so.
    pub fn asks_clients(&self) -> bool {
        let setting = self.config.get("ssl.clientAuth");
        self.tls.client != ClientTlsMode::Disabled
            && setting.is_some_and(|value| !value.trim().eq_ignore_ascii_case("none"))
    }

    /// Whether the servers have to know authorities that sign the certificates of others.
    pub fn needs_authorities(&self) -> bool {
        self.tls.peer != PeerTlsMode::Disabled || self.asks_clients()
    }

    /// Name of the ConfigMap with `zoo.cfg`.
    pub fn config_name(&self) -> String {
        format!("{}-config", self.name)
    }
}

/// Turns the object into a `ValidatedEnsemble`, or says what a person has to change.
///
/// # Errors
///
/// The outer error when the object lacks what the API server sets on every object.
pub fn validate(
    object: &ZkEnsemble,
    defaults: &Defaults,
) -> Result<Result<ValidatedEnsemble, InvalidSpec>, ReconcileError> {
    let name = object
        .metadata
        .name
        .clone()
        .ok_or(ReconcileError::Incomplete("name"))?;
    let namespace = object
        .metadata
        .namespace
        .clone()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    let uid = object
        .metadata
        .uid
        .clone()
        .ok_or(ReconcileError::Incomplete("uid"))?;
    let owner_uid = uid.clone();
    let owner = object
        .controller_owner_ref(&())
        .ok_or(ReconcileError::Incomplete("uid"))?;
    let latched = object
        .status
        .as_ref()
        .and_then(|status| status.ensemble_id.clone());
    let spec = &object.spec;
    let checked = check(&name, spec, object.status.as_ref());
    let restarted_at = object.annotations().get(RESTARTED_AT_ANNOTATION).cloned();
    Ok(checked.map(|checked| ValidatedEnsemble {
        name,
        namespace,
        generation: object.metadata.generation,
        owner,
        ensemble_id: latched.unwrap_or(uid),
        image: spec
            .image
            .clone()
            .unwrap_or_else(|| defaults.server_image.clone()),
        operator_digest: defaults
            .key
            .credential(&owner_uid)
            .digest(digest_algorithm(&spec.config)),
        suspend: spec.suspend,
        restarted_at,
        replicas: checked.replicas,
        replace_after_s: checked.replace_after_s,
        formation: checked.formation,
        operation: object
            .status
            .as_ref()
            .and_then(|status| status.operation.clone()),
        recorded: checked.recorded,
        storage_size: checked.storage_size,
        storage_class: spec.voters.storage.storage_class_name.clone(),
        resources: spec.voters.resources.as_ref().map(requirements),
        spread: spec.voters.spread,
        template: spec.voters.template.clone().unwrap_or_default(),
        observers: checked.observers,
        tls: checked.tls,
        listeners: checked.listeners,
        updates: checked.updates,
        volumes: spec.volumes.clone().unwrap_or_default(),
        config: spec.config.clone(),
        cluster_domain: defaults.cluster_domain.clone(),
        operator_namespace: defaults.operator_namespace.clone(),
        network: checked.network,
    }))
}

/// What of the spec and the status had to be looked at more closely.
struct Checked {
    replicas: u8,
    replace_after_s: Option<i64>,
    formation: Formation,
    recorded: Option<Membership>,
    storage_size: Size,
    observers: ObserverSpec,
    tls: TlsSpec,
    listeners: Vec<Listener>,
    updates: UpdateTimes,
    network: Option<NetworkAccess>,
}

fn check(
    name: &str,
    spec: &ZkEnsembleSpec,
    status: Option<&ZkEnsembleStatus>,
) -> Result<Checked, InvalidSpec> {
    check_name(name)?;
    check_config(&spec.config)?;
    let tls = spec.tls.as_ref().map(TlsSpec::from).unwrap_or_default();
    check_secret_name(name, &tls)?;
    let replicas = parse_replicas(spec.voters.replicas)?;
    Ok(Checked {
        replicas,
        replace_after_s: parse_replace_after(&spec.voters)?,
        formation: read_formation(replicas, status)?,
        recorded: read_membership(status)?,
        storage_size: parse_size(&spec.voters.storage.size)?,
        observers: ObserverSpec::read(spec.observers.as_ref(), status)?,
        listeners: listeners::read(&spec.listeners, &tls)?,
        tls,
        updates: UpdateTimes::read(spec.updates.as_ref())?,
        network: network::read(spec.network_policy.as_ref())?,
    })
}

fn parse_replicas(replicas: i32) -> Result<u8, InvalidSpec> {
    match replicas {
        1 => Ok(1),
        3 => Ok(3),
        5 => Ok(5),
        7 => Ok(7),
        other => Err(InvalidSpec::Replicas(other)),
    }
}

/// Bounds of the time that voters may be unavailable for, s: a restart is no loss.
const REPLACE_AFTER_S: std::ops::RangeInclusive<i64> = 60..=720 * 3600;

fn parse_replace_after(voters: &Voters) -> Result<Option<i64>, InvalidSpec> {
    let Some(text) = &voters.replace_unavailable_after else {
        return Ok(None);
    };
    let time: Option<SignedDuration> = text.parse().ok();
    let seconds = time.map(|time| time.as_secs());
    match seconds.filter(|seconds| REPLACE_AFTER_S.contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(InvalidSpec::ReplaceAfter(text.clone())),
    }
}

fn parse_size(size: &str) -> Result<Size, InvalidSpec> {
    Size::parse(&Quantity(size.to_owned())).ok_or_else(|| InvalidSpec::StorageSize(size.to_owned()))
}

pub(super) fn requirements(resources: &Resources) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(resources.requests.clone()),
        limits: Some(resources.limits.clone()),
        ..ResourceRequirements::default()
    }
}

/// What the servers compute digests with.
fn digest_algorithm(config: &BTreeMap<String, String>) -> Option<&str> {
    let keys = [
        "DigestAuthenticationProvider.digestAlg",
        "zookeeper.DigestAuthenticationProvider.digestAlg",
    ];
    keys.iter()
        .find_map(|key| config.get(*key))
        .map(String::as_str)
}

/// How the ensemble began, as it was recorded before its first object was made.
fn read_formation(wanted: u8, status: Option<&ZkEnsembleStatus>) -> Result<Formation, InvalidSpec> {
    match status.and_then(|status| status.formation.clone()) {
        None => Ok(Formation {
            voters: wanted,
            complete: false,
        }),
        Some(formation) if matches!(formation.voters, 1 | 3 | 5 | 7) => Ok(formation),
        Some(_) => Err(InvalidSpec::Record("formation")),
    }
}

fn read_membership(status: Option<&ZkEnsembleStatus>) -> Result<Option<Membership>, InvalidSpec> {
    let recorded = status.and_then(|status| status.membership.as_ref());
    let read = |record| Membership::from_record(record).ok_or(InvalidSpec::Record("membership"));
    recorded.map(read).transpose()
}

fn check_name(name: &str) -> Result<(), InvalidSpec> {
    if is_label(name, NAME_LEN_MAX) {
        Ok(())
    } else {
        Err(InvalidSpec::Name(name.to_owned()))
    }
}

/// Whether a text can begin or end the name of a Service: a label of DNS, a letter first.
pub(super) fn is_label(text: &str, len_max: usize) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.len() <= len_max
        && text.bytes().all(plain)
}

fn check_secret_name(name: &str, tls: &TlsSpec) -> Result<(), InvalidSpec> {
    let CertificateSource::Secret(secret) = &tls.source else {
        return Ok(());
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let own = ["tls", "ca", "tls-issued"]
        .iter()
        .any(|tail| *secret == format!("{name}-{tail}"));
    if own || secret.is_empty() || secret.len() > SECRET_NAME_LEN_MAX || !secret.bytes().all(plain)
    {
        return Err(InvalidSpec::SecretName(secret.clone()));
    }
    Ok(())
}

fn check_config(config: &BTreeMap<String, String>) -> Result<(), InvalidSpec> {
    for (key, value) in config {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if key.is_empty() || key.len() > KEY_LEN_MAX || !key.bytes().all(plain) {
            return Err(InvalidSpec::ConfigKey(key.clone()));
        }
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
        let is_owned = OWNED_KEYS.contains(&key.as_str()) || starts(&OWNED_PREFIXES);
        if is_owned && !starts(&GIVEN_PREFIXES) {
            return Err(InvalidSpec::ConfigKeyOwned(key.clone()));
        }
        if value.contains(['\n', '\r']) {
            return Err(InvalidSpec::ConfigValue(key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
