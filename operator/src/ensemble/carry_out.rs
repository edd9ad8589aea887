//! Carries out the one step of a plan. Whatever became of it, the next look at the cluster tells.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};

use super::Context;
use super::build::server_line;
use super::delete::{DELETE_WITHIN, Deletion, delete};
use super::error::{Called, ReconcileError};
use super::plan::{Place, Step};
use super::validate::ValidatedEnsemble;
use crate::members::{Change, ConfigVersion, Credential, Members};
use crate::quantity::Size;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was carried out.
    Done,
    /// Things have changed by now: the plan is out of date and the next one decides.
    Overtaken,
    /// A server said no, or did not say anything; in words.
    Refused(String),
}

/// Carries out a step, if this operator is still the one that works.
///
/// # Errors
///
/// When the API server does not answer or refuses for another reason than that things have changed.
pub(super) async fn carry_out<M: Members>(
    context: &Context<M>,
    ensemble: &ValidatedEnsemble,
    step: &Step,
) -> Result<Outcome, ReconcileError> {
    context.leadership.confirm().await?;
    let credential = context.defaults.key.credential(&ensemble.owner.uid);
    let outcome = match step {
        Step::Form { servers } => form(context, ensemble, &credential, servers).await,
        Step::Restart { pod, uid, .. } => {
            delete_pod(&context.client, &ensemble.namespace, pod, uid).await?
        }
        Step::AddVoter {
            via,
            from,
            server_id,
            ..
        } => {
            let joining = vec![server_line(ensemble, *server_id)];
            reconfigure(context, &credential, via, *from, joining, Vec::new()).await
        }
        Step::ReplaceVoter {
            via,
            from,
            joining,
            leaving,
            ..
        } => {
            let joining = vec![server_line(ensemble, *joining)];
            let leaving = vec![*leaving];
            reconfigure(context, &credential, via, *from, joining, leaving).await
        }
        Step::RemoveVoter {
            via,
            from,
            server_id,
            ..
        } => {
            let leaving = vec![*server_id];
            reconfigure(context, &credential, via, *from, Vec::new(), leaving).await
        }
        Step::GrowVolume {
            claim,
            version,
            size,
            ..
        } => grow_volume(&context.client, &ensemble.namespace, (claim, version), size).await?,
        Step::RecreateSet { name, uid, version } => {
            let seen = (uid.as_str(), version.as_str());
            orphan_pods(&context.client, &ensemble.namespace, name, seen).await?
        }
    };
    match &outcome {
        Outcome::Done => tracing::info!(ensemble = %ensemble.name,
            namespace = %ensemble.namespace, reason = step.reason(), "{}", step.text()),
        Outcome::Overtaken => tracing::info!(ensemble = %ensemble.name,
            namespace = %ensemble.namespace, reason = step.reason(), "overtaken: {}", step.text()),
        Outcome::Refused(why) => tracing::warn!(ensemble = %ensemble.name,
            namespace = %ensemble.namespace, reason = step.reason(), why, "not done: {}",
            step.text()),
    }
    Ok(outcome)
}

/// Tells each of them; those that were told stay told when another one does not answer.
async fn form<M: Members>(
    context: &Context<M>,
    ensemble: &ValidatedEnsemble,
    credential: &Credential,
    servers: &[Place],
) -> Outcome {
    let told = servers.iter().map(async |server| {
        let told = context
            .members
            .form(server.ip, credential, &ensemble.ensemble_id, &server.life)
            .await;
        told.map_err(|undone| format!("{}: {undone}", server.pod))
    });
    let refusals: Vec<String> = join_all(told)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    if refusals.is_empty() {
        Outcome::Done
    } else {
        Outcome::Refused(refusals.join("; "))
    }
}

async fn reconfigure<M: Members>(
    context: &Context<M>,
    credential: &Credential,
    via: &Place,
    from: ConfigVersion,
    joining: Vec<String>,
    leaving: Vec<u8>,
) -> Outcome {
    let change = Change {
        from_version: from.to_string(),
        joining,
        leaving,
    };
    let members = &context.members;
    match members.reconfigure(via.ip, credential, &change).await {
        Ok(()) => Outcome::Done,
        Err(undone) => Outcome::Refused(format!("{}: {undone}", via.pod)),
    }
}

/// Asks for a larger volume, over the version of the claim that was seen.
async fn grow_volume(
    client: &Client,
    namespace: &str,
    (claim, version): (&str, &str),
    size: &Size,
) -> Result<Outcome, ReconcileError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let patch = serde_json::json!({
        "metadata": {"resourceVersion": version},
        "spec": {"resources": {"requests": {"storage": size.quantity()}}},
    });
    let patched = api
        .patch(claim, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match patched {
        Ok(_) => Ok(Outcome::Done),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Outcome::Overtaken),
        // A quota or a rule of the cluster: that stops nothing else.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
            Ok(Outcome::Refused(status.message))
        }
        Err(error) => Err(error).called("patch the claim of a volume"),
    }
}

async fn delete_pod(
    client: &Client,
    namespace: &str,
    pod: &str,
    uid: &str,
) -> Result<Outcome, ReconcileError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let deletion = delete(&api, pod, uid, DeleteParams::default()).await;
    Ok(deletion.called("delete a pod")?.into())
}

/// Deletes the StatefulSet of this version, and leaves its pods.
async fn orphan_pods(
    client: &Client,
    namespace: &str,
    name: &str,
    (uid, version): (&str, &str),
) -> Result<Outcome, ReconcileError> {
    let api: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let params = DeleteParams::orphan().preconditions(Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: Some(version.to_owned()),
    });
    let deletion = delete(&api, name, uid, params).await;
    Ok(deletion.called("delete the StatefulSet")?.into())
}

impl From<Deletion> for Outcome {
    fn from(deletion: Deletion) -> Self {
        match deletion {
            Deletion::Done => Self::Done,
            Deletion::Overtaken => Self::Overtaken,
            Deletion::Late => {
                let within = DELETE_WITHIN.as_secs();
                Self::Refused(format!("the API server did not answer within {within} s"))
            }
        }
    }
}
