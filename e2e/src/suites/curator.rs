//! The tests of Apache Curator's recipes, from its test jar, unmodified, and tests of ours for
//! service discovery, whose own are in no jar.
//!
//! They start servers by curator-test, inside of the JVM; the classes in `suites/curator`, first in
//! the class path, start the server under test instead, three for each one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::junit;
use super::place::{Place, jars, report, sources};
use super::verdict::Verdicts;
use crate::peers::apache;
use crate::progress::Progress;
use crate::shell;

const RECIPES: &str = "curator-recipes-5.9.0-tests.jar";

/// The tests of ours.
const OWN: &str = "ServiceDiscoveryTest";

const LIMIT: Duration = Duration::from_secs(3_000);

/// A test that hangs counts as failed after this time, so that the others run.
const TEST_LIMIT: &str = "junit.jupiter.execution.timeout.testable.method.default=240 s";

const BETWEEN: &str = "#";

/// Runs the tests, or those with the names in `only`.
///
/// # Errors
/// When Java or the packages are not to be had, or the tests do not end.
pub fn run(progress: &Progress, place: &Place, only: Option<&[String]>) -> Result<Verdicts> {
    let jars = jars(progress, "curator")?;
    let classes = compile(&jars, place)?;
    let home = place.path().join("servers");
    fs::create_dir_all(&home)?;
    let reports = place.path().join("reports");
    let logback = apache::java_sources().join("logback.xml");
    let mut command = Command::new("java");
    command
        .args(["-Xmx768m", "-XX:+UseSerialGC"])
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .arg(format!("-Dsuite.server={}", place.server().display()))
        .arg(format!("-Dsuite.home={}", home.display()))
        .arg("-cp")
        .arg(class_path(&classes, &jars))
        .args(["org.junit.platform.console.ConsoleLauncher", "execute"])
        .args(["--include-engine=junit-jupiter", "--details=tree"])
        .args(["--disable-banner", "--disable-ansi-colors"])
        .args(["--config", TEST_LIMIT])
        .arg(format!("--reports-dir={}", reports.display()))
        .current_dir(place.path());
    match only {
        None => {
            for class in recipe_tests(&jars.join(RECIPES))? {
                command.args(["-c", &class]);
            }
            command.args(["-c", OWN]);
        }
        Some(names) => {
            for name in names {
                // Parameters of a repeated test are no part of a method's name.
                let method = name.split('(').next().unwrap_or(name);
                command.args(["-m", method]);
            }
        }
    }
    let log = place.run(
        progress,
        "Curator's tests",
        &mut command,
        "curator.log",
        LIMIT,
    )?;
    let xml = reports.join("TEST-junit-jupiter.xml");
    Ok(junit::verdicts(&report(&xml, &log)?, BETWEEN))
}

fn class_path(classes: &Path, jars: &Path) -> OsString {
    let mut path = OsString::from(classes);
    path.push(":");
    path.push(jars.join("*"));
    path
}

fn compile(jars: &Path, place: &Place) -> Result<PathBuf> {
    let classes = place.path().join("classes");
    fs::create_dir_all(&classes)?;
    let root = sources("curator").join("src");
    let curator = root.join("org/apache/curator/test");
    shell::run(
        Command::new("javac")
            .arg("-d")
            .arg(&classes)
            .arg("-cp")
            .arg(jars.join("*"))
            .arg(root.join(format!("{OWN}.java")))
            .arg(curator.join("SuiteEnsemble.java"))
            .arg(curator.join("ZooKeeperServerEmbeddedAdapter.java")),
    )
    .context("cannot compile the servers for Curator's tests (is a JDK installed?)")?;
    Ok(classes)
}

/// The classes with tests in the jar: Curator calls them `Test..`, and its base classes otherwise.
fn recipe_tests(jar: &Path) -> Result<Vec<String>> {
    let python = shell::find("python3").context("no python3")?;
    let list = "import sys, zipfile; print('\\n'.join(zipfile.ZipFile(sys.argv[1]).namelist()))";
    let names = shell::run(Command::new(python).args(["-c", list]).arg(jar))?;
    let mut classes: Vec<String> = names
        .lines()
        .filter_map(|name| name.strip_suffix(".class"))
        .filter(|name| name.contains("/recipes/") && !name.contains('$'))
        .filter(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|n| n.starts_with("Test"))
        })
        .map(|name| name.replace('/', "."))
        .collect();
    classes.sort();
    Ok(classes)
}
