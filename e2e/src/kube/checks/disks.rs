//! A voter loses its volume with its pod, each of them in turn and the leader among them: it comes back
//! empty, is brought level before it votes, and nothing acknowledged is lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::{ADMIN_PORT, Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::reach;
use crate::kube::zke::{self, pod_name};
use crate::peers::{admin, wait_for};

const WRITERS: usize = 4;

/// Acknowledgements before and after each loss.
const WARM: usize = 200;

/// Until Kubernetes has made another volume and another pod.
const REPLACED_LIMIT: Duration = Duration::from_secs(120);

/// Followers that lose their leader elect another one; its end was a SIGTERM.
const GAP_LIMIT: Duration = Duration::from_secs(5);

/// Each voter loses its volume; the one that leads then loses it as the leader.
pub(super) fn each_voter_loses_its_volume(bench: &Bench<'_>) -> Result<String> {
    let load = Load::start(bench.service()?, "/disks", WRITERS)?;
    let mut said = Vec::new();
    let mut left: Vec<String> = bench.zke.pods()?.iter().map(pod_name).collect();
    let mut leaders = 0;
    while !left.is_empty() {
        let leader = bench.zke.leader_pod()?;
        // The leader first, as long as it was not hit yet: that is the harder loss.
        let chosen = left.iter().position(|pod| *pod == leader).unwrap_or(0);
        let victim = left.swap_remove(chosen);
        leaders += u8::from(victim == leader);
        let figures = lose(bench, &load, &victim).with_context(|| victim.clone())?;
        let leads = if victim == leader {
            " (the leader)"
        } else {
            ""
        };
        said.push(format!("{victim}{leads}: {figures}"));
    }
    ensure!(leaders > 0, "no leader lost its volume");
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    Ok(format!(
        "{} acknowledged writes, all there on each pod, digest {digest}\n      {}",
        acknowledged.len(),
        said.join("\n      ")
    ))
}

/// Lets a pod lose its volume, and waits until it is one of the members again.
pub(super) fn lose(bench: &Bench<'_>, load: &Load, pod: &str) -> Result<String> {
    load.wait_more(WARM, GAP_LIMIT * 4)?;
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    let claim = format!("data-{pod}");
    let before = [uid(bench, "pvc", &claim)?, uid(bench, "pod", pod)?];
    let began = Instant::now();
    // The claim goes when its pod does.
    for words in [["pvc", &claim], ["pod", pod]] {
        let words = [
            &["delete", "--namespace", namespace, "--wait=false"],
            &words[..],
        ];
        kubectl.run(&words.concat())?;
    }
    wait_for("another volume and another pod", REPLACED_LIMIT, || {
        let found = [uid(bench, "pvc", &claim), uid(bench, "pod", pod)].map(Result::ok);
        let [Some(new_claim), Some(new_pod)] = &found else {
            return Err(format!("{found:?}"));
        };
        (*new_claim != before[0] && *new_pod != before[1])
            .then_some(())
            .ok_or("the old ones are there".to_owned())
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let healed = began.elapsed();
    load.wait_more(WARM, GAP_LIMIT * 4)?;
    let gap = load.longest_gap_since(began);
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    same_members(bench)?;
    Ok(format!(
        "all voters again after {:.0} s, longest write gap {:.2} s",
        healed.as_secs_f32(),
        gap.as_secs_f32()
    ))
}

fn uid(bench: &Bench<'_>, kind: &str, name: &str) -> Result<String> {
    let object = bench.zke.kubectl.get(bench.zke.namespace, &[kind, name])?;
    Ok(zke::uid(&object)
        .context("an object without a uid")?
        .to_owned())
}

/// The one that came back has the vote that it had, and there is no other.
fn same_members(bench: &Bench<'_>) -> Result<()> {
    for pod in bench.zke.pods()? {
        let status = admin::status(reach::pod(&pod, ADMIN_PORT)?)?;
        ensure!(
            status.config.voters == [1, 2, 3],
            "{} knows the voters {:?}",
            pod_name(&pod),
            status.config.voters
        );
    }
    Ok(())
}
