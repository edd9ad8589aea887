//! Everything that a cluster is made of and that the machine may not have: Debian packages, kubectl
//! and Helm, and the programs built from the Go modules in `e2e/kubernetes`.
//!
//! Each part looks first whether it is there, so that asking again costs milliseconds.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::progress::Progress;
use crate::shell;

/// kubectl and Helm.
pub mod clients;
/// Debian packages.
pub mod debian;
/// A Go compiler that is new enough.
pub mod go_compiler;
/// The programs that are built from Go modules.
pub mod kubernetes;
/// Jars.
pub mod maven;

/// Where the tools are. Every path exists.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Programs unpacked from Debian packages.
    pub debian: debian::Unpacked,
    /// Programs built from Go modules.
    pub kubernetes: kubernetes::Built,
    /// kubectl.
    pub kubectl: PathBuf,
    /// Helm.
    pub helm: PathBuf,
}

impl Tools {
    /// Finds the tools and makes those that are missing.
    ///
    /// # Errors
    /// When a package cannot be installed or a program not built; the text says which.
    pub fn ensure(progress: &Progress) -> Result<Self> {
        if let Ok(tools) = Self::locate() {
            return Ok(tools);
        }
        debian::install(progress)?;
        clients::install(progress)?;
        kubernetes::build(progress)?;
        Self::locate()
    }

    /// Finds the tools without making any.
    ///
    /// # Errors
    /// When one is missing; the text says which.
    pub fn locate() -> Result<Self> {
        let missing = debian::missing();
        if !missing.is_empty() {
            bail!("missing programs: {}", missing.join(", "));
        }
        Ok(Self {
            debian: debian::Unpacked::locate()?,
            kubernetes: kubernetes::Built::locate()?,
            kubectl: clients::locate("kubectl")?,
            helm: clients::locate("helm")?,
        })
    }
}

/// Returns the kubectl to use: our own, or for a foreign cluster the one in `PATH`.
///
/// # Errors
/// When there is none.
pub fn kubectl() -> Result<PathBuf> {
    clients::locate("kubectl")
        .ok()
        .or_else(|| shell::find("kubectl"))
        .context("no kubectl; `quorate-e2e deps` brings one")
}

fn bin_directory() -> Result<PathBuf> {
    Ok(cache::directory()?.join("bin"))
}
