//! This project's server binary, built before the tests run, and the command that runs it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Names the binary where it is not in the release directory of the workspace.
const VARIABLE: &str = "QUORATE_BIN";

/// Returns the path of the server binary: `$QUORATE_BIN`, or `target/release/quorate`.
///
/// # Errors
/// When it is not there; the text says how to build it.
pub fn binary() -> Result<PathBuf> {
    let path = match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/quorate"),
    };
    if !path.is_file() {
        bail!(
            "no server at {}; build it with `cargo build --release -p quorate-server`, or name it in {VARIABLE}",
            path.display()
        );
    }
    Ok(path)
}

/// Returns the command that serves with the configuration file `config`, and with Java system
/// properties where Apache's start script takes them from.
///
/// # Errors
/// As [`binary`].
pub fn command(config: &Path, properties: &[String]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.arg("serve").arg(config);
    let flags: Vec<String> = properties.iter().map(|p| format!("-D{p}")).collect();
    if !flags.is_empty() {
        command.env("SERVER_JVMFLAGS", flags.join(" "));
    }
    Ok(command)
}
