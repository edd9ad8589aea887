//! The API server is restarted, and answers with 409, 429 and 500, while an ensemble under load is restarted,
//! scaled and changed: everything comes to be as wished, and no two voters are away at once.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::faults::delete_by_force;
use super::operators::operator_pods;
use super::{Bench, READY_LIMIT, wishes};
use crate::cluster::bad_api::BadApi;
use crate::cluster::control_plane::restart_api_server;
use crate::faults::random::Random;
use crate::kube::OPERATOR_NAMESPACE;

/// Longest time for which the API server is gone, and in which an operator works before that, ms.
const PAUSE_MAX_MS: usize = 6000;

/// Of each fault there must have been so many for this to have been a test.
const DEALT_MIN: u64 = 3;

/// The API server is killed in the middle of each wish.
pub(super) fn api_server_is_restarted(bench: &Bench<'_>) -> Result<String> {
    let mut random = Random::new(1);
    let mut restarts = 0;
    let figures = wishes::under_load(bench, "/restarted-api", || {
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
    let figures = wishes::under_load(bench, "/bad-days", || {
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
    delete_by_force(kubectl, OPERATOR_NAMESPACE, &operator_pods(kubectl)?)
}
