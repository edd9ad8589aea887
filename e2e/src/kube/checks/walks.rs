//! The number of voters goes up and down at random, with changes of mind before anything is done, and
//! with volumes that are deleted while nobody uses them. Nothing acknowledged is lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::refusals::set;
use super::scaling::delete_volumes_from;
use super::{Bench, READY_LIMIT, manifest};
use crate::faults::random::Random;
use crate::kube::load::Load;

const WRITERS: usize = 2;

/// Walks, and changes in each.
const WALKS: u64 = 10;
const CHANGES: u32 = 6;

/// Longest wait before another change, s.
const PATIENCE_MAX_S: usize = 25;

/// Until a walk has come to its end: up to six changes are still to be made.
const END_LIMIT: Duration = Duration::from_secs(300);

/// Ten walks, from three voters to three.
pub(super) fn number_of_voters_walks(bench: &Bench<'_>) -> Result<String> {
    let load = Load::start(bench.service()?, "/walked", WRITERS)?;
    let began = Instant::now();
    let mut said = Vec::new();
    for seed in 1..=WALKS {
        let mut random = Random::new(seed);
        let walk = walk(bench, &mut random).with_context(|| format!("walk {seed}: {said:?}"))?;
        said.push(walk);
    }
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    Ok(format!(
        "{WALKS} walks in {:.0} s, {} acknowledged writes, all there on each pod, longest gap {:.2} s, \
         digest {digest}\n      {}",
        began.elapsed().as_secs_f32(),
        acknowledged.len(),
        gap.as_secs_f32(),
        said.join("\n      ")
    ))
}

fn walk(bench: &Bench<'_>, random: &mut Random) -> Result<String> {
    let mut steps = Vec::new();
    for _ in 0..CHANGES {
        let voters = random.choose(&[1, 3, 5]).copied().unwrap_or(3);
        ask(bench, voters)?;
        let patience = u64::try_from(random.below(PATIENCE_MAX_S))?;
        let patience = Duration::from_secs(patience);
        std::thread::sleep(patience);
        steps.push(format!("{voters} ({} s)", patience.as_secs()));
    }
    ask(bench, 3)?;
    bench
        .zke
        .wait_ready(bench.progress, END_LIMIT)
        .with_context(|| steps.join(", "))?;
    if random.below(2) == 1 {
        delete_volumes_from(bench, 3)?;
        steps.push("unused volumes deleted".to_owned());
    }
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(steps.join(", "))
}

fn ask(bench: &Bench<'_>, voters: u8) -> Result<()> {
    let mut wanted = manifest();
    set(&mut wanted, "/spec/voters/replicas", json!(voters))?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    Ok(())
}
