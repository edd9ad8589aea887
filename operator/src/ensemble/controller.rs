//! The loop around `reconcile`: what wakes it, and how it backs off when it fails.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;

use super::build::{ENSEMBLE_LABEL, MANAGED_BY_SELECTOR};
use super::error::ReconcileError;
use super::{Context, reconcile};
use crate::crd::ZkEnsemble;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::scope::{Scope, api};

/// Wait after the first failure; it doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait between two tries: an API server that answers again is not to be waited for.
const BACKOFF_MAX: Duration = Duration::from_secs(20);

/// Events within this time lead to one reconcile: a rollout of pods comes as a burst.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Ensembles that are worked on at the same time, over all namespaces.
const CONCURRENCY: u16 = 8;

/// A context with what the loop itself has to remember.
struct Loop<M> {
    context: Arc<Context<M>>,
    failures: Mutex<HashMap<String, u32>>,
}

/// Runs until `shutdown` resolves and the reconciles under way have ended.
pub async fn run<M: Members + Clone>(
    context: Arc<Context<M>>,
    scope: &Scope,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let state = Arc::new(Loop {
        context,
        failures: Mutex::new(HashMap::new()),
    });
    let shutdown = shutdown.shared();
    let places = scope.places();
    let share = CONCURRENCY / u16::try_from(places.len()).unwrap_or(u16::MAX);
    let loops = places.into_iter().map(|place| {
        let (state, shutdown) = (state.clone(), shutdown.clone());
        run_in(place, state, share.max(1), shutdown)
    });
    futures::future::join_all(loops).await;
}

/// The same in one place.
async fn run_in<M: Members + Clone>(
    place: Option<&str>,
    state: Arc<Loop<M>>,
    concurrency: u16,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = &state.context.client.clone();
    let ours = watcher::Config::default().labels(MANAGED_BY_SELECTOR);
    let config = Config::default()
        .debounce(DEBOUNCE)
        .concurrency(concurrency);
    let gone = state.clone();
    let ensembles = api::<ZkEnsemble>(client, place);
    Controller::new(ensembles, watcher::Config::default())
        .with_config(config)
        .owns(api::<StatefulSet>(client, place), ours.clone())
        .owns(api::<Service>(client, place), ours.clone())
        .owns(api::<ConfigMap>(client, place), ours.clone())
        .owns(api::<PodDisruptionBudget>(client, place), ours.clone())
        .owns(api::<NetworkPolicy>(client, place), ours.clone())
        .watches(api::<Pod>(client, place), ours, |pod| ensemble_of(&pod))
        .graceful_shutdown_on(shutdown)
        .run(run_one, back_off, state)
        .for_each(|result| {
            ended(&result, &gone.context.metrics, &gone.failures);
            std::future::ready(())
        })
        .await;
}

/// Looks at how a run ended. Failures of `reconcile` are logged where they are counted; these are of the
/// watches.
fn ended<T>(
    result: &Result<T, controller::Error<ReconcileError, watcher::Error>>,
    metrics: &Metrics,
    failures: &Mutex<HashMap<String, u32>>,
) {
    match result {
        Ok(_) => {}
        // It was deleted: there is no reconcile of it any more.
        Err(controller::Error::ObjectNotFound(object)) => {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            metrics.forget(namespace, &object.name);
            lock(failures).remove(&format!("{namespace}/{}", object.name));
        }
        Err(error) => tracing::debug!(%error, "controller event"),
    }
}

/// Pods belong to the StatefulSet, so that the label leads to the ensemble.
fn ensemble_of(pod: &Pod) -> Option<ObjectRef<ZkEnsemble>> {
    let name = pod.labels().get(ENSEMBLE_LABEL)?;
    Some(ObjectRef::new(name).within(&pod.namespace()?))
}

async fn run_one<M: Members + Clone>(
    object: Arc<ZkEnsemble>,
    state: Arc<Loop<M>>,
) -> Result<Action, ReconcileError> {
    let started = Instant::now();
    let namespace = object
        .namespace()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    let name = object.name_any();
    let context = &state.context;
    let reconcile = async {
        match context.traces.client(&context.client) {
            Some(client) => {
                let traced = Context {
                    client,
                    ..(**context).clone()
                };
                reconcile(&traced, &namespace, &name).await
            }
            None => reconcile(context, &namespace, &name).await,
        }
    };
    let traces = &context.traces;
    let result = traces.reconcile(&namespace, &name, reconcile).await;
    state
        .context
        .metrics
        .reconciled(started.elapsed(), result.as_ref().err());
    if result.is_ok() {
        lock(&state.failures).remove(&format!("{namespace}/{name}"));
    }
    result
}

fn back_off<M: Members + Clone>(
    object: Arc<ZkEnsemble>,
    error: &ReconcileError,
    state: Arc<Loop<M>>,
) -> Action {
    let key = format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    );
    let mut failures = lock(&state.failures);
    let count = failures.entry(key.clone()).or_insert(0);
    *count = count.saturating_add(1);
    let wait = wait_after(*count, RandomState::new().hash_one(&key));
    tracing::warn!(ensemble = %key, failures = *count, wait_ms = wait.as_millis(), %error,
        "reconcile failed");
    Action::requeue(wait)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A map of counters is whole after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Doubling with jitter: between half and all of the step, so that ensembles that failed together
/// do not come back together.
fn wait_after(failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let step = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let half = step / 2;
    let jitter_ms = random % (u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1));
    half + Duration::from_millis(jitter_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::status::refusal;
    use crate::fixtures::{ensemble, now};
    use crate::metrics::View;

    #[test]
    fn nothing_is_remembered_of_an_ensemble_that_was_deleted() {
        let metrics = Metrics::new().unwrap();
        let object = ensemble(3);
        let status = refusal(&object, "InvalidSpec", "for the test", now());
        metrics.shows(&object, &status, &View::default(), now());
        let failures = Mutex::new(HashMap::from([("default/demo".to_owned(), 3)]));
        let shown = || metrics.text().unwrap().contains("zke_");
        let deleted = |name: &str| {
            let object = ObjectRef::<ZkEnsemble>::new(name).within("default");
            let error = controller::Error::ObjectNotFound(Box::new(object.erase()));
            ended::<()>(&Err(error), &metrics, &failures);
        };
        deleted("other");
        assert!(shown() && !lock(&failures).is_empty());
        deleted("demo");
        assert!(!shown() && lock(&failures).is_empty());
    }

    #[test]
    fn waits_double_with_jitter_up_to_a_maximum() {
        for (failures, low_ms, high_ms) in [
            (1, 500, 1000),
            (2, 1000, 2000),
            (5, 8000, 16000),
            (40, 10_000, 20_000),
        ] {
            for random in [0, 1, 12345, u64::MAX] {
                let wait = wait_after(failures, random).as_millis();
                assert!(
                    (low_ms..=high_ms).contains(&wait),
                    "{failures} failures: {wait} ms"
                );
            }
        }
    }
}
