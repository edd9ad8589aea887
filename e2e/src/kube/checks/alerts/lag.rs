//! The lines to a follower and to an observer are thinner than what is written.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Expected, Watch, as_before, node, nothing_lost, pod};
use crate::cluster::foreign_kubeconfig;
use crate::cluster::slow::Slow;
use crate::kube::checks::observers::{role, with_observers, zones};
use crate::kube::checks::{Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::zke::pod_name;

const WRITERS: usize = 3;

/// Bytes of each node: with some fifty a second, several times what the line lets through.
const DATA_LEN: usize = 2000;

const RATE: &str = "200kbit";

/// The mean of five minutes has to be too high for two.
const VOTER_FOR: Duration = Duration::from_secs((5 + 2) * 60);

/// The same, for five minutes.
const OBSERVER_FOR: Duration = Duration::from_secs((5 + 5) * 60);

/// Until what has piled up is there, and the mean has forgotten it.
const OVER_WITHIN: Duration = Duration::from_secs(7 * 60);

/// Alerts that may come along: who is dropped again and again is not there to count on.
const ALONG: [&str; 4] = [
    "ZkVoterSyncLag",
    "ZkObserverSyncLag",
    "ZkQuorumAtRisk",
    "ZkObserverZoneEmpty",
];

/// Each is named with its pod and zone, and the alerts end when the lines are good again.
pub(in crate::kube::checks) fn networks_are_slow(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the network of a cluster of somebody else stays as it is");
    }
    let wanted = with_observers(&zones(bench)?, 3)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let watch = Watch::start(bench)?;
    let load = Load::start_with(bench.service()?, "/slow", WRITERS, DATA_LEN)?;
    let leader = bench.zke.leader_pod()?;
    let follower = chosen(bench, |pod| {
        role(pod) == Some("voter") && pod_name(pod) != leader
    })?;
    let observer = chosen(bench, |pod| role(pod) == Some("observer"))?;
    let from = Instant::now();
    let slow = [slow(bench, &follower)?, slow(bench, &observer)?];
    let voter_lags = about(&watch, "ZkVoterSyncLag", &follower)?;
    let observer_lags = about(&watch, "ZkObserverSyncLag", &observer)?;
    let voter_fired = watch.fires(&voter_lags, from, VOTER_FOR)?;
    let observer_fired = watch.fires(&observer_lags, from, OBSERVER_FOR)?;
    let good = Instant::now();
    drop(slow);
    let observer_ended = watch.ends(&observer_lags, good, OVER_WITHIN)?;
    let voter_ended = watch.ends(&voter_lags, good, OVER_WITHIN)?;
    let writes = nothing_lost(bench, load)?;
    watch.nothing_but(&ALONG)?;
    as_before(bench)?;
    Ok(format!(
        "{RATE} to {follower}: ZkVoterSyncLag fired after {:.0} s and ended after {:.0} s; to {observer}: \
         ZkObserverSyncLag fired after {:.0} s and ended after {:.0} s; {writes}",
        voter_fired.as_secs_f32(),
        voter_ended.as_secs_f32(),
        observer_fired.as_secs_f32(),
        observer_ended.as_secs_f32()
    ))
}

fn chosen(bench: &Bench<'_>, which: impl Fn(&Value) -> bool) -> Result<String> {
    let pods = bench.zke.pods()?;
    let found = pods.iter().find(|pod| which(pod));
    Ok(pod_name(found.context("no such pod")?))
}

fn slow(bench: &Bench<'_>, name: &str) -> Result<Slow> {
    let pod = pod(bench, name)?;
    let word = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    Slow::new(
        &node(bench, &pod)?,
        word("/status/podIP").context("a pod without an address")?,
        RATE,
    )
}

/// The warning about the member in this pod.
fn about(watch: &Watch<'_>, alert: &'static str, name: &str) -> Result<Expected> {
    let members = watch.prometheus.query(&format!(
        "zke_member_info{} and on (pod) zke_member_info{{pod=\"{name}\"}}",
        watch.selector()
    ))?;
    let labels = &members.first().context("no such member")?.labels;
    let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
    let labels = [
        ("member", label("member")),
        ("pod", name),
        ("zone", label("zone")),
    ];
    Ok(watch.expected(alert, "warning", &labels))
}
