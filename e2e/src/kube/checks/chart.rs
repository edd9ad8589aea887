//! An ensemble by its chart: installed, written and read by `helm test`, and uninstalled; its volume stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Bench, READY_LIMIT};
use crate::kube::install::helm;
use crate::kube::repository_file;
use crate::kube::zke::{Zke, pod_name};
use crate::peers::wait_for;

/// A namespace of its own.
const NAMESPACE: &str = "quorate-e2e-chart";

/// Name of the release, and of the ensemble.
const RELEASE: &str = "by-chart";

/// Until everything is gone.
const GONE_LIMIT: Duration = Duration::from_secs(60);

/// One voter is enough to see the chart work.
pub(super) fn ensemble_by_helm(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    kubectl.ensure_namespace(NAMESPACE)?;
    let pods = bench.zke.pods()?;
    let image = pods
        .first()
        .and_then(|pod| pod.pointer("/spec/containers/0/image"));
    let image = image
        .and_then(Value::as_str)
        .context("a pod with an image")?;
    let chart = repository_file("charts/quorate-ensemble");
    let notes = helm(kubectl, |command| {
        command
            .args(["install", RELEASE])
            .arg(&chart)
            .args([
                "--namespace",
                NAMESPACE,
                "--set",
                "spec.voters.replicas=1,spec.voters.storage.size=1Gi",
            ])
            .args(["--set-string", &format!("test.image={image}")]);
    })?;
    ensure!(notes.contains(&format!("helm test {RELEASE}")), "{notes}");
    let zke = Zke {
        kubectl,
        namespace: NAMESPACE,
        name: RELEASE,
    };
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    let tested = helm(kubectl, |command| {
        command.args(["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "3m"]);
    })?;
    ensure!(tested.contains("Succeeded"), "{tested}");
    helm(kubectl, |command| {
        command.args(["uninstall", RELEASE, "--namespace", NAMESPACE]);
    })?;
    wait_for("the ensemble to go", GONE_LIMIT, || {
        let left = zke.pods().map_err(|error| error.to_string())?;
        let left: Vec<String> = left.iter().map(pod_name).collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })?;
    let volumes = kubectl.get(NAMESPACE, &["persistentvolumeclaims"])?;
    let volumes = volumes.pointer("/items").and_then(Value::as_array);
    let volumes = volumes.context("a list of volumes")?.len();
    ensure!(volumes == 1, "{volumes} volumes are there");
    kubectl.run(&["delete", "namespace", NAMESPACE])?;
    Ok("written and read by helm test; the volume stayed".to_owned())
}
