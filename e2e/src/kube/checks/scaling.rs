//! More voters and fewer, under a write load: the number goes up and down, with volumes that stay and
//! with volumes that were deleted, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::peers::{admin, wait_for};

const WRITERS: usize = 2;

/// Acknowledgements between two changes.
const BETWEEN: usize = 50;

/// How long writes may stay away when a voter goes or comes: its clients have to go elsewhere.
const GAP_LIMIT: Duration = Duration::from_secs(5);

/// Until the pods of former voters are gone.
const GONE_LIMIT: Duration = Duration::from_secs(90);

/// 3, 5, 3, 1, 3 voters on volumes that stay; 1 and 3 again on volumes that were deleted.
pub(super) fn number_of_voters_changes(bench: &Bench<'_>) -> Result<String> {
    let load = Load::start(bench.service()?, "/scales", WRITERS)?;
    let mut said = Vec::new();
    for (voters, fresh) in [
        (5, false),
        (3, false),
        (1, false),
        (3, false),
        (1, false),
        (3, true),
    ] {
        load.wait_more(BETWEEN, GAP_LIMIT * 2)?;
        if fresh {
            delete_volumes_from(bench, 1)?;
        }
        let began = Instant::now();
        scale(bench, voters)?;
        load.wait_more(BETWEEN, GAP_LIMIT * 2)?;
        let gap = load.longest_gap_since(began);
        ensure!(
            gap <= GAP_LIMIT,
            "no write succeeded for {:.1} s on the way to {voters} voters",
            gap.as_secs_f32()
        );
        said.push(format!(
            "{voters}{} in {:.0} s, gap {:.2} s",
            if fresh { " (new volumes)" } else { "" },
            began.elapsed().as_secs_f32(),
            gap.as_secs_f32()
        ));
    }
    let acknowledged: BTreeMap<String, Vec<u8>> = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    Ok(format!(
        "{} acknowledged writes, all there on each pod, digest {digest}\n      {}",
        acknowledged.len(),
        said.join("\n      ")
    ))
}

/// Asks for that many voters and waits until they are the members, and nobody else has a pod.
fn scale(bench: &Bench<'_>, voters: u8) -> Result<()> {
    let mut wanted = manifest();
    *wanted
        .pointer_mut("/spec/voters/replicas")
        .context("the manifest has a number of voters")? = json!(voters);
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench
        .zke
        .wait_ready(bench.progress, READY_LIMIT)
        .with_context(|| format!("{voters} voters"))?;
    wait_for("pods of former voters to go", GONE_LIMIT, || {
        let pods = bench.zke.pods().map_err(|error| error.to_string())?.len();
        (pods == usize::from(voters))
            .then_some(())
            .ok_or(format!("{pods} pods"))
    })?;
    let wanted: Vec<i64> = (1..=i64::from(voters)).collect();
    for (name, _, address) in bench.pods()? {
        let found = admin::status(address)
            .with_context(|| format!("of {name}"))?
            .config
            .voters;
        ensure!(found == wanted, "{name} knows the voters {found:?}");
    }
    Ok(())
}

/// Deletes the volumes of all servers but the first `kept`.
pub(super) fn delete_volumes_from(bench: &Bench<'_>, kept: usize) -> Result<()> {
    let kubectl = bench.zke.kubectl;
    let list = kubectl.get(bench.zke.namespace, &["persistentvolumeclaims"])?;
    let items = list.pointer("/items").and_then(Value::as_array);
    let names = items.into_iter().flatten().filter_map(|item| {
        let name = item.pointer("/metadata/name")?.as_str()?;
        let ordinal: usize = name.rsplit_once('-')?.1.parse().ok()?;
        (ordinal >= kept).then_some(name)
    });
    for name in names {
        kubectl.run(&["delete", "pvc", "--namespace", bench.zke.namespace, name])?;
    }
    Ok(())
}
