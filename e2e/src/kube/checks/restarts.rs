//! Rolling restarts under a write load: one pod at a time, the leader last, and clients of the servers
//! that stay hardly notice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::{Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::zke::{uid, uids};
use crate::peers::wait_for;

const WRITERS: usize = 4;

/// Until the last pod is another one: ten seconds of calm before each, and its start.
const ROLLED_LIMIT: Duration = Duration::from_secs(240);

/// How long writes may stay away: the clients of a pod that goes come back through the Service.
const GAP_LIMIT: Duration = Duration::from_secs(3);

/// What a person does to have every server started again.
pub(super) fn annotation_restarts_all(bench: &Bench<'_>) -> Result<String> {
    let before = uids(&bench.zke.pods()?);
    let load = Load::start(bench.service()?, "/restarts", WRITERS)?;
    let began = Instant::now();
    bench.zke.kubectl.run(&[
        "annotate",
        "--namespace",
        bench.zke.namespace,
        "zkensemble",
        bench.zke.name,
        "quorate.dev/restartedAt=now",
    ])?;
    let mut most_away = 0;
    wait_for("every pod to be another one", ROLLED_LIMIT, || {
        let pods = bench.zke.pods().map_err(|error| error.to_string())?;
        let away = before.len()
            - pods
                .iter()
                .filter(|pod| is_ready(pod))
                .count()
                .min(before.len());
        most_away = most_away.max(away);
        let left = pods
            .iter()
            .filter_map(uid)
            .filter(|uid| before.contains(*uid))
            .count();
        (left == 0 && away == 0)
            .then_some(())
            .ok_or(format!("{left} to go, {away} away"))
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let took = began.elapsed();
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    check_all_there(bench, &acknowledged)?;
    let digest = equal_digests(bench)?;
    ensure!(
        most_away <= 1,
        "{most_away} pods were away at the same time"
    );
    ensure!(
        gap <= GAP_LIMIT,
        "no write succeeded for {:.1} s",
        gap.as_secs_f32()
    );
    Ok(format!(
        "{} pods restarted one at a time in {:.0} s, {} acknowledged writes, all there, longest gap \
         {:.2} s, digest {digest}",
        before.len(),
        took.as_secs_f32(),
        acknowledged.len(),
        gap.as_secs_f32()
    ))
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type") == Some(&Value::from("Ready"))
            && condition.get("status") == Some(&Value::from("True"))
    })
}
