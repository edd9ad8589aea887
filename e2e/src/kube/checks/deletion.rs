//! An ensemble is deleted, and one with its namespace: everything goes within half a minute, and volumes
//! stay as long as their namespace does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::observers::{with_observers, zones};
use super::{Bench, READY_LIMIT};
use crate::kube::zke::{Zke, pod_name};
use crate::peers::wait_for;

/// Everything has to be gone by then.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// A namespace of its own.
const NAMESPACE: &str = "quorate-e2e-gone";

/// What an ensemble is made of.
const KINDS: &str = "statefulsets,services,configmaps,poddisruptionbudgets,pods";

/// Deletes the ensemble, makes it again on its volumes, and deletes the namespace.
pub(super) fn deleted_ensembles_go(bench: &Bench<'_>) -> Result<String> {
    let zones = zones(bench)?;
    let kubectl = bench.zke.kubectl;
    kubectl.ensure_namespace(NAMESPACE)?;
    let zke = Zke {
        namespace: NAMESPACE,
        ..bench.zke.clone()
    };
    let ensemble = with_observers(&zones, zones.len())?;
    kubectl.apply(NAMESPACE, &ensemble)?;
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    let began = Instant::now();
    let words = ["delete", "zke", zke.name, "--namespace", NAMESPACE];
    kubectl.run(&words)?;
    wait_for("everything of the ensemble to go", GONE_LIMIT, || {
        let selector = format!("quorate.dev/ensemble={}", zke.name);
        let list = kubectl
            .get(NAMESPACE, &[KINDS, "--selector", &selector])
            .map_err(|error| error.to_string())?;
        let items = list.pointer("/items").and_then(Value::as_array);
        let left: Vec<String> = items.into_iter().flatten().map(pod_name).collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })?;
    let alone = began.elapsed();
    let volumes = kubectl.get(NAMESPACE, &["persistentvolumeclaims"])?;
    let volumes = volumes.pointer("/items").and_then(Value::as_array);
    let volumes = volumes.context("a list of volumes")?.len();
    ensure!(volumes == 3, "{volumes} volumes are there");

    let began = Instant::now();
    kubectl.apply(NAMESPACE, &ensemble)?;
    let words = ["delete", "namespace", NAMESPACE, "--timeout", "30s"];
    kubectl
        .run(&words)
        .context("the namespace, with an ensemble that was just being made")?;
    Ok(format!(
        "all gone {:.1} s after the ensemble, three volumes stayed; {:.1} s for the namespace",
        alone.as_secs_f32(),
        began.elapsed().as_secs_f32()
    ))
}
