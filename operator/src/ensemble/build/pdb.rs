//! The PodDisruptionBudget: a drain may take one voter at a time. The operator itself asks its own
//! planner, not the budget.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels;
use crate::ensemble::membership::Membership;
use crate::ensemble::validate::ValidatedEnsemble;

/// Returns `None` for a single voter: any budget would either say nothing or block drains for ever.
/// Where there will be more, it is there from the beginning.
pub(super) fn disruption_budget(
    ensemble: &ValidatedEnsemble,
    members: &Membership,
) -> Option<PodDisruptionBudget> {
    if ensemble.replicas == 1 && members.voters.len() == 1 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: labels::metadata(ensemble, ensemble.voter_set_name()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(labels::voter_match(ensemble)),
                ..LabelSelector::default()
            }),
            // A voter that is unready in an election must not be evicted as if it did not count.
            unhealthy_pod_eviction_policy: Some("IfHealthyBudget".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
