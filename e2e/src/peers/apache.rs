//! Apache ZooKeeper 3.9.5: its jars, fetched once with Maven, and the command that runs a server.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};

use crate::cache;
use crate::tools::maven;

/// The version that everything is compared with; the same as in `peers-java/pom.xml`.
pub const VERSION: &str = "3.9.5";

/// Heap of a server: plenty for the tests, and little enough for five on one machine.
const HEAP: &str = "-Xmx768m";

/// Holds the list that was fetched; written last, so that an interrupted fetch is done again.
const COMPLETE: &str = "complete";

static FETCH: Mutex<()> = Mutex::new(());

/// Returns the sources of the Java programs.
#[must_use]
pub fn java_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers-java")
}

/// Makes sure that the jars are in the cache, and returns their directory.
///
/// # Errors
/// When there is no Maven, or it fails.
pub fn jars() -> Result<PathBuf> {
    let _one_at_a_time = FETCH
        .lock()
        .map_err(|_| anyhow!("a fetch of the jars panicked"))?;
    let directory = cache::directory()?.join(format!("apache-{VERSION}"));
    let complete = directory.join(COMPLETE);
    let wanted = fs::read_to_string(java_sources().join("pom.xml"))?;
    if fs::read_to_string(&complete).is_ok_and(|fetched| fetched == wanted) {
        return Ok(directory);
    }
    fs::create_dir_all(&directory)?;
    maven::copy_dependencies(&java_sources().join("pom.xml"), &directory)
        .context("cannot fetch Apache ZooKeeper")?;
    fs::write(&complete, wanted)?;
    Ok(directory)
}

/// Returns the class path of the jars.
///
/// # Errors
/// As [`jars`].
pub fn class_path() -> Result<OsString> {
    Ok(jars()?.join("*").into_os_string())
}

/// Returns the command that serves with the configuration file `config` and system properties.
///
/// # Errors
/// As [`jars`].
pub fn command(config: &Path, properties: &[String]) -> Result<Command> {
    let logback = java_sources().join("logback.xml");
    let mut command = Command::new("java");
    command
        .args([HEAP, "-XX:+UseSerialGC"])
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .args(properties.iter().map(|property| format!("-D{property}")))
        .arg("-cp")
        .arg(class_path()?)
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
        .arg(config);
    Ok(command)
}
