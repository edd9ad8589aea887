//! A node is lost, and with it its zone: its network, its kubelet and its servers, the leader among them.
//! Writes go on, and when the node is back its voter takes part again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::observers::{with_observers, zones};
use super::{Bench, READY_LIMIT, manifest};
use crate::cluster::{Node, foreign_kubeconfig, lost};
use crate::kube::load::Load;
use crate::kube::zke::{condition, pod_name};
use crate::peers::wait_for;

const WRITERS: usize = 4;

/// Acknowledgements before and after the loss.
const WARM: usize = 200;

/// Followers miss a leader that says nothing after syncLimit; then they elect.
const GAP_LIMIT: Duration = Duration::from_secs(20);

/// Until the conditions say that a voter is away.
const SAID_LIMIT: Duration = Duration::from_secs(60);

/// The leader's node goes, and then another one.
pub(super) fn node_is_lost(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the nodes of a cluster of somebody else are not taken away");
    }
    let mut said = Vec::new();
    for of_leader in [true, false] {
        let node = victim(bench, of_leader)?;
        let name = if of_leader {
            "the leader's"
        } else {
            "a follower's"
        };
        let base = if of_leader {
            "/lost-leader"
        } else {
            "/lost-follower"
        };
        let figures =
            lose(bench, &node, base).with_context(|| format!("{name} node {}", node.name))?;
        said.push(format!("{name} node: {figures}"));
    }
    Ok(said.join("\n      "))
}

/// The leader's zone goes, with its voter and its two observers of six.
pub(super) fn zone_with_observers_is_lost(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the nodes of a cluster of somebody else are not taken away");
    }
    let wanted = with_observers(&zones(bench)?, 6)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let node = victim(bench, true)?;
    let figures = lose(bench, &node, "/lost-zone")?;
    let object = bench.zke.get()?;
    let serve = object.pointer("/status/observers/readyReplicas");
    ensure!(
        serve == Some(&Value::from(6)),
        "of six observers {serve:?} serve"
    );
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(format!("the zone of {}: {figures}", node.name))
}

/// A node with or without the leader, and not the one in which this program runs.
pub(super) fn victim(bench: &Bench<'_>, of_leader: bool) -> Result<Node> {
    let usable: Vec<Node> = bench.layout.nodes().into_iter().skip(1).collect();
    wait_for("a leader on the right node", READY_LIMIT, || {
        let leader = bench.zke.leader_pod().map_err(|error| error.to_string())?;
        let pods = bench.zke.pods().map_err(|error| error.to_string())?;
        let of = |pod: &Value| pod.pointer("/spec/nodeName")?.as_str().map(str::to_owned);
        let leads = pods.iter().find(|pod| pod_name(pod) == leader).and_then(of);
        let node = usable
            .iter()
            .find(|node| (Some(&node.name) == leads.as_ref()) == of_leader);
        if let Some(node) = node {
            return Ok(node.clone());
        }
        // It leads where this program runs: another pod is asked to.
        let words = ["delete", "pod", "--namespace", bench.zke.namespace, &leader];
        bench
            .zke
            .kubectl
            .run(&words)
            .map_err(|error| error.to_string())?;
        bench
            .zke
            .wait_ready(bench.progress, READY_LIMIT)
            .map_err(|error| error.to_string())?;
        Err(format!("{leader} leads"))
    })
}

fn lose(bench: &Bench<'_>, node: &Node, base: &str) -> Result<String> {
    let load = Load::start(bench.service()?, base, WRITERS)?;
    load.wait_more(WARM, Duration::from_secs(20))?;
    let began = Instant::now();
    let gone = lost::Lost::new(bench.layout, node)?;
    load.wait_more(WARM, GAP_LIMIT * 2)?;
    wait_for("the conditions to say so", SAID_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let status = |kind| {
            let status = condition(&object, kind).and_then(|c| c.get("status"));
            status
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let found = [
            status("Ready"),
            status("QuorumAvailable"),
            status("DisruptionSafe"),
        ];
        (found == ["False", "True", "False"])
            .then_some(())
            .ok_or(format!("{found:?}"))
    })?;
    load.wait_more(WARM, GAP_LIMIT)?;
    let gap = load.longest_gap_since(began);
    let back = Instant::now();
    gone.comes_back()?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let healed = back.elapsed();
    load.wait_more(WARM, GAP_LIMIT)?;
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    Ok(format!(
        "longest write gap {:.1} s, all three voters {:.0} s after it was back, {} acknowledged writes, all \
         there, digest {digest}",
        gap.as_secs_f32(),
        healed.as_secs_f32(),
        acknowledged.len()
    ))
}
