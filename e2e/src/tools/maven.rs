//! Jars by package name, through Maven.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// Puts what the project file `pom` names, and what that needs to run, into `directory`.
///
/// # Errors
/// When there is no Maven, or it fails.
pub fn copy_dependencies(pom: &Path, directory: &Path) -> Result<()> {
    shell::run(
        Command::new("mvn")
            .args(["-q", "-B", "-ntp", "dependency:copy-dependencies"])
            .arg("-DincludeScope=runtime")
            .arg(format!("-DoutputDirectory={}", directory.display()))
            .arg("-f")
            .arg(pom),
    )
    .context("is Maven installed?")?;
    Ok(())
}
