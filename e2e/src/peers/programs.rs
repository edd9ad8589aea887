//! The client programs that others wrote, each with a small script of ours around it: kazoo,
//! Apache's Java client, the crate `zookeeper-client`.
//!
//! Each takes a connect string, prints one line of JSON and ends with 0 when everything held.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apache;
use crate::{cache, shell};

/// Name of the Rust program beside the hand tool's binary.
const RUST_PROGRAM: &str = "quorate-e2e-client";

/// What one program reported.
#[derive(Debug)]
pub struct Outcome {
    /// Whose client.
    pub name: &'static str,
    /// The line of JSON that it printed.
    pub report: String,
}

/// Returns a command for each program; run them with the connect string as last argument added.
/// `beside` is the directory of this crate's own binaries.
///
/// # Errors
/// When Python, Java or their packages are not to be had.
pub fn commands(beside: &Path) -> Result<Vec<(&'static str, Command)>> {
    let kazoo = kazoo("kazoo_client.py")?;
    let java = java("Main.java")?;
    let rust = Command::new(beside.join(RUST_PROGRAM));
    Ok(vec![
        ("kazoo", kazoo),
        ("java", java),
        ("zookeeper-client", rust),
    ])
}

/// Returns a command for the programs that talk TLS; their arguments are to be added.
///
/// # Errors
/// As [`commands`].
pub fn tls_commands() -> Result<Vec<(&'static str, Command)>> {
    Ok(vec![
        ("kazoo", kazoo("kazoo_tls.py")?),
        ("java", java("Tls.java")?),
    ])
}

/// Returns a command for each program whose clients go on while servers are replaced; the connect
/// string and the number of clients are to be added.
///
/// # Errors
/// As [`commands`].
pub fn migrating() -> Result<Vec<(&'static str, Command)>> {
    Ok(vec![
        ("kazoo", kazoo("kazoo_migrate.py")?),
        ("java", java("Migrate.java")?),
    ])
}

/// Returns a command for each program whose clients stay with one server; the connect string and the
/// number of clients are to be added.
///
/// # Errors
/// As [`commands`].
pub fn staying() -> Result<Vec<(&'static str, Command)>> {
    Ok(vec![
        ("kazoo", kazoo("kazoo_stay.py")?),
        ("java", java("Stay.java")?),
    ])
}

/// Returns a command that changes the members with kazoo; its arguments are to be added.
///
/// # Errors
/// As [`commands`].
pub fn kazoo_reconfig() -> Result<Command> {
    kazoo("kazoo_reconfig.py")
}

fn kazoo(script: &str) -> Result<Command> {
    let mut command = Command::new(kazoo_python()?);
    command.arg(clients_directory().join(script));
    Ok(command)
}

fn java(source: &str) -> Result<Command> {
    let mut command = Command::new("java");
    let logback = apache::java_sources().join("logback.xml");
    command
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .arg("-cp")
        .arg(apache::class_path()?)
        .arg(apache::java_sources().join(source));
    Ok(command)
}

/// Runs every program against `connect`, one after the other.
///
/// # Errors
/// When one fails; the text carries what it printed.
pub fn run_all(beside: &Path, connect: &str) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (name, mut command) in commands(beside)? {
        let output = command.arg(connect).output();
        let output = output.with_context(|| format!("cannot start the {name} program"))?;
        let report = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!(
                "the {name} program ended with {}: {report}\n{errors}",
                output.status
            );
        }
        outcomes.push(Outcome { name, report });
    }
    Ok(outcomes)
}

fn clients_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Makes sure that kazoo is in a virtual environment of its own, and returns its Python.
fn kazoo_python() -> Result<PathBuf> {
    let requirements = clients_directory().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let directory = cache::directory()?.join("kazoo");
    let python = directory.join("bin/python");
    let installed = directory.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&directory))
        .context("cannot make a virtual environment (is python3-venv installed?)")?;
    shell::run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(&requirements),
    )?;
    fs::write(&installed, wanted)?;
    Ok(python)
}
