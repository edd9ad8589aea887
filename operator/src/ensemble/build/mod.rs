//! From a `ValidatedEnsemble` to the objects that run it. Pure: no clock, no cluster, no defaults
//! that the API server would have to fill in differently next time.

mod config_map;
mod fingerprint;
mod labels;
mod network_policy;
pub(super) mod pdb;
mod servers;
mod services;
mod statefulset;
mod tls;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub use config_map::{RUNTIME_KEYS, revision as settings_revision, server_line};
pub(super) use labels::metadata;
pub use labels::{
    ENSEMBLE_LABEL, MANAGED_BY_SELECTOR, ensemble_selector, observer_selector, voter_selector,
};
pub(super) use servers::DATA_VOLUME;
pub use servers::Servers;
pub(super) use statefulset::SETTINGS_ANNOTATION;
pub(super) use tls::SECURE_CLIENT;

use super::membership::Membership;
use super::validate::ValidatedEnsemble;
use crate::crd::Retention;

/// Annotation of the StatefulSet with the fingerprint of the pod template that was asked for.
pub const TEMPLATE_ANNOTATION: &str = "quorate.dev/template-fingerprint";

/// All objects of one ensemble.
#[derive(Clone, Debug)]
pub struct Resources {
    /// `zoo.cfg`.
    pub config: ConfigMap,
    /// The headless Service: a DNS name per pod, ready or not.
    pub peers: Service,
    /// The Service that clients connect to.
    pub client: Service,
    /// Keeps drains from taking two voters at once; absent for a single voter, which it would pin.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// Keeps others from the ports that are not for them, where that is wanted.
    pub network_policy: Option<NetworkPolicy>,
    /// The voters.
    pub voters: StatefulSet,
    /// Keeps drains from taking all observers at once.
    pub observer_budget: Option<PodDisruptionBudget>,
    /// The Services that clients of a zone connect to.
    pub zones: Vec<Service>,
    /// The Services of the listeners.
    pub listeners: Vec<Service>,
    /// The observers of each zone.
    pub observers: Vec<StatefulSet>,
}

/// What the StatefulSet of the voters says about their volumes.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The size of those that it makes. It cannot be changed in a StatefulSet that is there.
    pub size: Quantity,
    /// What becomes of all of them when it is deleted.
    pub when_deleted: Retention,
}

impl Claims {
    /// As the spec has it.
    pub fn wanted(ensemble: &ValidatedEnsemble) -> Self {
        Self {
            size: ensemble.storage_size.quantity().clone(),
            when_deleted: ensemble.volumes.when_deleted,
        }
    }
}

/// The settings in the templates of pods, by the name of their StatefulSet. Those that servers take while
/// they run change no template, so that the stamp stays when they change; see `plan/settings.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(pub BTreeMap<String, String>);

impl Stamps {
    /// That of these servers: where nothing else is known, the settings that are wanted.
    fn of(&self, ensemble: &ValidatedEnsemble, servers: Servers<'_>) -> String {
        let known = self.0.get(&servers.set_name(ensemble));
        known
            .cloned()
            .unwrap_or_else(|| settings_revision(ensemble))
    }
}

/// Builds every object of the ensemble: with these members, and `slots` pods of voters, whose
/// StatefulSet has these claims; the templates have these stamps.
pub fn build(
    ensemble: &ValidatedEnsemble,
    members: &Membership,
    slots: u8,
    claims: &Claims,
    stamps: &Stamps,
) -> Resources {
    let set = |servers: Servers<'_>, slots| {
        let stamp = stamps.of(ensemble, servers);
        statefulset::set(ensemble, servers, slots, claims, &stamp)
    };
    Resources {
        config: config_map::config_map(ensemble, members),
        peers: services::peers(ensemble),
        client: services::client(ensemble),
        disruption_budget: pdb::voters(ensemble, members),
        network_policy: network_policy::network_policy(ensemble),
        voters: set(Servers::Voters, slots),
        observer_budget: pdb::observers(ensemble),
        zones: ensemble
            .observers
            .groups
            .iter()
            .map(|group| services::zone(ensemble, &group.zone))
            .collect(),
        listeners: ensemble
            .listeners
            .iter()
            .map(|listener| services::listener(ensemble, listener))
            .collect(),
        observers: ensemble
            .observers
            .groups
            .iter()
            .map(|group| set(Servers::Observers(group), group.replicas))
            .collect(),
    }
}

/// Returns the fingerprint of an object.
pub(super) fn fingerprint_of(object: &impl serde::Serialize) -> String {
    fingerprint::of_json(object)
}

/// Returns the fingerprint of the pod template that `ensemble` asks for, for these servers.
pub fn template_fingerprint(
    ensemble: &ValidatedEnsemble,
    servers: Servers<'_>,
    stamps: &Stamps,
) -> String {
    let stamp = stamps.of(ensemble, servers);
    fingerprint::of_json(&statefulset::pod_template(ensemble, servers, &stamp))
}

#[cfg(test)]
mod tests;
