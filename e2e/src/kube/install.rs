//! The operator by Helm, as the README tells people to install it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::images::Images;
use super::{Kubectl, OPERATOR_NAMESPACE, repository_file};
use crate::progress::{Look, Progress};
use crate::shell;
use crate::tools::clients;

/// The chart, in the repository.
pub(super) const CHART: &str = "charts/quorate-operator";

/// How long the operator may take to be available.
const LIMIT: Duration = Duration::from_secs(120);

/// Installs or upgrades the operator, waits until it is available, and lets the chart test itself.
pub(super) fn operator(progress: &Progress, kubectl: &Kubectl, images: &Images) -> Result<()> {
    progress.say("installing the operator with Helm");
    kubectl.ensure_namespace(OPERATOR_NAMESPACE)?;
    let chart = repository_file(CHART);
    helm(kubectl, |command| {
        command
            .args(["upgrade", "--install", "quorate"])
            .arg(&chart)
            .args(["--namespace", OPERATOR_NAMESPACE])
            .args(["--set-string", &set("image", &images.operator)])
            .args(["--set-string", &set("serverImage", &images.server)]);
    })?;
    progress.wait("the operator", LIMIT, || {
        let list = kubectl.get(OPERATOR_NAMESPACE, &["deployments"])?;
        let status = list.pointer("/items/0/status");
        let number = |name: &str| {
            status
                .and_then(|s| s.get(name))
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        let ready = number("availableReplicas") > 0
            && number("updatedReplicas") == number("replicas")
            && number("observedGeneration")
                == list
                    .pointer("/items/0/metadata/generation")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
        Ok(if ready {
            Look::Done(())
        } else {
            Look::Waiting("not available yet".to_owned())
        })
    })?;
    test(kubectl)
}

/// The chart's two values of an image reference.
fn set(value: &str, reference: &str) -> String {
    let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, ""));
    format!("{value}.repository={repository},{value}.tag={tag}")
}

/// The values of the release that is installed: the images that are on the cluster.
pub(super) fn values(kubectl: &Kubectl) -> Result<Value> {
    let text = helm(kubectl, |command| {
        command.args([
            "get",
            "values",
            "quorate",
            "--namespace",
            OPERATOR_NAMESPACE,
        ]);
        command.args(["--output", "json"]);
    })?;
    serde_json::from_str(&text).context("helm printed no JSON")
}

/// Installs this chart of the operator with the values of a file and others, by name, whether it is there or not,
/// and waits until it works.
pub(super) fn again(kubectl: &Kubectl, chart: &Path, file: &Path, others: &Value) -> Result<()> {
    helm(kubectl, |command| {
        command.args(["upgrade", "--install", "quorate"]).arg(chart);
        command.args(["--namespace", OPERATOR_NAMESPACE, "--reset-values"]);
        command.arg("--values").arg(file);
        for (name, value) in others.as_object().into_iter().flatten() {
            command.args(["--set-json", &format!("{name}={value}")]);
        }
        command.args(["--wait", "--timeout", "3m"]);
    })?;
    Ok(())
}

/// Lets the chart test itself.
pub(super) fn test(kubectl: &Kubectl) -> Result<()> {
    helm(kubectl, |command| {
        command.args(["test", "quorate", "--namespace", OPERATOR_NAMESPACE]);
    })?;
    Ok(())
}

/// Removes the operator; what it made stays, for it belongs to the ensembles.
pub(super) fn remove(kubectl: &Kubectl) -> Result<()> {
    helm(kubectl, |command| {
        command.args(["uninstall", "quorate", "--ignore-not-found", "--wait"]);
        command.args(["--namespace", OPERATOR_NAMESPACE]);
    })?;
    Ok(())
}

/// Runs Helm with these arguments, and returns what it printed.
pub(super) fn helm(kubectl: &Kubectl, arguments: impl FnOnce(&mut Command)) -> Result<String> {
    let program = clients::locate("helm")
        .ok()
        .or_else(|| shell::find("helm"))
        .context("no helm; `quorate-e2e deps` brings one")?;
    let mut command = Command::new(program);
    arguments(&mut command);
    command
        .arg("--kubeconfig")
        .arg::<&Path>(kubectl.kubeconfig());
    shell::run(&mut command)
}
