//! What is there of an ensemble and not wanted any more.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::is_ours;
use crate::ensemble::build::pdb;
use crate::ensemble::validate::ValidatedEnsemble;

/// An object that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surplus {
    /// Its kind.
    pub kind: SurplusKind,
    /// Its name.
    pub name: String,
    /// Its uid, the precondition of the deletion.
    pub uid: String,
}

/// Kinds of objects that an ensemble may need no more while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurplusKind {
    /// Of observers in a zone.
    StatefulSet,
    /// For clients in a zone, or of a listener.
    Service,
    /// Of voters or of observers.
    PodDisruptionBudget,
    /// Around all servers.
    NetworkPolicy,
}

/// What is there of the ensemble and not wanted: of zones without observers and listeners that went, budgets that would pin a
/// single voter, and a policy that was switched off.
pub(super) fn surplus(
    ensemble: &ValidatedEnsemble,
    sets: &[StatefulSet],
    services: &[Service],
    budgets: &[PodDisruptionBudget],
    policies: &[NetworkPolicy],
) -> Vec<Surplus> {
    let groups = ensemble.observers.groups.iter();
    let zones: Vec<String> = groups
        .map(|group| ensemble.observer_set_name(&group.zone))
        .collect();
    let to_go = |kind, metadata: &ObjectMeta, wanted: &[String]| {
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        let goes = is_ours(metadata, ensemble)
            && metadata.deletion_timestamp.is_none()
            && !wanted.contains(&name);
        goes.then_some(Surplus { kind, name, uid })
    };
    let mut wanted = zones;
    wanted.push(ensemble.voter_set_name());
    let services_wanted = ensemble.service_names();

    let mut budgets_wanted = Vec::new();
    if pdb::for_voters(ensemble, ensemble.members()) {
        budgets_wanted.push(ensemble.voter_set_name());
    }
    if !ensemble.observers.groups.is_empty() {
        budgets_wanted.push(ensemble.observer_budget_name());
    }
    let sets = sets
        .iter()
        .filter_map(|set| to_go(SurplusKind::StatefulSet, &set.metadata, &wanted));
    let services = services
        .iter()
        .filter_map(|service| to_go(SurplusKind::Service, &service.metadata, &services_wanted));
    let budgets = budgets.iter().filter_map(|budget| {
        to_go(
            SurplusKind::PodDisruptionBudget,
            &budget.metadata,
            &budgets_wanted,
        )
    });
    let policy_wanted: Vec<String> = ensemble
        .network
        .iter()
        .map(|_| ensemble.network_policy_name())
        .collect();
    let policies = policies
        .iter()
        .filter_map(|policy| to_go(SurplusKind::NetworkPolicy, &policy.metadata, &policy_wanted));
    sets.chain(services)
        .chain(budgets)
        .chain(policies)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::observers::ObserverSpec;
    use crate::fixtures::{valid, valid_with_observers};

    #[test]
    fn surplus_is_what_no_zone_needs_and_nothing_of_the_voters() {
        let ensemble = valid_with_observers(3);
        let named = |name: &str, ours: bool| ObjectMeta {
            name: Some(name.to_owned()),
            uid: Some(format!("uid-of-{name}")),
            owner_references: ours.then(|| vec![ensemble.owner.clone()]),
            ..ObjectMeta::default()
        };
        let sets = ["demo-voter", "demo-observer-a", "demo-observer-z"].map(|name| StatefulSet {
            metadata: named(name, true),
            ..StatefulSet::default()
        });
        let services = [
            ("demo-peers", true),
            ("demo-client", true),
            ("demo-observer-b", true),
            ("demo-observer-y", true),
            ("demo-observer-x", false),
        ]
        .map(|(name, ours)| Service {
            metadata: named(name, ours),
            ..Service::default()
        });
        let budgets = ["demo-voter", "demo-observer"].map(|name| PodDisruptionBudget {
            metadata: named(name, true),
            ..PodDisruptionBudget::default()
        });
        let names = |ensemble: &ValidatedEnsemble| -> Vec<String> {
            let surplus = surplus(ensemble, &sets, &services, &budgets, &[]);
            surplus.into_iter().map(|object| object.name).collect()
        };
        assert_eq!(names(&ensemble), ["demo-observer-z", "demo-observer-y"]);
        let single = ValidatedEnsemble {
            observers: ObserverSpec::default(),
            ..valid(1)
        };
        let all = names(&single);
        assert!(
            all.contains(&"demo-voter".to_owned()),
            "its budget: {all:?}"
        );
        assert_eq!(
            surplus(&single, &sets, &[], &[], &[])
                .iter()
                .filter(|object| object.name == "demo-voter")
                .count(),
            0,
            "and not its StatefulSet"
        );
    }

    #[test]
    fn a_policy_goes_when_it_is_switched_off_and_only_ours() {
        let mut ensemble = valid(3);
        let policy = |ours: bool| NetworkPolicy {
            metadata: ObjectMeta {
                name: Some("demo-servers".to_owned()),
                uid: Some("uid".to_owned()),
                owner_references: ours.then(|| vec![ensemble.owner.clone()]),
                ..ObjectMeta::default()
            },
            ..NetworkPolicy::default()
        };
        let (ours, foreign) = ([policy(true)], [policy(false)]);
        let gone = surplus(&ensemble, &[], &[], &[], &ours);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].kind, SurplusKind::NetworkPolicy);
        assert_eq!(surplus(&ensemble, &[], &[], &[], &foreign), []);
        ensemble.network = Some(crate::crd::NetworkAccess {
            enabled: true,
            client_from: Vec::new(),
            metrics_from: Vec::new(),
        });
        assert_eq!(surplus(&ensemble, &[], &[], &[], &ours), []);
    }
}
