//! Labels, selectors and the metadata that all objects of an ensemble share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::ensemble::validate::ValidatedEnsemble;

/// Label with the name of the ensemble that an object belongs to.
pub const ENSEMBLE_LABEL: &str = "quorate.dev/ensemble";

/// Label with the role of a pod in the ensemble.
const ROLE_LABEL: &str = "quorate.dev/role";

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

/// Labels of a voter's pod.
pub(super) fn voter(ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
    let mut labels = common(ensemble);
    labels.insert("app.kubernetes.io/component".to_owned(), "voter".to_owned());
    labels.insert(ROLE_LABEL.to_owned(), "voter".to_owned());
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

/// The labels that selectors use: they can never change, so they are the fewest that tell voters
/// of this ensemble from all else in the namespace.
pub(super) fn voter_match(ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
    BTreeMap::from(
        [
            (ENSEMBLE_LABEL, ensemble.name.as_str()),
            (ROLE_LABEL, "voter"),
        ]
        .map(owned),
    )
}

/// Returns `voter_match` as a query.
pub fn voter_selector(ensemble: &ValidatedEnsemble) -> String {
    let pairs = voter_match(ensemble);
    pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// Metadata of an object of the ensemble: it goes when the ensemble goes.
pub(super) fn metadata(ensemble: &ValidatedEnsemble, name: String) -> ObjectMeta {
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
