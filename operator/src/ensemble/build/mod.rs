//! From a `ValidatedEnsemble` to the objects that run it. Pure: no clock, no cluster, no defaults
//! that the API server would have to fill in differently next time.

mod config_map;
mod fingerprint;
mod labels;
pub(super) mod pdb;
mod servers;
mod services;
mod statefulset;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

pub use config_map::server_line;
pub use labels::{ENSEMBLE_LABEL, MANAGED_BY_SELECTOR, ensemble_selector, observer_selector};
pub use servers::Servers;

use super::membership::Membership;
use super::validate::ValidatedEnsemble;

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
    /// The voters.
    pub voters: StatefulSet,
    /// Keeps drains from taking all observers at once.
    pub observer_budget: Option<PodDisruptionBudget>,
    /// The Services that clients of a zone connect to.
    pub zones: Vec<Service>,
    /// The observers of each zone.
    pub observers: Vec<StatefulSet>,
}

/// Builds every object of the ensemble: with these members, and `slots` pods of voters.
pub fn build(ensemble: &ValidatedEnsemble, members: &Membership, slots: u8) -> Resources {
    Resources {
        config: config_map::config_map(ensemble, members),
        peers: services::peers(ensemble),
        client: services::client(ensemble),
        disruption_budget: pdb::voters(ensemble, members),
        voters: statefulset::set(ensemble, Servers::Voters, slots),
        observer_budget: pdb::observers(ensemble),
        zones: ensemble
            .observers
            .groups
            .iter()
            .map(|group| services::zone(ensemble, &group.zone))
            .collect(),
        observers: ensemble
            .observers
            .groups
            .iter()
            .map(|group| statefulset::set(ensemble, Servers::Observers(group), group.replicas))
            .collect(),
    }
}

/// Returns the fingerprint of an object.
pub(super) fn fingerprint_of(object: &impl serde::Serialize) -> String {
    fingerprint::of_json(object)
}

/// Returns the fingerprint of the pod template that `ensemble` asks for, for these servers.
pub fn template_fingerprint(ensemble: &ValidatedEnsemble, servers: Servers<'_>) -> String {
    fingerprint::of_json(&statefulset::pod_template(ensemble, servers))
}

#[cfg(test)]
mod tests;
