//! Brings an image archive to every node, so that pods can start it without a registry.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cluster::{self, Layout};
use crate::progress::Progress;
use crate::shell;
use crate::tools;

/// Imports `archive` into the container runtime of every node of the cluster in use.
///
/// A foreign cluster, one that `KUBECONFIG` names, can take an archive only if it is kind's.
///
/// # Errors
/// When there is no running cluster, an import fails, or the foreign cluster is not kind's.
pub fn load(progress: &Progress, layout: &Layout, archive: &Path) -> Result<()> {
    if !archive.is_file() {
        bail!("{} is not a file", archive.display());
    }
    if let Some(kubeconfig) = cluster::foreign_kubeconfig(layout) {
        return load_foreign(&kubeconfig, archive);
    }
    progress.say(format!(
        "loading {} on {} nodes",
        archive.display(),
        layout.nodes().len()
    ));
    cluster::import_image(layout, archive)
}

fn load_foreign(kubeconfig: &Path, archive: &Path) -> Result<()> {
    let context = shell::run(
        Command::new(tools::kubectl()?)
            .args(["config", "current-context"])
            .env("KUBECONFIG", kubeconfig),
    )?;
    let kind = context.trim().strip_prefix("kind-");
    match (kind, shell::find("kind")) {
        (Some(name), Some(program)) => {
            let archive = archive
                .to_str()
                .context("the archive's path is not UTF-8")?;
            shell::call(program, &["load", "image-archive", archive, "--name", name])?;
            Ok(())
        }
        _ => bail!(
            "KUBECONFIG names the cluster {:?}, which is not kind's: push {} to a registry that \
             it pulls from, or unset KUBECONFIG ({})",
            context.trim(),
            archive.display(),
            env::var("KUBECONFIG").unwrap_or_default()
        ),
    }
}
