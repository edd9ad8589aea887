//! From a `ValidatedEnsemble` to the objects that run it. Pure: no clock, no cluster, no defaults
//! that the API server would have to fill in differently next time.

mod config_map;
mod fingerprint;
mod labels;
mod pdb;
mod services;
mod statefulset;

use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

pub use config_map::server_line;
pub use labels::{ENSEMBLE_LABEL, MANAGED_BY_SELECTOR, voter_selector};

use super::membership::Membership;
use super::validate::ValidatedEnsemble;

/// Annotation of the StatefulSet with the fingerprint of the pod template that was asked for.
pub const TEMPLATE_ANNOTATION: &str = "quorate.dev/template-fingerprint";

/// State of `Resources`: built, not sent.
#[derive(Clone, Copy, Debug)]
pub struct Prepared;

/// State of `Resources`: as the API server returned them.
#[derive(Clone, Copy, Debug)]
pub struct Applied;

/// All objects of one ensemble. Status is computed from `Resources<Applied>` alone, and only the
/// apply stage makes those.
#[derive(Clone, Debug)]
pub struct Resources<State> {
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
    pub(in crate::ensemble) state: PhantomData<State>,
}

impl Resources<Applied> {
    /// Number of pods of voters that there are.
    pub fn slots(&self) -> i32 {
        let status = self.voters.status.as_ref();
        status.map_or(0, |status| status.replicas)
    }

    /// For the apply stage only: objects as they came back.
    pub(super) fn applied(
        config: ConfigMap,
        peers: Service,
        client: Service,
        disruption_budget: Option<PodDisruptionBudget>,
        voters: StatefulSet,
    ) -> Self {
        Self {
            config,
            peers,
            client,
            disruption_budget,
            voters,
            state: PhantomData,
        }
    }
}

/// Builds every object of the ensemble: with these members, and `slots` pods of voters.
pub fn build(ensemble: &ValidatedEnsemble, members: &Membership, slots: u8) -> Resources<Prepared> {
    Resources {
        config: config_map::config_map(ensemble, members),
        peers: services::peers(ensemble),
        client: services::client(ensemble),
        disruption_budget: pdb::disruption_budget(ensemble, members),
        voters: statefulset::voters(ensemble, slots),
        state: PhantomData,
    }
}

/// Returns the fingerprint of the pod template that `ensemble` asks for.
pub fn template_fingerprint(ensemble: &ValidatedEnsemble) -> String {
    fingerprint::of_json(&statefulset::pod_template(ensemble))
}

#[cfg(test)]
mod tests;
