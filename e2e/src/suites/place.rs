//! Where a suite runs: a directory of its own, and the program that it starts as its server.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::peers::{Kind, apache, quorate};
use crate::progress::{Look, Progress};
use crate::shell;
use crate::tools::maven;

/// Heap of a Java server: many live at once, and each holds little.
const HEAP: &str = "-Xmx512m";

/// The directory of a run, and what it stands for.
#[derive(Debug)]
pub struct Place {
    /// Whose server is under test.
    pub kind: Kind,
    directory: TempDir,
}

impl Place {
    /// Makes the directory and writes the server's program into it.
    ///
    /// # Errors
    /// When the server is not to be had.
    pub fn new(kind: Kind) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("suite-").tempdir()?;
        let place = Self { kind, directory };
        let script = match kind {
            Kind::Apache => apache_script()?,
            Kind::Quorate => format!("exec '{}' serve \"$1\"\n", quorate::binary()?.display()),
        };
        fs::write(place.server(), format!("#!/bin/sh\n{script}"))?;
        fs::set_permissions(place.server(), fs::Permissions::from_mode(0o755))?;
        Ok(place)
    }

    /// The program that serves with the configuration file that it is given. Definitions are in
    /// the environment, as `SERVER_JVMFLAGS`.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.path().join("server")
    }

    /// The directory; it goes away with this value.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Keeps the directory with its logs, and returns where it is.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }

    /// Runs a test runner to its end, with its output in `log`. How it ends does not matter: the
    /// tests that failed are in its report. Whatever it started is gone afterwards.
    ///
    /// # Errors
    /// When it cannot be started, or does not end within `limit`.
    pub fn run(
        &self,
        progress: &Progress,
        what: &str,
        command: &mut Command,
        log: &str,
        limit: Duration,
    ) -> Result<PathBuf> {
        let log = self.path().join(log);
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn();
        let mut child =
            child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let group = Pid::from_child(&child);
        let waited = progress.wait(what, limit, || {
            Ok(match child.try_wait()? {
                Some(_) => Look::Done(()),
                None => Look::Waiting(format!("runs, output in {}", log.display())),
            })
        });
        // Servers of tests that did not stop theirs; there may be none.
        kill_process_group(group, Signal::KILL).unwrap_or_default();
        drop(child.wait());
        waited?;
        Ok(log)
    }
}

fn apache_script() -> Result<String> {
    let java = shell::find("java").context("no java")?;
    let logback = apache::java_sources().join("logback.xml");
    Ok(format!(
        "exec '{}' {HEAP} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $SERVER_JVMFLAGS \
         '-Dlogback.configurationFile={}' -cp '{}' \
         org.apache.zookeeper.server.quorum.QuorumPeerMain \"$1\"\n",
        java.display(),
        logback.display(),
        apache::class_path()?.display(),
    ))
}

/// Where the suites' own files are, in the directory of this name.
#[must_use]
pub fn sources(suite: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("suites")
        .join(suite)
}

/// Makes sure that what the Maven project of a suite names is in the cache, and returns the
/// directory of the jars.
///
/// # Errors
/// When there is no Maven, or it fails.
pub fn jars(progress: &Progress, suite: &str) -> Result<PathBuf> {
    let project = sources(suite).join("pom.xml");
    let wanted = fs::read_to_string(&project)?;
    let directory = crate::cache::directory()?.join(format!("suite-{suite}"));
    let complete = directory.join("complete");
    if fs::read_to_string(&complete).is_ok_and(|text| text == wanted) {
        return Ok(directory);
    }
    progress.say(format!("fetching the jars of {suite}"));
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    maven::copy_dependencies(&project, &directory)
        .with_context(|| format!("cannot fetch the jars of {suite}"))?;
    fs::write(&complete, wanted)?;
    Ok(directory)
}

/// Reads a report; a runner that wrote none is an error with the end of its log.
///
/// # Errors
/// When there is none.
pub fn report(path: &Path, log: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(_) => bail!("the tests left no report: {}", shell::log_tail(log)),
    }
}
