//! Half an hour of rolling restarts, of scaling and of leads that are passed on.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::{Watch, as_before, nothing_lost};
use crate::kube::binary;
use crate::kube::checks::observers::{Zones, role, with_observers, zones};
use crate::kube::checks::refusals::set;
use crate::kube::checks::{Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::zke::pod_name;
use crate::shell;

/// One, since each of its writes is read from each pod at the end.
const WRITERS: usize = 1;

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

/// Until a change of all pods, or of their number, has come true.
const DONE_LIMIT: Duration = Duration::from_secs(420);

/// Writes between two pieces of work.
const BETWEEN: usize = 100;

/// Number of voters and of observers at first.
const BEFORE: (u8, usize) = (3, 3);

/// And then, one after the other.
const SIZES: [(u8, usize); 4] = [(5, 3), (5, 6), (3, 6), BEFORE];

/// None of the alerts fires.
pub(in crate::kube::checks) fn planned_work_is_quiet(bench: &Bench<'_>) -> Result<String> {
    let zones = zones(bench)?;
    size(bench, &zones, BEFORE, 0)?;
    let watch = Watch::start(bench)?;
    let load = Load::start(bench.service()?, "/planned", WRITERS)?;
    let began = Instant::now();
    let mut rounds = 0;
    let mut passed_on = 0;
    for sizes in SIZES.iter().cycle() {
        if began.elapsed() >= HALF_AN_HOUR {
            break;
        }
        rounds += 1;
        let name = format!("round {rounds}, {sizes:?}");
        bench.progress.say(&name);
        size(bench, &zones, *sizes, rounds).with_context(|| name.clone())?;
        load.wait_more(BETWEEN, DONE_LIMIT)?;
        passed_on += pass_on(bench).with_context(|| name.clone())?;
        load.wait_more(BETWEEN, DONE_LIMIT)?;
        watch.nothing_at_all().context(name)?;
    }
    let gap = load.longest_gap_since(began);
    let writes = nothing_lost(bench, load)?;
    watch.nothing_at_all()?;
    as_before(bench)?;
    Ok(format!(
        "{rounds} changes of the number of servers with a restart of all of them each, and {passed_on} leads that \
         were passed on, in {:.0} s: no alert; longest write gap {:.2} s; {writes}",
        began.elapsed().as_secs_f32(),
        gap.as_secs_f32()
    ))
}

/// Asks for so many servers, and for a restart of all of them by a change of their template.
fn size(
    bench: &Bench<'_>,
    zones: &Zones,
    (voters, observers): (u8, usize),
    round: u32,
) -> Result<()> {
    let mut wanted = with_observers(zones, observers)?;
    set(&mut wanted, "/spec/voters/replicas", json!(voters))?;
    let template = json!({ "annotations": { "example.com/round": round.to_string() } });
    set(&mut wanted, "/spec/voters/template", template.clone())?;
    set(&mut wanted, "/spec/observers/template", template)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, DONE_LIMIT)
}

/// Passes on the lead to each voter in turn, by the plugin; how many times.
fn pass_on(bench: &Bench<'_>) -> Result<usize> {
    let pods = bench.zke.pods()?;
    let voters = pods.iter().filter(|pod| role(pod) == Some("voter"));
    let mut done = 0;
    for voter in voters.map(pod_name) {
        if voter == bench.zke.leader_pod()? {
            continue;
        }
        let mut command = Command::new(binary("QUORATE_PLUGIN_BIN")?);
        command
            .arg("--kubeconfig")
            .arg(bench.zke.kubectl.kubeconfig())
            .args(["--namespace", bench.zke.namespace])
            .args(["transfer", bench.zke.name, "--to", &voter]);
        shell::run(&mut command)?;
        bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
        done += 1;
    }
    Ok(done)
}
