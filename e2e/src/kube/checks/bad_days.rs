//! The API server is restarted, and answers with 409, 429 and 500, while an ensemble under load is restarted,
//! scaled and changed: everything comes to be as wished, and no two voters are away at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::clients::equal_digests;
use super::faults::{check_all_there, delete_by_force};
use super::{Bench, READY_LIMIT, manifest, wishes};
use crate::cluster::bad_api::BadApi;
use crate::cluster::control_plane::restart_api_server;
use crate::faults::random::Random;
use crate::kube::OPERATOR_NAMESPACE;
use crate::kube::load::Load;
use crate::kube::zke::pod_name;

const WRITERS: usize = 2;

/// How long writes may stay away when a leader is restarted.
const GAP_LIMIT: Duration = Duration::from_secs(3);

/// Longest time for which the API server is gone, and in which an operator works before that, ms.
const PAUSE_MAX_MS: usize = 6000;

/// Of each fault there must have been so many for this to have been a test.
const DEALT_MIN: u64 = 3;

/// The API server is killed in the middle of each wish.
pub(super) fn api_server_is_restarted(bench: &Bench<'_>) -> Result<String> {
    let mut random = Random::new(1);
    let mut restarts = 0;
    let figures = under_load(bench, "/restarted-api", || {
        let restart = || {
            let mut pause = || Duration::from_millis(random.below(PAUSE_MAX_MS) as u64);
            // The operator is in the middle of something then, each time of something else.
            std::thread::sleep(pause());
            restarts += 1;
            restart_api_server(bench.progress, bench.layout, pause())
        };
        wishes::come_true(bench, restart, || Ok(()))
    })?;
    Ok(format!("{restarts} restarts of the API server, {figures}"))
}

/// Between the operators and the API server stands one that has bad days.
pub(super) fn api_server_has_bad_days(bench: &Bench<'_>) -> Result<String> {
    let bad = BadApi::start(bench.layout, 1)?;
    reconnect_operators(bench)?;
    let figures = under_load(bench, "/bad-days", || {
        wishes::come_true(bench, || Ok(()), || Ok(()))
    })?;
    let dealt = bad.dealt().to_string();
    ensure!(
        bad.dealt().rarest() >= DEALT_MIN,
        "too few faults to have been a test: {dealt}"
    );
    drop(bad);
    reconnect_operators(bench)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(format!("{dealt}; {figures}"))
}

/// Connections that are open stay what they are: operators begin anew.
fn reconnect_operators(bench: &Bench<'_>) -> Result<()> {
    let kubectl = bench.zke.kubectl;
    let list = kubectl.get(OPERATOR_NAMESPACE, &["pods"])?;
    let pods = list.pointer("/items").and_then(Value::as_array);
    let pods: Vec<String> = pods.into_iter().flatten().map(pod_name).collect();
    delete_by_force(kubectl, OPERATOR_NAMESPACE, &pods)
}

fn under_load(
    bench: &Bench<'_>,
    base: &str,
    wishes: impl FnOnce() -> Result<()>,
) -> Result<String> {
    let load = Load::start(bench.service()?, base, WRITERS)?;
    let began = Instant::now();
    wishes()?;
    let took = began.elapsed();
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    Ok(format!(
        "all wishes came true in {:.0} s, longest write gap {:.2} s, {} acknowledged writes, all there, \
         digest {digest}",
        took.as_secs_f32(),
        gap.as_secs_f32(),
        acknowledged.len()
    ))
}
