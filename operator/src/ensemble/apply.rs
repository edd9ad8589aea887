//! Writes the objects by server-side apply.
//!
//! Objects are destructured field by field, so that a new kind of object cannot be forgotten.
//! Nothing is written when nothing differs: the API server drops an apply that changes nothing.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::{Applied, Prepared, Resources};
use super::error::{Called, ReconcileError};
use super::observe::Observed;

/// Owner of the fields that the operator writes.
pub(crate) const FIELD_MANAGER: &str = "quorate-operator";

/// Writes all objects, the ones that pods depend on first.
///
/// # Errors
///
/// When the API server refuses one or does not answer; what was written stays, and the next
/// reconcile goes on.
pub async fn objects(
    client: &Client,
    namespace: &str,
    mut prepared: Resources<Prepared>,
    seen: &Observed,
) -> Result<Resources<Applied>, ReconcileError> {
    // What was decided about the members holds for the objects that were looked at only: an operator
    // that was stopped in between must not undo what the next one did meanwhile.
    prepared.voters.metadata.resource_version = seen
        .voter_set
        .as_ref()
        .map(|set| set.resource_version.clone());
    prepared.config.metadata.resource_version = seen.config_version.clone();
    let Resources {
        config,
        peers,
        client: clients,
        disruption_budget,
        voters,
        state: _,
    } = prepared;
    let config = apply(client, namespace, &config, "apply the ConfigMap").await?;
    let peers = apply(
        client,
        namespace,
        &peers,
        "apply the Service of the servers",
    )
    .await?;
    let clients = apply(client, namespace, &clients, "apply the Service for clients").await?;
    let disruption_budget = match disruption_budget {
        Some(budget) => {
            Some(apply(client, namespace, &budget, "apply the PodDisruptionBudget").await?)
        }
        None => None,
    };
    let voters = apply(client, namespace, &voters, "apply the StatefulSet").await?;
    Ok(Resources::applied(
        config,
        peers,
        clients,
        disruption_budget,
        voters,
    ))
}

async fn apply<K>(
    client: &Client,
    namespace: &str,
    object: &K,
    call: &'static str,
) -> Result<K, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    // Forced: a field that someone else has changed by hand goes back to what the spec says.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&object.name_any(), &params, &Patch::Apply(object))
        .await
        .called(call)
}
