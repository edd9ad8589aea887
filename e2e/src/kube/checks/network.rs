//! The NetworkPolicy comes and goes as the spec says. That the network obeys it is not looked at: many
//! clusters' networks do not.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::refusals::set;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::OPERATOR_NAMESPACE;
use crate::kube::zke::uids;
use crate::peers::wait_for;

/// Until the object is there, or gone.
const LIMIT: Duration = Duration::from_secs(60);

/// Switches it on and off again; no pod is restarted for it.
pub(super) fn policy_comes_and_goes(bench: &Bench<'_>) -> Result<String> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let before = uids(&bench.zke.pods()?);
    let monitoring = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } },
    });
    let mut wanted = manifest();
    let access = json!({ "metricsFrom": [monitoring] });
    set(&mut wanted, "/spec/networkPolicy", access)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    let policy = wait_for("the NetworkPolicy", LIMIT, || {
        let found = policies(bench).map_err(|error| error.to_string())?;
        found.into_iter().next().ok_or_else(|| "none".to_owned())
    })?;
    let at = |pointer: &str| policy.pointer(pointer).cloned().unwrap_or_default();
    for (pointer, expected) in [
        (
            "/spec/podSelector/matchLabels/quorate.dev~1ensemble",
            json!(bench.zke.name),
        ),
        ("/spec/policyTypes", json!(["Ingress"])),
        (
            "/spec/ingress/0/from/0/podSelector",
            at("/spec/podSelector"),
        ),
        ("/spec/ingress/0/ports/0/port", json!(2888)),
        ("/spec/ingress/0/ports/1/port", json!(3888)),
        ("/spec/ingress/1/from", Value::Null),
        ("/spec/ingress/1/ports/0/port", json!(2181)),
        (
            "/spec/ingress/2/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name",
            json!(OPERATOR_NAMESPACE),
        ),
        ("/spec/ingress/2/from/1", monitoring),
        ("/spec/ingress/2/ports/0/port", json!(8080)),
    ] {
        ensure!(
            at(pointer) == expected,
            "{pointer} of the policy is {}",
            at(pointer)
        );
    }
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    wait_for("the NetworkPolicy to go", LIMIT, || {
        let left = policies(bench).map_err(|error| error.to_string())?.len();
        (left == 0)
            .then_some(())
            .ok_or_else(|| format!("{left} left"))
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    ensure!(uids(&bench.zke.pods()?) == before, "pods were restarted");
    Ok(
        "the object came as wanted and went, no pod was restarted; enforcement is not tested"
            .to_owned(),
    )
}

/// The policies of the ensemble.
fn policies(bench: &Bench<'_>) -> Result<Vec<Value>> {
    let selector = format!("quorate.dev/ensemble={}", bench.zke.name);
    let words = ["networkpolicies", "--selector", &selector];
    let list = bench.zke.kubectl.get(bench.zke.namespace, &words)?;
    let items = list.pointer("/items").and_then(Value::as_array);
    Ok(items.cloned().unwrap_or_default())
}
