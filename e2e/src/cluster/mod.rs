//! A Kubernetes cluster of three nodes in three zones on one Linux machine, with real API server,
//! scheduler, kubelets and containers, and without Docker or virtual machines.
//!
//! A node is a network namespace with its own containerd, kubelet, kube-proxy and cgroup; the
//! control plane runs on the host's side of the bridge between them. What is left out: nodes share
//! the kernel, the disk and the process table, kubelets ask nobody who they are, and there is one
//! cluster at a time, for the addresses are fixed.
//!
//! With `KUBECONFIG` set, all of this stays out of the way and that cluster is used.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::tools::{self, Tools};

/// An API server on its bad days.
pub mod bad_api;
mod cgroups;
mod containerd;
/// etcd, API server, controllers and scheduler.
pub mod control_plane;
mod credentials;
/// The name server.
pub mod dns;
mod down;
mod kernel;
mod kubelet;
/// Names, addresses and paths.
pub mod layout;
/// The loss of a node.
pub mod lost;
mod mounts;
/// The nodes' network, and faults in it.
pub mod network;
mod objects;
/// Detached processes.
pub mod processes;
/// Pods behind thin lines.
pub mod slow;
/// What is written down about a running cluster.
pub mod state;
mod up;

pub use layout::{Layout, Node};

/// Makes sure that there is a cluster, and returns the kubeconfig for it: that of `KUBECONFIG` when
/// it is set, of the running one when it is healthy, or of a new one.
///
/// # Errors
/// When the foreign cluster does not answer, a tool cannot be had or a part does not start.
pub fn ensure(progress: &Progress, layout: &Layout) -> Result<PathBuf> {
    if let Some(kubeconfig) = foreign_kubeconfig(layout) {
        control_plane::is_ready(&tools::kubectl()?, &kubeconfig)
            .with_context(|| format!("KUBECONFIG is {}", kubeconfig.display()))?;
        progress.say("using the cluster that KUBECONFIG names");
        return Ok(kubeconfig);
    }
    require_root()?;
    let tools = Tools::ensure(progress)?;
    let _lock = lock(layout)?;
    if up::is_healthy(layout, &tools) {
        progress.say(format!("cluster {} is running", layout.name()));
        return Ok(layout.kubeconfig());
    }
    if !down::leftovers(layout)?.is_empty() {
        progress.say(format!(
            "cluster {} is there but not healthy; starting anew",
            layout.name()
        ));
        down::down(progress, layout)?;
    }
    up::up(progress, layout, &tools)?;
    progress.say(format!("cluster {} is up", layout.name()));
    Ok(layout.kubeconfig())
}

/// Takes the harness's own cluster down, and leaves nothing of it. A foreign cluster is not touched.
///
/// # Errors
/// When something of it stays; the text says what.
pub fn down(progress: &Progress, layout: &Layout) -> Result<()> {
    require_root()?;
    {
        let _lock = lock(layout)?;
        down::down(progress, layout)?;
    }
    check_clean(layout)?;
    progress.say(format!("cluster {} is down", layout.name()));
    Ok(())
}

/// Checks that nothing of the cluster is running, mounted or left on the machine.
///
/// # Errors
/// When something is, naming it.
pub fn check_clean(layout: &Layout) -> Result<()> {
    let found = down::leftovers(layout)?;
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "left of cluster {}:\n  {}",
        layout.name(),
        found.join("\n  ")
    );
}

/// Imports an image archive into the container runtime of every node of our own cluster.
///
/// # Errors
/// When there is no cluster running, or an import fails.
pub fn import_image(layout: &Layout, archive: &Path) -> Result<()> {
    if !layout.state().exists() {
        bail!("no cluster {} is running; bring it up first", layout.name());
    }
    containerd::import(layout, &Tools::locate()?.debian.ctr, archive)
}

/// Kills a container on a node of our own cluster, without a word to what runs in it.
///
/// # Errors
/// When there is no such container.
pub fn kill_container(node: &Node, id: &str) -> Result<()> {
    containerd::kill(node, &Tools::locate()?.debian.ctr, id)
}

/// Returns the kubeconfig that `KUBECONFIG` names, unless it is the harness's own.
pub fn foreign_kubeconfig(layout: &Layout) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os("KUBECONFIG").filter(|value| !value.is_empty())?);
    (path != layout.kubeconfig()).then_some(path)
}

fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    bail!("a cluster of our own needs root; or set KUBECONFIG to one that is there")
}

/// Keeps two processes from building and removing the same cluster at once.
fn lock(layout: &Layout) -> Result<File> {
    let path = layout.lock();
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
