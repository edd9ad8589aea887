//! Helm for charts that are looked at without a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use quorate_e2e::progress::Progress;
use quorate_e2e::shell;
use quorate_e2e::tools::clients;

use crate::alone;

/// A chart of this checkout.
pub(crate) fn chart(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts");
    root.join(name)
}

/// Helm, brought if it is not there; without a cluster that it could reach.
pub(crate) fn helm() -> Result<Command> {
    let _machine = alone();
    let mut command = Command::new(clients::helm(&Progress::default())?);
    command.env("KUBECONFIG", "/dev/null");
    Ok(command)
}

/// The manifests of the operator's chart with these options.
pub(crate) fn manifests(options: &[&str]) -> Result<Vec<String>> {
    let mut command = helm()?;
    command.args(["template", "quorate-operator"]);
    command.arg(chart("quorate-operator"));
    command
        .args(["--namespace", "quorate-system"])
        .args(options);
    let text = shell::run(&mut command)?;
    Ok(text.split("\n---\n").map(str::to_owned).collect())
}
