//! Many rolling restarts of voters and observers under load: by the annotation, by a setting and by a
//! change of the pods. Each costs one hand-over and nothing else, and only clients of the pod that goes
//! notice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::loyal::{self, Loyal};
use super::observers::{Zones, role, with_observers, zones};
use super::refusals::set;
use super::restarts::is_ready;
use super::{ADMIN_PORT, Bench, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::kube::reach;
use crate::kube::zke::uids;
use crate::peers::{admin, wait_for};

const WRITERS: usize = 2;

/// Restarts of each ensemble.
const ROUNDS: u32 = 20;

/// Until every pod is another one: ten seconds of calm before each voter, and its start.
const ROLLED_LIMIT: Duration = Duration::from_secs(300);

/// How long writes may stay away: the clients of a pod that goes come back through the Service.
const GAP_LIMIT: Duration = Duration::from_secs(3);

/// Twenty restarts of three voters, with an observer in each zone.
pub(super) fn three_voters(bench: &Bench<'_>) -> Result<String> {
    many(bench, 3)
}

/// Twenty restarts of five voters, with an observer in each zone.
pub(super) fn five_voters(bench: &Bench<'_>) -> Result<String> {
    many(bench, 5)
}

fn many(bench: &Bench<'_>, voters: u8) -> Result<String> {
    let zones = zones(bench)?;
    let done = roll(bench, &zones, voters)?;
    apply(bench, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(done)
}

fn apply(bench: &Bench<'_>, wanted: &Value) -> Result<()> {
    bench.zke.kubectl.apply(bench.zke.namespace, wanted)?;
    Ok(())
}

fn roll(bench: &Bench<'_>, zones: &Zones, voters: u8) -> Result<String> {
    let mut wanted = with_observers(zones, zones.len())?;
    set(&mut wanted, "/spec/voters/replicas", json!(voters))?;
    apply(bench, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let load = Load::start(bench.service()?, &format!("/rolled-{voters}"), WRITERS)?;
    let mut loyal = Loyal::new(bench.service()?);
    let began = Instant::now();
    let mut gaps = Vec::new();
    for round in 0..ROUNDS {
        let gap = one(bench, &mut loyal, &load, &mut wanted, round)
            .with_context(|| format!("restart {}", round + 1))?;
        gaps.push(gap);
    }
    let took = began.elapsed();
    let operations = loyal.finish()?;
    let acknowledged = load.finish()?;
    check_all_there(bench, &acknowledged)?;
    let digest = equal_digests(bench)?;
    gaps.sort();
    let (median, longest) = (gaps.get(gaps.len() / 2), gaps.last());
    let seconds = |gap: Option<&Duration>| gap.map_or(0.0, Duration::as_secs_f32);
    Ok(format!(
        "{ROUNDS} restarts, one hand-over each, {:.0} s each; longest write gap of a restart: median \
         {:.2} s, longest {:.2} s; {operations} operations of clients of one server each, of which none \
         failed and no session ended but for the restart of that server; {} acknowledged writes, all \
         there, digest {digest}",
        took.as_secs_f64() / f64::from(ROUNDS),
        seconds(median),
        seconds(longest),
        acknowledged.len(),
    ))
}

/// One restart, by one way or another; gives the longest time without a write.
fn one(
    bench: &Bench<'_>,
    loyal: &mut Loyal,
    load: &Load,
    wanted: &mut Value,
    round: u32,
) -> Result<Duration> {
    loyal.look(&bench.zke.pods()?);
    let before = uids(&bench.zke.pods()?);
    let epoch = epoch(bench)?;
    let began = Instant::now();
    match round % 3 {
        0 => {
            let word = format!("quorate.dev/restartedAt=round {round}");
            let (namespace, name) = (bench.zke.namespace, bench.zke.name);
            let words = ["annotate", "--overwrite", "--namespace", namespace, "zke"];
            bench
                .zke
                .kubectl
                .run(&[&words[..], &[name, &word]].concat())?;
        }
        1 => {
            set(
                wanted,
                "/spec/config",
                json!({ "snapCount": (100_000 + round).to_string() }),
            )?;
            apply(bench, wanted)?;
        }
        _ => {
            let template = json!({ "annotations": { "example.com/round": round.to_string() } });
            set(wanted, "/spec/voters/template", template.clone())?;
            set(wanted, "/spec/observers/template", template)?;
            apply(bench, wanted)?;
        }
    }
    let mut most_away = 0;
    wait_for("every pod to be another one", ROLLED_LIMIT, || {
        let pods = loyal::pods(bench)?;
        loyal.look(&pods);
        let voters = |pod: &&Value| role(pod) == Some("voter");
        let ready = pods
            .iter()
            .filter(voters)
            .filter(|pod| is_ready(pod))
            .count();
        let wanted = wanted
            .pointer("/spec/voters/replicas")
            .and_then(Value::as_u64);
        let away = usize::try_from(wanted.unwrap_or(0))
            .unwrap_or(0)
            .saturating_sub(ready);
        most_away = most_away.max(away);
        let now = uids(&pods);
        let left = now.intersection(&before).count();
        let all = now.len() == before.len() && pods.iter().all(is_ready);
        (left == 0 && all)
            .then_some(())
            .ok_or(format!("{left} to go, {away} away"))
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    loyal.look(&bench.zke.pods()?);
    let gap = load.longest_gap_since(began);
    ensure!(
        most_away <= 1,
        "{most_away} voters were away at the same time"
    );
    let elections = self::epoch(bench)? - epoch;
    ensure!(elections == 1, "the epoch changed {elections} times");
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    let noticed = loyal.noticed();
    ensure!(
        noticed.is_empty(),
        "clients noticed: {}",
        noticed.join("; ")
    );
    Ok(gap)
}

/// The epoch of the leader.
fn epoch(bench: &Bench<'_>) -> Result<i64> {
    let leader = bench.zke.leader_pod()?;
    let pods = bench.zke.pods()?;
    let pod = pods
        .iter()
        .find(|pod| crate::kube::zke::pod_name(pod) == leader);
    let address = reach::pod(pod.context("the leader has a pod")?, ADMIN_PORT)?;
    Ok(i64::from(admin::status(address)?.epoch))
}
