//! The PodDisruptionBudgets: a drain may take one voter at a time, and a part of the observers. The
//! operator itself asks its own planner, not the budgets.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{self, Role};
use crate::ensemble::membership::Membership;
use crate::ensemble::validate::ValidatedEnsemble;

/// Of the observers, as many may be away as a rollout may restart at once.
const OBSERVERS_AWAY_MAX: &str = "25%";

/// Whether voters have a budget, where `members` of them are in the config: not for a single one, where
/// any budget would either say nothing or block drains for ever. Where there will be more, it is there
/// from the beginning.
pub(in crate::ensemble) fn for_voters(ensemble: &ValidatedEnsemble, members: usize) -> bool {
    ensemble.replicas > 1 || members > 1
}

/// Returns the budget of the voters, where they have one.
pub(super) fn voters(
    ensemble: &ValidatedEnsemble,
    members: &Membership,
) -> Option<PodDisruptionBudget> {
    for_voters(ensemble, members.voters.len()).then(|| {
        let away = IntOrString::Int(1);
        budget(ensemble, ensemble.voter_set_name(), Role::Voter, away)
    })
}

/// Returns the budget of all observers together, where there are some.
pub(super) fn observers(ensemble: &ValidatedEnsemble) -> Option<PodDisruptionBudget> {
    (!ensemble.observers.groups.is_empty()).then(|| {
        let away = IntOrString::String(OBSERVERS_AWAY_MAX.to_owned());
        let name = ensemble.observer_budget_name();
        budget(ensemble, name, Role::Observer, away)
    })
}

fn budget(
    ensemble: &ValidatedEnsemble,
    name: String,
    role: Role,
    away: IntOrString,
) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: labels::metadata(ensemble, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(away),
            selector: Some(LabelSelector {
                match_labels: Some(labels::selected(ensemble, role, None)),
                ..LabelSelector::default()
            }),
            // A server that is unready in an election must not be evicted as if it did not count.
            unhealthy_pod_eviction_policy: Some("IfHealthyBudget".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
