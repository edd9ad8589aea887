//! Quorate on a cluster: what a person does with kubectl and Helm, done by program; the demo and the
//! end-to-end tests.
//!
//! Addresses of Services and pods are reachable only from a node. In the harness's own cluster the
//! tool therefore starts itself again inside a node's network namespace for whatever talks to them.

mod authority;
/// The end-to-end checks.
pub mod checks;
/// What `demo` does.
pub mod demo;
mod images;
mod install;
mod kubectl;
mod load;
mod prometheus;
mod reach;
mod zke;

pub use kubectl::Kubectl;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cluster::{self, Layout};
use crate::progress::Progress;

/// Where the operator runs.
const OPERATOR_NAMESPACE: &str = "quorate-system";

/// A cluster with the operator on it.
#[derive(Debug)]
pub struct Installed {
    /// Client of its API.
    pub kubectl: Kubectl,
    layout: Layout,
}

/// Makes sure that there is a cluster and that this checkout's operator runs on it.
///
/// # Errors
/// When any step fails; the text says which.
pub fn prepare(progress: &Progress, layout: Layout) -> Result<Installed> {
    let kubeconfig = cluster::ensure(progress, &layout)?;
    let images = images::load(progress, &layout)?;
    let kubectl = Kubectl::new(kubeconfig)?;
    install::operator(progress, &kubectl, &images)?;
    Ok(Installed { kubectl, layout })
}

/// A file of this checkout.
fn repository_file(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.parent().unwrap_or(&root).join(name)
}

/// A binary that the caller has built, named by an environment variable.
fn binary(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_file())
        .with_context(|| format!("{variable} does not name a binary; use the justfile's recipes"))
}
