//! One reconcile of a `ZkEnsemble`: observe, validate, plan, build, apply, status.
//!
//! Only observe, apply and status talk to the cluster; what lies between them is pure and is where
//! the decisions are. Any stage may be the last one that runs before the operator is killed: the
//! next run starts from what it then finds.

pub mod apply;
pub mod build;
mod carry_out;
pub mod certificates;
pub mod controller;
mod delete;
mod endpoints;
pub mod error;
mod events;
mod listeners;
pub mod membership;
mod network;
pub mod observe;
pub mod observers;
pub mod plan;
pub mod status;
#[cfg(test)]
mod trials;
pub mod validate;
pub mod windows;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;

use self::apply::Ledger;
use self::carry_out::{Outcome, carry_out};
use self::certificates::Due;
use self::error::ReconcileError;
use self::observe::Observed;
use self::plan::Plan;
use self::validate::{Defaults, ValidatedEnsemble};
use crate::crd::{ZkEnsemble, ZkEnsembleStatus};
use crate::leadership::Leadership;
use crate::members::Members;
use crate::metrics::{Metrics, View};
use crate::traces::ReconcileTraces;

/// Pace of looking at an ensemble that cannot be carried out; a change of it comes as an event.
const PACE_REFUSED: std::time::Duration = std::time::Duration::from_secs(60);

/// Pace of looking again when an object had changed before it was written.
const PACE_OVERTAKEN: std::time::Duration = std::time::Duration::from_millis(300);

/// What a reconcile works with; clones share what is remembered.
#[derive(Clone)]
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
    /// What time it is.
    pub clock: fn() -> Timestamp,
    /// Where events are written.
    pub recorder: Recorder,
    /// What was written last.
    pub ledger: Arc<Ledger>,
    /// What reconciles waited for.
    pub traces: ReconcileTraces,
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
        context.metrics.forget(namespace, name);
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
    match go_on(context, object, &ensemble, &observed).await {
        // The cluster moves on while it is looked at; the next look is as good.
        Err(error) if error.is_conflict() => Ok(Action::requeue(PACE_OVERTAKEN)),
        Err(error) if error.is_of_terminating_namespace() => {
            tracing::info!(namespace, ensemble = name, "the namespace is being deleted");
            Ok(Action::requeue(PACE_REFUSED))
        }
        other => other,
    }
}

/// Does what follows from what was found, over the versions that were found.
async fn go_on<M: Members>(
    context: &Context<M>,
    object: ZkEnsemble,
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
) -> Result<Action, ReconcileError> {
    let (namespace, name) = (&ensemble.namespace, &ensemble.name);
    let now = (context.clock)();
    let plan = plan::plan(ensemble, observed, now);
    let before = object.status.clone();
    // What is decided by is on record before anything is done by it.
    let latched = status::latch(before.as_ref(), ensemble, &plan);
    let object = write(context, object, namespace, name, &latched).await?;
    if let Some(due) = certificates::due(ensemble, observed.certificates.as_ref(), now) {
        return issue(context, &object, ensemble, observed, due).await;
    }
    // A pod whose Secret is of no use would not start.
    if !ensemble.suspend && certificates::usable(ensemble, observed.certificates.as_ref()) {
        let wanted = build::build(
            ensemble,
            &plan.members,
            plan.slots,
            &plan.claims,
            &plan.stamps,
        );
        apply::objects(
            &context.client,
            namespace,
            &context.ledger,
            wanted,
            observed,
        )
        .await?;
        for object in &observed.surplus {
            context.leadership.confirm().await?;
            apply::remove(&context.client, namespace, object).await?;
        }
    }
    let mut failed = None;
    if let Some(step) = &plan.step {
        let outcome = carry_out(context, ensemble, step).await?;
        events::stepped(&context.recorder, &object, step, &outcome).await;
        match outcome {
            Outcome::Done => context.metrics.stepped(step.reason()),
            Outcome::Overtaken => {}
            Outcome::Refused(why) => {
                context.metrics.refused(step.reason());
                failed = Some(why);
            }
        }
    }
    let status = status::report(Some(&latched), ensemble, observed, &plan, failed, now);
    log_changes(ensemble, before.as_ref(), &plan);
    let view = View {
        steps: plan.step.is_some(),
        found: Some((ensemble, observed)),
    };
    publish(context, object, &status, &view).await?;
    Ok(Action::requeue(plan.look_again))
}

/// Makes what is due of the certificates. It is looked at again at once: nothing else is done by what was
/// seen before.
async fn issue<M: Members>(
    context: &Context<M>,
    object: &ZkEnsemble,
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    due: Due,
) -> Result<Action, ReconcileError> {
    context.leadership.confirm().await?;
    let (client, now) = (&context.client, (context.clock)());
    if certificates::write(client, ensemble, &observed.versions, due, now).await? {
        tracing::info!(ensemble = %ensemble.name, namespace = %ensemble.namespace,
            reason = due.reason(), "{}", due.text());
        context.metrics.stepped(due.reason());
        events::issued(&context.recorder, object, due).await;
    }
    Ok(Action::requeue(PACE_OVERTAKEN))
}

async fn refuse<M: Members>(
    context: &Context<M>,
    object: &ZkEnsemble,
    reason: &'static str,
    message: &str,
) -> Result<Action, ReconcileError> {
    let (namespace, name) = name_of(object)?;
    tracing::warn!(
        ensemble = name,
        namespace,
        reason,
        message,
        "leaves the ensemble as it is"
    );
    let status = status::refusal(object, reason, message, (context.clock)());
    if object.status.as_ref() != Some(&status) {
        events::refused(&context.recorder, object, reason, message).await;
        context.metrics.refused(reason);
    }
    publish(context, object.clone(), &status, &View::default()).await?;
    Ok(Action::requeue(PACE_REFUSED))
}

/// Writes what is to be known about the ensemble, and shows the same in the metrics.
async fn publish<M: Members>(
    context: &Context<M>,
    object: ZkEnsemble,
    status: &ZkEnsembleStatus,
    view: &View<'_>,
) -> Result<(), ReconcileError> {
    let (namespace, name) = name_of(&object)?;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let before = object.clone();
    write(context, object, &namespace, &name, status).await?;
    let now = (context.clock)();
    context.metrics.shows(&before, status, view, now);
    Ok(())
}

/// Namespace and name.
fn name_of(object: &ZkEnsemble) -> Result<(&str, &str), ReconcileError> {
    let metadata = &object.metadata;
    let name = metadata.name.as_deref();
    let namespace = metadata.namespace.as_deref();
    Ok((
        namespace.ok_or(ReconcileError::Incomplete("namespace"))?,
        name.ok_or(ReconcileError::Incomplete("name"))?,
    ))
}

/// Writes the status if it differs, and returns the object as it is then.
async fn write<M: Members>(
    context: &Context<M>,
    object: ZkEnsemble,
    namespace: &str,
    name: &str,
    status: &ZkEnsembleStatus,
) -> Result<ZkEnsemble, ReconcileError> {
    let written = status::write(&context.client, &object, namespace, name, status).await?;
    if written.is_some() {
        context.metrics.status_written();
    }
    Ok(written.unwrap_or(object))
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
