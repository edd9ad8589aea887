//! Specs with which no server runs: the rollout stops at its first pod, the conditions say which and why,
//! and taking the spec back mends that pod and touches no other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::refusals::set;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::zke::{condition, pod_name, uid};
use crate::peers::wait_for;

/// Until the conditions say what is wrong: the first pod has to go and to fail.
const SAID_LIMIT: Duration = Duration::from_secs(90);

/// How long the operator is watched for going on all the same: several of its rounds.
const CALM: Duration = Duration::from_secs(15);

/// A change of the spec, and a word of what the conditions must say.
struct Case {
    name: &'static str,
    field: &'static str,
    value: Value,
    says: &'static str,
}

/// Breaks the spec in three ways, one after the other.
pub(super) fn broken_specs_stop_at_one_pod(bench: &Bench<'_>) -> Result<String> {
    let cases = [
        Case {
            name: "an image that is nowhere",
            field: "/spec/image",
            value: json!("registry.invalid/none:1"),
            says: "Image",
        },
        Case {
            name: "a setting that servers refuse",
            field: "/spec/config",
            value: json!({ "tickTime": "soon" }),
            says: "tickTime",
        },
        Case {
            name: "a node that is not there",
            field: "/spec/voters/template",
            value: json!({ "nodeSelector": { "nowhere": "true" } }),
            says: "nodes are available",
        },
    ];
    let mut said = Vec::new();
    for case in cases {
        let began = Instant::now();
        let message = one(bench, &case).with_context(|| case.name)?;
        said.push(format!(
            "{}: {:.0} s, {message}",
            case.name,
            began.elapsed().as_secs_f32()
        ));
    }
    Ok(format!(
        "{} specs\n      {}",
        said.len(),
        said.join("\n      ")
    ))
}

fn one(bench: &Bench<'_>, case: &Case) -> Result<String> {
    let before = uids(bench)?;
    let mut broken = manifest();
    set(&mut broken, case.field, case.value.clone())?;
    bench.zke.kubectl.apply(bench.zke.namespace, &broken)?;
    let message = wait_for("the conditions to say what is wrong", SAID_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let ready = condition(&object, "Ready");
        let text = ready.and_then(|c| c.get("message")).and_then(Value::as_str);
        let text = text.unwrap_or_default();
        let told = text.contains(case.says);
        told.then(|| text.to_owned()).ok_or(text.to_owned())
    })?;
    let calm = Instant::now();
    while calm.elapsed() < CALM {
        let now = uids(bench)?;
        let touched = before
            .iter()
            .filter(|(name, uid)| now.get(*name) != Some(uid))
            .count();
        ensure!(touched <= 1, "{touched} pods were restarted with it");
        std::thread::sleep(Duration::from_secs(1));
    }
    let stopped = uids(bench)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let after = uids(bench)?;
    let kept = before
        .iter()
        .filter(|(name, uid)| after.get(*name) == Some(uid))
        .count();
    ensure!(
        kept + 1 == before.len(),
        "{kept} of {} pods are the same: {before:?} {stopped:?} {after:?}",
        before.len()
    );
    Ok(message)
}

fn uids(bench: &Bench<'_>) -> Result<BTreeMap<String, String>> {
    let pods = bench.zke.pods()?;
    let uid = |pod: &Value| uid(pod).unwrap_or_default().to_owned();
    Ok(pods.iter().map(|pod| (pod_name(pod), uid(pod))).collect())
}
