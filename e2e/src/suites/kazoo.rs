//! The test suite of kazoo, the Python client, from its source package, unmodified.
//!
//! It starts its cluster of three by `java .. QuorumPeerMain zoo.cfg`, and `suites/kazoo/java`,
//! first in `PATH`, passes that on to the server under test.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::junit;
use super::place::{Place, report, sources};
use super::verdict::Verdicts;
use crate::peers::{Kind, apache, ports};
use crate::progress::Progress;
use crate::{cache, shell};

/// The release whose source package is run.
const RELEASE: &str = "kazoo-2.10.0";

const LIMIT: Duration = Duration::from_secs(1_800);

/// Ports that a cluster of kazoo's takes from its first one on.
const CLUSTER_PORTS: u16 = 30;

/// Runs the tests, or those with the names in `only`.
///
/// # Errors
/// When Python or the packages are not to be had, or the tests do not end.
pub fn run(progress: &Progress, place: &Place, only: Option<&[String]>) -> Result<Verdicts> {
    let (python, sources_of_kazoo) = prepare(progress)?;
    let xml = place.path().join("kazoo.xml");
    let shim = sources("kazoo");
    let mut path = OsString::from(&shim);
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new(&python);
    command
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"])
        .arg(format!("--junitxml={}", xml.display()))
        .current_dir(&sources_of_kazoo)
        .env("PATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TMPDIR", place.path())
        .env("SUITE_SERVER", place.server())
        .env("SUITE_PYTHON", &python)
        .env("ZOOKEEPER_VERSION", apache::VERSION)
        // Unused: the class path is the server's own affair. But kazoo insists on one.
        .env("ZOOKEEPER_CLASSPATH", place.path())
        .env("ZOOKEEPER_PORT_OFFSET", free_ports()?.to_string());
    if place.kind == Kind::Quorate {
        command.env("SUITE_PEM", "1");
    }
    match only {
        None => drop(command.arg("kazoo/tests")),
        Some(names) => drop(command.args(names.iter().filter_map(|name| node_id(name)))),
    }
    let log = place.run(progress, "kazoo's tests", &mut command, "kazoo.log", LIMIT)?;
    Ok(junit::verdicts(&report(&xml, &log)?, "::"))
}

/// `kazoo.tests.test_x.TestX::test_y`, as the report has it, as pytest wants it.
fn node_id(name: &str) -> Option<String> {
    let (class, test) = name.split_once("::")?;
    // A test outside of a class has its module alone before its name.
    let (file, class) = match class.rsplit_once('.') {
        Some((module, class)) if class.starts_with(char::is_uppercase) => {
            (module, format!("::{class}"))
        }
        _ => (class, String::new()),
    };
    Some(format!("{}.py{class}::{test}", file.replace('.', "/")))
}

/// Makes sure that kazoo's sources and what its tests import are in the cache.
fn prepare(progress: &Progress) -> Result<(PathBuf, PathBuf)> {
    let requirements = sources("kazoo").join("requirements.txt");
    let wanted = format!("{RELEASE}\n{}", fs::read_to_string(&requirements)?);
    let directory = cache::directory()?.join("suite-kazoo");
    let found = (directory.join("bin/python"), directory.join(RELEASE));
    let installed = directory.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(found);
    }
    progress.say("fetching kazoo and what its tests need");
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&directory))
        .context("cannot make a virtual environment (is python3-venv installed?)")?;
    pip(
        &found.0,
        &[Path::new("install"), Path::new("-r"), &requirements],
    )?;
    let package = RELEASE.replace("kazoo-", "kazoo==");
    pip(
        &found.0,
        &[
            Path::new("download"),
            Path::new("--no-deps"),
            Path::new("--no-binary"),
            Path::new("kazoo"),
            Path::new("--dest"),
            &directory,
            Path::new(&package),
        ],
    )?;
    shell::run(
        Command::new("tar")
            .arg("-xzf")
            .arg(directory.join(format!("{RELEASE}.tar.gz")))
            .arg("-C")
            .arg(&directory),
    )?;
    fs::write(&installed, wanted)?;
    Ok(found)
}

fn pip(python: &Path, words: &[&Path]) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "-q", "--disable-pip-version-check"]);
    shell::run(command.args(words)).map(drop)
}

/// Returns a port after which all that a cluster needs are free.
fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let first = ports::free()?;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first.saturating_add(CLUSTER_PORTS)).all(free) {
            return Ok(first);
        }
    }
    bail!("there are no {CLUSTER_PORTS} free ports in a row")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_node_ids() {
        assert_eq!(
            node_id("kazoo.tests.test_lock.KazooLockTests::test_lock").unwrap(),
            "kazoo/tests/test_lock.py::KazooLockTests::test_lock"
        );
        assert_eq!(
            node_id("kazoo.tests.test_utils::test_it").unwrap(),
            "kazoo/tests/test_utils.py::test_it"
        );
    }
}
