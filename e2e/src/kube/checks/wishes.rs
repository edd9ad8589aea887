//! Everything that an operator does with voters and observers, one wish after the other, while something
//! makes its life hard: each comes true, and no two voters are away at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::observers::{role, with_observers, zones};
use super::refusals::set;
use super::restarts::is_ready;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::kube::zke::{condition, pod_name};
use crate::peers::wait_for;

/// Until one wish is true: each end of an operator costs the time of a Lease.
const WISH_LIMIT: Duration = Duration::from_secs(420);

/// How long writes may stay away when a leader is restarted.
const GAP_LIMIT: Duration = Duration::from_secs(3);

const WRITERS: usize = 2;

/// Number of voters, number of observers, `tickTime`.
const WISHES: [(u8, usize, &str); 7] = [
    (3, 3, "2000"),
    (3, 3, "2500"),
    (5, 3, "2500"),
    (5, 1, "2000"),
    (3, 6, "2000"),
    (1, 2, "2000"),
    (3, 2, "2000"),
];

/// Makes all wishes; `begun` is called when one has been made, `look` again and again until it is true.
pub(super) fn come_true(
    bench: &Bench<'_>,
    mut begun: impl FnMut() -> Result<()>,
    mut look: impl FnMut() -> Result<()>,
) -> Result<()> {
    let zones = zones(bench)?;
    for (voters, observers, tick) in WISHES {
        let wish = format!("{voters} voters, {observers} observers, tickTime {tick}");
        bench.progress.say(&wish);
        let mut wanted = with_observers(&zones, observers)?;
        set(&mut wanted, "/spec/voters/replicas", json!(voters))?;
        set(&mut wanted, "/spec/config", json!({ "tickTime": tick }))?;
        bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
        begun().with_context(|| wish.clone())?;
        wait_for("the wish", WISH_LIMIT, || {
            let looked = look().and_then(|()| state(bench, usize::from(voters) + observers));
            match looked.map_err(|error| format!("{error:#}"))? {
                State::True => Ok(Ok(())),
                State::NotYet(why) => Err(why),
                State::Wrong(why) => Ok(Err(anyhow!(why))),
            }
        })
        .and_then(|found| found)
        .with_context(|| wish.clone())?;
    }
    Ok(())
}

/// Lets all wishes come true by `story` under a write load, goes back to the ensemble of before, and sees that
/// nothing acknowledged is lost; the figures.
pub(super) fn under_load(
    bench: &Bench<'_>,
    base: &str,
    story: impl FnOnce() -> Result<()>,
) -> Result<String> {
    let load = Load::start(bench.service()?, base, WRITERS)?;
    let began = Instant::now();
    story()?;
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

/// How far a wish has come.
enum State {
    True,
    NotYet(String),
    Wrong(String),
}

fn state(bench: &Bench<'_>, pods_wanted: usize) -> Result<State> {
    let object = bench.zke.get()?;
    let pods = bench.zke.pods()?;
    let members = object.pointer("/status/membership/voters");
    let votes = |pod: &&Value| {
        let ordinal = pod_name(pod)
            .rsplit_once('-')
            .and_then(|(_, n)| n.parse::<u64>().ok());
        let id = ordinal.map(|ordinal| json!(ordinal + 1));
        let members = members.and_then(Value::as_array);
        role(pod) == Some("voter") && id.is_some_and(|id| members.is_some_and(|m| m.contains(&id)))
    };
    let away = pods
        .iter()
        .filter(votes)
        .filter(|pod| !is_ready(pod))
        .count();
    if away > 1 {
        return Ok(State::Wrong(format!(
            "{away} voters are away at the same time"
        )));
    }
    let ready = condition(&object, "Ready");
    let current = object.pointer("/metadata/generation");
    let as_wished = ready.and_then(|c| c.get("status")) == Some(&json!("True"))
        && ready.and_then(|c| c.get("observedGeneration")) == current
        && pods.len() == pods_wanted;
    let why = ready.and_then(|c| c.get("message")).and_then(Value::as_str);
    Ok(if as_wished {
        State::True
    } else {
        State::NotYet(format!("{} pods, {}", pods.len(), why.unwrap_or_default()))
    })
}
