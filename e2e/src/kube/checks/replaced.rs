//! A node is lost for longer than a person allows: another server stands in for its voter, and the voter
//! gets its vote back when the node is back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::losses::victim;
use super::refusals::set;
use super::{Bench, READY_LIMIT, manifest};
use crate::cluster::{foreign_kubeconfig, lost};
use crate::kube::load::Load;
use crate::kube::zke::{condition, pod_name};
use crate::peers::wait_for;

const WRITERS: usize = 2;

/// Acknowledgements before and after each change.
const WARM: usize = 200;

/// Until the node controller calls the node lost (some 50 s), a minute more, and the start of another
/// server.
const REPLACED_LIMIT: Duration = Duration::from_secs(300);

/// A follower is lost; writes go on all the time.
const GAP_LIMIT: Duration = Duration::from_secs(3);

pub(super) fn lost_voter_is_replaced(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the nodes of a cluster of somebody else are not taken away");
    }
    let mut wanted = manifest();
    set(
        &mut wanted,
        "/spec/voters/replaceUnavailableAfter",
        json!("1m"),
    )?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let node = victim(bench, false)?;
    let pods = bench.zke.pods()?;
    let on_node = |pod: &&Value| pod.pointer("/spec/nodeName") == Some(&json!(node.name));
    let pod = pods.iter().find(on_node).map(pod_name);
    let pod = pod.context("a voter on the node")?;
    let id: u64 = pod.rsplit_once('-').context("an ordinal")?.1.parse()?;
    let load = Load::start(bench.service()?, "/replaced", WRITERS)?;
    load.wait_more(WARM, Duration::from_secs(20))?;
    let began = Instant::now();
    let gone = lost::Lost::new(bench.layout, &node)?;
    let others: Vec<u64> = (1..=4).filter(|other| *other != id + 1).collect();
    members(bench, &others)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let replaced = began.elapsed();
    says_so(bench)?;
    load.wait_more(WARM, Duration::from_secs(20))?;
    let back = Instant::now();
    gone.comes_back()?;
    members(bench, &[1, 2, 3])?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    wait_for("the other pod to go", READY_LIMIT, || {
        let pods = bench.zke.pods().map_err(|error| error.to_string())?.len();
        (pods == 3).then_some(()).ok_or(format!("{pods} pods"))
    })?;
    let returned = back.elapsed();
    load.wait_more(WARM, Duration::from_secs(20))?;
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(format!(
        "{pod} was replaced {:.0} s after its loss and had its vote again {:.0} s after its return, longest \
         write gap {:.2} s, {} acknowledged writes, all there, digest {digest}",
        replaced.as_secs_f32(),
        returned.as_secs_f32(),
        gap.as_secs_f32(),
        acknowledged.len()
    ))
}

/// Waits until these vote.
fn members(bench: &Bench<'_>, wanted: &[u64]) -> Result<()> {
    wait_for("the members to change", REPLACED_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let found = object.pointer("/status/membership/voters").cloned();
        (found == Some(json!(wanted)))
            .then_some(())
            .ok_or(format!("{found:?}"))
    })
}

/// A person is told what to do, and another voter may be lost.
fn says_so(bench: &Bench<'_>) -> Result<()> {
    let object = bench.zke.get()?;
    let shown = |kind: &str, field: &str| {
        let value = condition(&object, kind).and_then(|c| c.get(field));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let found = [
        shown("Degraded", "reason"),
        shown("DisruptionSafe", "status"),
    ];
    ensure!(found == ["VoterReplaced", "True"], "{found:?}");
    Ok(())
}
