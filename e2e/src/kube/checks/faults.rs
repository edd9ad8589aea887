//! Pods die under a steady write load: writes go on in time, and nothing acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::clients::equal_digests;
use super::restarts::is_ready;
use super::{Bench, READY_LIMIT};
use crate::kube::Kubectl;
use crate::kube::load::Load;
use crate::kube::zke;
use crate::peers::{Client, wait_for};

const WRITERS: usize = 4;
/// Acknowledgements before a fault, so that it hits a running load.
const WARM: usize = 200;
/// After the death of the leader.
const LEADER_LIMIT: Duration = Duration::from_secs(5);
/// After the death of everyone.
pub(super) const ALL_LIMIT: Duration = Duration::from_secs(30);

/// The leader's pod is deleted by force.
pub(super) fn leader_pod_dies(bench: &Bench<'_>) -> Result<String> {
    let leader = bench.zke.leader_pod()?;
    under_load(bench, "/leader-dies", &[leader], LEADER_LIMIT)
}

/// All pods are deleted by force at once.
pub(super) fn all_pods_die(bench: &Bench<'_>) -> Result<String> {
    let pods: Vec<String> = bench.zke.pods()?.iter().map(zke::pod_name).collect();
    under_load(bench, "/all-die", &pods, ALL_LIMIT)
}

fn under_load(
    bench: &Bench<'_>,
    base: &str,
    victims: &[String],
    limit: Duration,
) -> Result<String> {
    under_load_when(bench, base, limit, || replace_by_force(bench, victims))
}

/// Deletes pods of the ensemble by force, and waits until others run in their place: a kubelet may let a
/// process live on for a while, with which nothing would have been tested.
pub(super) fn replace_by_force(bench: &Bench<'_>, victims: &[String]) -> Result<()> {
    let before = zke::uids(&bench.zke.pods()?);
    delete_by_force(bench.zke.kubectl, bench.zke.namespace, victims)?;
    wait_replaced(bench, victims, &before)
}

/// Waits until pods of these names are ready that are none of those of before.
pub(super) fn wait_replaced(
    bench: &Bench<'_>,
    victims: &[String],
    before: &BTreeSet<String>,
) -> Result<()> {
    wait_for("other pods in their place", READY_LIMIT, || {
        let pods = bench.zke.pods().map_err(|error| error.to_string())?;
        let anew =
            |pod: &&Value| is_ready(pod) && zke::uid(pod).is_some_and(|uid| !before.contains(uid));
        let anew: Vec<String> = pods.iter().filter(anew).map(zke::pod_name).collect();
        let all = victims.iter().all(|victim| anew.contains(victim));
        all.then_some(()).ok_or(format!("{anew:?} so far"))
    })
}

/// Deletes pods as if their nodes had lost them.
pub(super) fn delete_by_force(kubectl: &Kubectl, namespace: &str, pods: &[String]) -> Result<()> {
    let mut words = vec!["delete", "pod", "--namespace", namespace];
    words.extend(["--force", "--grace-period=0", "--wait=false"]);
    words.extend(pods.iter().map(String::as_str));
    kubectl.run(&words)?;
    Ok(())
}

/// Lets something happen under load, and sees that writes go on within `limit` and that all voters come
/// back with everything that was acknowledged.
pub(super) fn under_load_when(
    bench: &Bench<'_>,
    base: &str,
    limit: Duration,
    happens: impl Fn() -> Result<()>,
) -> Result<String> {
    let load = Load::start(bench.service()?, base, WRITERS)?;
    load.wait_more(WARM, Duration::from_secs(20))?;
    let killed = Instant::now();
    happens()?;
    // Long enough for the limit to be exceeded if it is going to be.
    load.wait_more(WARM, limit * 3)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    load.wait_more(WARM, limit)?;
    let gap = load.longest_gap_since(killed);
    let acknowledged = load.finish()?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    if gap > limit {
        bail!(
            "no write succeeded for {:.1} s, more than {} s",
            gap.as_secs_f32(),
            limit.as_secs()
        );
    }
    Ok(format!(
        "{} acknowledged writes, all there, longest gap {:.2} s, digest {digest}",
        acknowledged.len(),
        gap.as_secs_f32()
    ))
}

/// Reads everything that was acknowledged from each pod.
pub(super) fn check_all_there(
    bench: &Bench<'_>,
    acknowledged: &BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    for (name, address, _) in bench.pods()? {
        let mut client = Client::connect(address, Duration::from_secs(10))?;
        client.sync()?;
        missing(&mut client, acknowledged).with_context(|| format!("on {name}"))?;
        client.close()?;
    }
    Ok(())
}

fn missing(client: &mut Client, acknowledged: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    for (path, data) in acknowledged {
        let (found, _) = client
            .get(path, false)
            .with_context(|| format!("{path} is lost"))?;
        if found.as_deref() != Some(data.as_slice()) {
            bail!("{path} holds something else");
        }
    }
    Ok(())
}
