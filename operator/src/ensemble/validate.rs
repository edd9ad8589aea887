//! From the object as it came to a `ValidatedEnsemble` that cannot be wrong further in. Pure.
//!
//! The CEL rules of the CRD refuse most mistakes at the door. What is checked here again is what
//! the rest of the pipeline relies on, so that an older CRD in the cluster cannot mislead it, and
//! what CEL cannot check cheaply.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use super::error::ReconcileError;
use crate::crd::{OWNED_KEYS, OWNED_PREFIXES, ZkEnsemble};

/// Longest name of an ensemble, see the rule of the CRD.
const NAME_LEN_MAX: usize = 30;

/// Longest key of `zoo.cfg`.
const KEY_LEN_MAX: usize = 128;

/// Settings of the operator itself that end up in objects.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Server image for ensembles that name none.
    pub server_image: String,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
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
    /// Number of voters: 1, 3, 5 or 7.
    pub replicas: u8,
    /// Size of a voter's volume.
    pub storage_size: Quantity,
    /// Class of the volumes; `None` for the cluster's default.
    pub storage_class: Option<String>,
    /// CPU and memory of a voter.
    pub resources: Option<ResourceRequirements>,
    /// Settings of the user.
    pub config: BTreeMap<String, String>,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
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
    /// Not the number of voters that the ensemble was made with.
    #[error("voters.replicas is {wanted} but the ensemble was made with {made}; set it back")]
    ReplicasChanged {
        /// In the spec.
        wanted: u8,
        /// In the status, where it was noted when the ensemble was made.
        made: i32,
    },
    /// Not a key of a settings file.
    #[error("config key {0:?} must be letters, digits, '.', '_' and '-', at most 128; rename it")]
    ConfigKey(String),
    /// A key that belongs to the operator.
    #[error("config key {0:?} is written by the operator; remove it")]
    ConfigKeyOwned(String),
    /// A value with a line break.
    #[error("the value of config key {0:?} has a line break; make it one line")]
    ConfigValue(String),
}

impl ValidatedEnsemble {
    /// Voters that make a quorum.
    pub fn quorum(&self) -> usize {
        usize::from(self.replicas) / 2 + 1
    }

    /// Ids of the servers with their pods, in order.
    pub fn servers(&self) -> impl Iterator<Item = (u8, String)> + '_ {
        (0..self.replicas)
            .map(|ordinal| (ordinal + 1, format!("{}-{ordinal}", self.voter_set_name())))
    }

    /// Name of the voters' StatefulSet.
    pub fn voter_set_name(&self) -> String {
        format!("{}-voter", self.name)
    }

    /// Name of the headless Service that gives each pod its DNS name.
    pub fn peers_name(&self) -> String {
        format!("{}-peers", self.name)
    }

    /// Name of the Service for clients.
    pub fn client_name(&self) -> String {
        format!("{}-client", self.name)
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
    let owner = object
        .controller_owner_ref(&())
        .ok_or(ReconcileError::Incomplete("uid"))?;
    let latched = object
        .status
        .as_ref()
        .and_then(|status| status.ensemble_id.clone());
    let spec = &object.spec;
    let checked = check_name(&name)
        .and_then(|()| check_config(&spec.config))
        .and_then(|()| parse_replicas(spec.voters.replicas))
        .and_then(|replicas| check_made(replicas, object));
    Ok(checked.map(|replicas| ValidatedEnsemble {
        name,
        namespace,
        generation: object.metadata.generation,
        owner,
        ensemble_id: latched.unwrap_or(uid),
        image: spec
            .image
            .clone()
            .unwrap_or_else(|| defaults.server_image.clone()),
        replicas,
        storage_size: Quantity(spec.voters.storage.size.clone()),
        storage_class: spec.voters.storage.storage_class_name.clone(),
        resources: spec
            .voters
            .resources
            .as_ref()
            .map(|resources| ResourceRequirements {
                requests: Some(resources.requests.clone()),
                limits: Some(resources.limits.clone()),
                ..ResourceRequirements::default()
            }),
        config: spec.config.clone(),
        cluster_domain: defaults.cluster_domain.clone(),
    }))
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

/// Membership cannot change yet, and must not change by accident: a StatefulSet of another size
/// than the servers' own list is an ensemble at odds with itself.
fn check_made(wanted: u8, object: &ZkEnsemble) -> Result<u8, InvalidSpec> {
    let counts = object
        .status
        .as_ref()
        .and_then(|status| status.voters.as_ref());
    match counts.map(|counts| counts.desired) {
        Some(made) if made != i32::from(wanted) => {
            Err(InvalidSpec::ReplicasChanged { wanted, made })
        }
        Some(_) | None => Ok(wanted),
    }
}

fn check_name(name: &str) -> Result<(), InvalidSpec> {
    let label = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if label && starts && !name.ends_with('-') && name.len() <= NAME_LEN_MAX {
        Ok(())
    } else {
        Err(InvalidSpec::Name(name.to_owned()))
    }
}

fn check_config(config: &BTreeMap<String, String>) -> Result<(), InvalidSpec> {
    for (key, value) in config {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if key.is_empty() || key.len() > KEY_LEN_MAX || !key.bytes().all(plain) {
            return Err(InvalidSpec::ConfigKey(key.clone()));
        }
        if OWNED_KEYS.contains(&key.as_str())
            || OWNED_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        {
            return Err(InvalidSpec::ConfigKeyOwned(key.clone()));
        }
        if value.contains(['\n', '\r']) {
            return Err(InvalidSpec::ConfigValue(key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::VoterCounts;
    use crate::fixtures::{defaults, ensemble};

    #[track_caller]
    fn check(change: impl FnOnce(&mut ZkEnsemble), expected: Result<(), InvalidSpec>) {
        let mut object = ensemble(3);
        change(&mut object);
        assert_eq!(
            validate(&object, &defaults()).unwrap().map(|_| ()),
            expected
        );
    }

    #[test]
    fn usable_specs_pass_and_others_name_the_field() {
        let with = |key: &'static str, value: &'static str| {
            move |object: &mut ZkEnsemble| {
                object.spec.config.insert(key.to_owned(), value.to_owned());
            }
        };
        check(|_| {}, Ok(()));
        check(with("maxClientCnxns", "200"), Ok(()));
        check(
            |o| o.spec.voters.replicas = 2,
            Err(InvalidSpec::Replicas(2)),
        );
        check(
            |o| o.spec.voters.replicas = -1,
            Err(InvalidSpec::Replicas(-1)),
        );
        let long = "a".repeat(31);
        check(
            |o| o.metadata.name = Some(long.clone()),
            Err(InvalidSpec::Name(long.clone())),
        );
        check(
            |o| o.metadata.name = Some("a.b".into()),
            Err(InvalidSpec::Name("a.b".into())),
        );
        check(
            with("dataDir", "/x"),
            Err(InvalidSpec::ConfigKeyOwned("dataDir".into())),
        );
        check(
            with("server.9", "x"),
            Err(InvalidSpec::ConfigKeyOwned("server.9".into())),
        );
        check(with("a b", "1"), Err(InvalidSpec::ConfigKey("a b".into())));
        check(
            with("a", "1\nb=2"),
            Err(InvalidSpec::ConfigValue("a".into())),
        );
    }

    #[test]
    fn number_of_voters_stays_as_it_was_made() {
        let mut object = ensemble(5);
        object.status.as_mut().unwrap().voters = Some(VoterCounts {
            desired: 3,
            ..VoterCounts::default()
        });
        let found = validate(&object, &defaults()).unwrap().map(|_| ());
        assert_eq!(
            found,
            Err(InvalidSpec::ReplicasChanged { wanted: 5, made: 3 })
        );
    }

    #[test]
    fn identity_is_the_uid_until_status_has_latched_another() {
        let mut object = ensemble(3);
        let fresh = validate(&object, &defaults()).unwrap().unwrap();
        assert_eq!(fresh.ensemble_id, "uid-of-demo");
        object.status.as_mut().unwrap().ensemble_id = Some("restored".to_owned());
        assert_eq!(
            validate(&object, &defaults()).unwrap().unwrap().ensemble_id,
            "restored"
        );
    }

    #[test]
    fn a_majority_is_a_quorum() {
        for (replicas, quorum) in [(1, 1), (3, 2), (5, 3), (7, 4)] {
            let valid = validate(&ensemble(replicas), &defaults()).unwrap().unwrap();
            assert_eq!(valid.quorum(), quorum);
        }
    }
}
