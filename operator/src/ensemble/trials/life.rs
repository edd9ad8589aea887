//! One process of the operator, from its start to its end.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::runtime::controller::Action;
use kube::runtime::events::{Recorder, Reporter};
use serde_json::Value;
use tokio::time::timeout;

use super::api::client;
use super::members::Reach;
use super::{NAME, NAMESPACE, World, clock};
use crate::ensemble::plan::PACE_RESTING;
use crate::ensemble::{Context, reconcile};
use crate::failpoints::{FailpointMembers, Failpoints, Killed};
use crate::key;
use crate::leadership::Leadership;
use crate::metrics::Metrics;
use crate::traces::ReconcileTraces;

/// Pace of reconciles, seconds.
const PACE_S: i64 = 3;

/// Reconciles at rest after which nothing more comes.
const RESTS_FOR: u32 = 2;

/// Real time for one try to have the Lease.
const ACQUIRE_WITHIN: Duration = Duration::from_millis(20);

/// Tries to have it.
const ACQUIRE_MAX: u32 = 40;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All wishes are true.
    Rests,
    /// At a failpoint.
    Killed,
    /// It lost the Lease.
    Lost,
    /// It could not start.
    Failed(String),
    /// After so many reconciles as it was given.
    Exhausted,
}

/// What a process works with.
pub(super) fn context(
    world: &World,
    name: &str,
    failpoints: &Failpoints,
    leadership: Arc<Leadership>,
    key: crate::members::MasterKey,
) -> Context<FailpointMembers<Reach>> {
    let client = client(world, name, failpoints);
    let reach = Reach {
        world: world.clone(),
        caller: name.to_owned(),
    };
    let mut defaults = crate::fixtures::defaults();
    defaults.key = key;
    Context {
        client: client.clone(),
        members: FailpointMembers::new(reach, failpoints.clone()),
        leadership,
        defaults,
        metrics: Metrics::new().unwrap(),
        clock,
        recorder: Recorder::new(client, Reporter::from("quorate-operator")),
        ledger: Arc::default(),
        traces: ReconcileTraces::default(),
    }
}

/// Wants the Lease under this name.
pub(super) fn leadership(world: &World, name: &str, failpoints: &Failpoints) -> Arc<Leadership> {
    let client = client(world, name, failpoints);
    let lease = "quorate-operator";
    let (name, started) = (name.to_owned(), clock());
    let passed = move || Duration::try_from(clock().duration_since(started)).unwrap_or_default();
    Arc::new(Leadership::with_clock(
        client, NAMESPACE, lease, name, passed,
    ))
}

/// Has the Lease, or has it still; false where somebody else has it.
async fn acquire(world: &World, name: &str, leadership: &Leadership) -> bool {
    for _ in 0..ACQUIRE_MAX {
        // It waits for seconds between two tries.
        if timeout(ACQUIRE_WITHIN, leadership.acquired()).await.is_ok() {
            return true;
        }
        let holder = world.cluster().holder();
        if !holder.is_empty() && holder != name {
            return false;
        }
    }
    false
}

/// Runs a process until it ends, after so many reconciles at most.
pub(super) async fn live(
    world: &World,
    name: &str,
    failpoints: &Failpoints,
    reconciles: u32,
) -> End {
    let life = async {
        let leadership = leadership(world, name, failpoints);
        if !acquire(world, name, &leadership).await {
            return End::Lost;
        }
        let client = client(world, name, failpoints);
        let key = match key::ensure(&client, NAMESPACE, "quorate-operator-key").await {
            Ok(key) => key,
            Err(error) => return End::Failed(error.to_string()),
        };
        let context = context(world, name, failpoints, leadership, key);
        work(world, name, &context, reconciles).await
    };
    let end = match AssertUnwindSafe(life).catch_unwind().await {
        Ok(end) => end,
        Err(panic) if panic.is::<Killed>() => End::Killed,
        Err(panic) => resume_unwind(panic),
    };
    world
        .cluster()
        .witness
        .tell(format!("{name} ends: {end:?}"));
    end
}

async fn work(
    world: &World,
    name: &str,
    context: &Context<FailpointMembers<Reach>>,
    reconciles: u32,
) -> End {
    let mut rests = 0;
    // Whether the last reconcile got to its end, and found nothing to do.
    let mut looked = false;
    for _ in 0..reconciles {
        rests = if world.cluster().rests() {
            rests + 1
        } else {
            0
        };
        if rests > RESTS_FOR {
            rests = 0;
            let mut cluster = world.cluster();
            if looked && let Err(why) = agrees(&context.metrics, cluster.ensemble()) {
                cluster.witness.complain(why);
            }
            // On its last bad day nothing more is wished: it is looked at once more on a good one.
            if !cluster.wish() && cluster.answers.take().is_none() {
                return End::Rests;
            }
        }
        let reconciled = reconcile(context, NAMESPACE, NAME).await;
        looked = matches!(&reconciled, Ok(next) if *next == Action::requeue(PACE_RESTING));
        if let Err(error) = reconciled {
            world.cluster().witness.tell(format!("{name}: {error}"));
        }
        world.pass(PACE_S);
        if !acquire(world, name, &context.leadership).await {
            return End::Lost;
        }
    }
    End::Exhausted
}

/// Whether the metrics have the conditions of the status, and no others, and nothing under way.
fn agrees(metrics: &Metrics, ensemble: &Value) -> Result<(), String> {
    let text = metrics.text().map_err(|error| error.to_string())?;
    let shown: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("zke_condition{") || line.starts_with("zke_operation_in"))
        .collect();
    let conditions = ensemble["status"]["conditions"].as_array();
    let expected: Vec<String> = conditions
        .into_iter()
        .flatten()
        .map(|c| {
            format!(
                "zke_condition{{ensemble=\"{NAME}\",namespace=\"{NAMESPACE}\",reason={},status={},type={}}} 1",
                c["reason"], c["status"], c["type"]
            )
        })
        .collect();
    if shown == expected.iter().map(String::as_str).collect() {
        return Ok(());
    }
    Err(format!(
        "the status has {expected:?}, and the metrics {shown:?}"
    ))
}
