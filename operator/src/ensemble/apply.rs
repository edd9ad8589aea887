//! Writes the objects by server-side apply and carries out the planned step.
//!
//! Objects are destructured field by field, so that a new kind of object cannot be forgotten.
//! Nothing is written when nothing differs: the API server drops an apply that changes nothing.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::{Applied, Prepared, Resources};
use super::error::{Called, ReconcileError};
use super::plan::Step;

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
    prepared: Resources<Prepared>,
) -> Result<Resources<Applied>, ReconcileError> {
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

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// The pod is gone or another one by now: the plan is out of date and the next one decides.
    Overtaken,
}

/// Carries out the step.
///
/// # Errors
///
/// When the API server refuses for another reason than that things have changed.
pub async fn step(
    client: &Client,
    namespace: &str,
    step: &Step,
) -> Result<Outcome, ReconcileError> {
    let Step::RestartVoter { pod, uid, .. } = step;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let preconditions = Preconditions {
        uid: Some(uid.clone()),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    match api.delete(pod, &params).await {
        Ok(_) => Ok(Outcome::Done),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Outcome::Overtaken),
        Err(error) => Err(error).called("delete a pod"),
    }
}
