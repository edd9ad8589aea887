//! Runs other programs and turns their failure into an error that shows the command and what it
//! wrote.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::progress::{Look, Progress};

/// Where administrators' programs are, on systems that leave these out of a user's `PATH`.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// How many bytes of a log an error shows.
const LOG_TAIL_BYTES: usize = 3000;

/// Runs `command` to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or ends unsuccessfully; the text carries its standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}: {}",
            shown(command),
            output.status,
            errors.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs one program with arguments; see [`run`].
///
/// # Errors
/// As [`run`].
pub fn call(program: impl AsRef<Path>, arguments: &[&str]) -> Result<String> {
    run(Command::new(program.as_ref()).args(arguments))
}

/// Runs a command of minutes with its output in `log`, telling now and then that it still works.
///
/// # Errors
/// When it fails, with the end of the log, or does not end within `limit`.
pub fn run_logged(
    progress: &Progress,
    what: &str,
    command: &mut Command,
    log: &Path,
    limit: Duration,
) -> Result<()> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let waited = progress.wait(what, limit, || {
        Ok(match child.try_wait()? {
            Some(status) => Look::Done(status),
            None => Look::Waiting(format!("running, output in {}", log.display())),
        })
    });
    match waited {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{} ended with {status}:\n{}", shown(command), log_tail(log)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

/// Returns the end of a log, for an error.
pub fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let tail = text
        .get(text.len().saturating_sub(LOG_TAIL_BYTES)..)
        .unwrap_or_default();
    String::from_utf8_lossy(tail).into_owned()
}

/// Returns the full path of a program in `PATH` or the system directories.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
