//! Labels, selectors and the metadata that all objects of an ensemble share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::ensemble::validate::ValidatedEnsemble;

/// Label with the name of the ensemble that an object belongs to.
pub const ENSEMBLE_LABEL: &str = "quorate.dev/ensemble";

/// Label with the role of a pod in the ensemble.
const ROLE_LABEL: &str = "quorate.dev/role";

/// Label with the zone that the observers in a pod are for.
const ZONE_LABEL: &str = "quorate.dev/zone";

/// Selects all that this operator made, so that it watches nothing else.
pub const MANAGED_BY_SELECTOR: &str = "app.kubernetes.io/managed-by=quorate-operator";

/// Labels of every object of the ensemble.
pub(super) fn common(ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
    BTreeMap::from(
        [
            ("app.kubernetes.io/name", "quorate"),
            ("app.kubernetes.io/instance", ensemble.name.as_str()),
            ("app.kubernetes.io/managed-by", "quorate-operator"),
            (ENSEMBLE_LABEL, ensemble.name.as_str()),
        ]
        .map(owned),
    )
}

/// What the pods of a group of servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// They vote.
    Voter,
    /// They follow without a vote.
    Observer,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Observer => "observer",
        }
    }
}

/// Labels of a server's pod; observers have the zone that they are for.
pub(super) fn pod(
    ensemble: &ValidatedEnsemble,
    role: Role,
    zone: Option<&str>,
) -> BTreeMap<String, String> {
    let mut labels = common(ensemble);
    labels.extend(selected(ensemble, role, zone));
    labels.insert(
        "app.kubernetes.io/component".to_owned(),
        role.as_str().to_owned(),
    );
    labels
}

/// Labels of a person, and ours, which count where both have one.
pub(super) fn with(
    additions: &BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut labels = additions.clone();
    labels.extend(ours);
    labels
}

/// The labels that selectors use: they can never change, so they are the fewest that tell the servers
/// of this role, in this zone, of this ensemble from all else in the namespace.
pub(super) fn selected(
    ensemble: &ValidatedEnsemble,
    role: Role,
    zone: Option<&str>,
) -> BTreeMap<String, String> {
    let pairs = [
        (ENSEMBLE_LABEL, ensemble.name.as_str()),
        (ROLE_LABEL, role.as_str()),
    ];
    let zone = zone.map(|zone| (ZONE_LABEL, zone));
    BTreeMap::from_iter(pairs.into_iter().chain(zone).map(owned))
}

/// The labels of all servers of the ensemble.
pub(super) fn all(ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
    BTreeMap::from([(ENSEMBLE_LABEL, ensemble.name.as_str())].map(owned))
}

/// Returns the query for everything that was made for the ensemble.
pub fn ensemble_selector(ensemble: &ValidatedEnsemble) -> String {
    format!("{MANAGED_BY_SELECTOR},{}", query(&all(ensemble)))
}

/// Returns the query for the pods of voters, and for the claims of their volumes.
pub fn voter_selector(ensemble: &ValidatedEnsemble) -> String {
    query(&selected(ensemble, Role::Voter, None))
}

/// Returns the query for the pods of observers.
pub fn observer_selector(ensemble: &ValidatedEnsemble) -> String {
    query(&selected(ensemble, Role::Observer, None))
}

fn query(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// Metadata of an object of the ensemble: it goes when the ensemble goes.
pub(in crate::ensemble) fn metadata(ensemble: &ValidatedEnsemble, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(ensemble.namespace.clone()),
        labels: Some(common(ensemble)),
        owner_references: Some(vec![ensemble.owner.clone()]),
        ..ObjectMeta::default()
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
