//! Writes the objects by server-side apply, and only what is not as it was written last.
//!
//! Objects are destructured field by field, so that a new kind of object cannot be forgotten.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::{Resources, fingerprint_of};
use super::delete::{Deletion, delete};
use super::error::{Called, ReconcileError};
use super::observe::{Observed, Surplus, SurplusKind};

/// Owner of the fields that the operator writes.
pub(crate) const FIELD_MANAGER: &str = "quorate-operator";

/// What was written last, and the version that it had then: an object of that version is as it was
/// written. Lost when the operator ends, and then everything is written once more.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<String, Entry>>);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Of what was wanted.
    fingerprint: String,
    /// Of what came of it.
    resource_version: Option<String>,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // A map of texts is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &str, fingerprint: &str, seen: Option<&String>) -> bool {
        self.entries().get(key).is_some_and(|entry| {
            entry.fingerprint == fingerprint
                && seen.is_some()
                && entry.resource_version.as_ref() == seen
        })
    }
}

/// Writes all objects that are not as wanted, the ones that pods depend on first, each over the
/// version that was seen: an operator that was stopped in between must not undo what the next one did
/// meanwhile.
///
/// # Errors
///
/// When the API server refuses one or does not answer; what was written stays, and the next
/// reconcile goes on.
pub async fn objects(
    client: &Client,
    namespace: &str,
    ledger: &Ledger,
    wanted: Resources,
    seen: &Observed,
) -> Result<(), ReconcileError> {
    let Resources {
        config,
        peers,
        client: clients,
        disruption_budget,
        network_policy,
        voters,
        observer_budget,
        zones,
        listeners,
        observers,
    } = wanted;
    let to = Target {
        client,
        namespace,
        ledger,
        seen,
    };
    to.apply(config, "apply the ConfigMap").await?;
    to.apply(peers, "apply the Service of the servers").await?;
    to.apply(clients, "apply the Service for clients").await?;
    if let Some(budget) = disruption_budget {
        to.apply(budget, "apply the PodDisruptionBudget").await?;
    }
    if let Some(policy) = network_policy {
        to.apply(policy, "apply the NetworkPolicy").await?;
    }
    // One that is on its way out is made again when it is gone.
    if !seen.voter_set.as_ref().is_some_and(|set| set.terminating) {
        to.apply(voters, "apply the StatefulSet").await?;
    }
    if let Some(budget) = observer_budget {
        let call = "apply the PodDisruptionBudget of the observers";
        to.apply(budget, call).await?;
    }
    for zone in zones {
        to.apply(zone, "apply the Service of a zone").await?;
    }
    for listener in listeners {
        to.apply(listener, "apply the Service of a listener")
            .await?;
    }
    for set in observers {
        to.apply(set, "apply the StatefulSet of a zone").await?;
    }
    Ok(())
}

/// Deletes what is not wanted any more; pods go with their StatefulSet.
///
/// # Errors
///
/// When the API server refuses or does not answer. That it is gone already is no error.
pub async fn remove(
    client: &Client,
    namespace: &str,
    object: &Surplus,
) -> Result<(), ReconcileError> {
    let deletion = match object.kind {
        SurplusKind::StatefulSet => remove_one::<StatefulSet>(client, namespace, object).await?,
        SurplusKind::Service => remove_one::<Service>(client, namespace, object).await?,
        SurplusKind::PodDisruptionBudget => {
            remove_one::<PodDisruptionBudget>(client, namespace, object).await?
        }
        SurplusKind::NetworkPolicy => {
            remove_one::<NetworkPolicy>(client, namespace, object).await?
        }
    };
    let (kind, name) = (object.kind, &object.name);
    match deletion {
        Deletion::Done => tracing::info!(namespace, ?kind, name, "not wanted any more"),
        Deletion::Overtaken => tracing::info!(namespace, ?kind, name, "gone already"),
        // The next look finds it again if it is there.
        Deletion::Late => tracing::warn!(namespace, ?kind, name, "not deleted in time"),
    }
    Ok(())
}

async fn remove_one<K>(
    client: &Client,
    namespace: &str,
    object: &Surplus,
) -> Result<Deletion, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    delete(&api, &object.name, &object.uid, DeleteParams::background())
        .await
        .called("delete an object that is not wanted any more")
}

/// Where objects are written.
struct Target<'a> {
    client: &'a Client,
    namespace: &'a str,
    ledger: &'a Ledger,
    seen: &'a Observed,
}

impl Target<'_> {
    async fn apply<K>(&self, mut object: K, call: &'static str) -> Result<(), ReconcileError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.name_any();
        let kind = K::kind(&());
        let seen = self.seen.versions.get(&format!("{kind} {name}"));
        let fingerprint = fingerprint_of(&object);
        let key = format!("{kind} {}/{name}", self.namespace);
        if self.ledger.has(&key, &fingerprint, seen) {
            return Ok(());
        }
        object.meta_mut().resource_version = seen.cloned();
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        // Forced: a field that someone else has changed by hand goes back to what the spec says.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api
            .patch(&name, &params, &Patch::Apply(&object))
            .await
            .called(call)?;
        let entry = Entry {
            fingerprint,
            resource_version: written.resource_version(),
        };
        self.ledger.entries().insert(key, entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_last_counts_as_written() {
        let ledger = Ledger::default();
        let version = Some("7".to_owned());
        assert!(!ledger.has("a", "x", version.as_ref()));
        let entry = Entry {
            fingerprint: "x".to_owned(),
            resource_version: version.clone(),
        };
        ledger.entries().insert("a".to_owned(), entry);
        assert!(ledger.has("a", "x", version.as_ref()));
        assert!(
            !ledger.has("a", "y", version.as_ref()),
            "something else is wanted"
        );
        assert!(
            !ledger.has("a", "x", Some(&"8".to_owned())),
            "somebody changed it"
        );
        assert!(!ledger.has("a", "x", None), "somebody deleted it");
    }
}
