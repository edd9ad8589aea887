//! One reconcile of a `ZkEnsemble`: observe, validate, plan, build, apply, status.
//!
//! Only observe, apply and status talk to the cluster; what lies between them is pure and is where
//! the decisions are. Any stage may be the last one that runs before the operator is killed: the
//! next run starts from what it then finds.

pub mod apply;
pub mod build;
pub mod controller;
pub mod error;
pub mod observe;
pub mod plan;
pub mod status;
pub mod validate;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::Action;

use self::apply::Outcome;
use self::error::ReconcileError;
use self::plan::{Plan, Step};
use self::validate::{Defaults, ValidatedEnsemble};
use crate::crd::{ZkEnsemble, ZkEnsembleStatus};
use crate::leadership::Leadership;
use crate::members::Members;
use crate::metrics::Metrics;

/// Pace of looking at an ensemble that cannot be carried out; a change of it comes as an event.
const PACE_REFUSED: std::time::Duration = std::time::Duration::from_secs(60);

/// What a reconcile works with.
pub struct Context<M> {
    /// The way to the API server.
    pub client: Client,
    /// The way to the servers.
    pub members: M,
    /// Whether this operator is the one that works.
    pub leadership: Arc<Leadership>,
    /// Settings of the operator.
    pub defaults: Defaults,
    /// Counters.
    pub metrics: Metrics,
}

/// Brings one ensemble a step closer to its spec and reports.
///
/// # Errors
///
/// When the API server does not answer or refuses a write. Unhealthy servers are no error.
pub async fn reconcile<M: Members>(
    context: &Context<M>,
    namespace: &str,
    name: &str,
) -> Result<Action, ReconcileError> {
    let client = &context.client;
    let Some(object) = observe::object(client, namespace, name).await? else {
        // Owner references make the cluster collect what was made for it.
        return Ok(Action::await_change());
    };
    let ensemble = match validate::validate(&object, &context.defaults)? {
        Ok(ensemble) => ensemble,
        Err(invalid) => return refuse(context, &object, "InvalidSpec", &invalid.to_string()).await,
    };
    let observed = observe::cluster(client, &context.members, &ensemble).await?;
    if !observed.foreign.is_empty() {
        let message = format!(
            "{} exists and does not belong to this ensemble; delete it or give the ensemble \
             another name",
            observed.foreign.join(", ")
        );
        return refuse(context, &object, "NameTaken", &message).await;
    }
    let now = Timestamp::now();
    let plan = plan::plan(&ensemble, &observed, now);
    let prepared = build::build(&ensemble);
    let applied = apply::objects(client, namespace, prepared).await?;
    if let Some(step) = &plan.step {
        carry_out(context, &ensemble, step).await?;
    }
    let previous = object.status.as_ref();
    let status = status::report(previous, &ensemble, &observed, &plan, &applied, now);
    log_changes(&ensemble, previous, &plan);
    write(context, &object, namespace, name, &status).await?;
    Ok(Action::requeue(plan.look_again))
}

async fn carry_out<M: Members>(
    context: &Context<M>,
    ensemble: &ValidatedEnsemble,
    step: &Step,
) -> Result<(), ReconcileError> {
    let Step::RestartVoter { pod, why, .. } = step;
    context.leadership.confirm().await?;
    match apply::step(&context.client, &ensemble.namespace, step).await? {
        Outcome::Done => {
            context.metrics.restarted(*why);
            tracing::info!(ensemble = %ensemble.name, namespace = %ensemble.namespace, %pod,
                reason = why.as_str(), "restarts a voter");
        }
        Outcome::Overtaken => {
            tracing::info!(ensemble = %ensemble.name, namespace = %ensemble.namespace, %pod,
                "a voter to restart is gone already");
        }
    }
    Ok(())
}

async fn refuse<M: Members>(
    context: &Context<M>,
    object: &ZkEnsemble,
    reason: &'static str,
    message: &str,
) -> Result<Action, ReconcileError> {
    let name = object
        .metadata
        .name
        .as_deref()
        .ok_or(ReconcileError::Incomplete("name"))?;
    let namespace = object
        .metadata
        .namespace
        .as_deref()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    tracing::warn!(
        ensemble = name,
        namespace,
        reason,
        message,
        "leaves the ensemble as it is"
    );
    let status = status::refusal(object, reason, message, Timestamp::now());
    write(context, object, namespace, name, &status).await?;
    Ok(Action::requeue(PACE_REFUSED))
}

async fn write<M: Members>(
    context: &Context<M>,
    object: &ZkEnsemble,
    namespace: &str,
    name: &str,
    status: &ZkEnsembleStatus,
) -> Result<(), ReconcileError> {
    if status::write(&context.client, object, namespace, name, status).await? {
        context.metrics.status_written();
    }
    Ok(())
}

/// Tells the log what has changed for people; the status itself says the rest.
fn log_changes(ensemble: &ValidatedEnsemble, previous: Option<&ZkEnsembleStatus>, plan: &Plan) {
    let before = previous
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    for verdict in &plan.conditions {
        let same = before.iter().any(|old| {
            old.type_ == verdict.kind
                && old.status == verdict.truth.as_str()
                && old.reason == verdict.reason
        });
        if !same {
            tracing::info!(ensemble = %ensemble.name, namespace = %ensemble.namespace,
                condition = verdict.kind, status = verdict.truth.as_str(),
                reason = verdict.reason, message = %verdict.message, "condition changed");
        }
    }
}
