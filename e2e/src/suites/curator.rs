//! The tests of Apache Curator's recipes, from its test jar, unmodified, and tests of ours for
//! service discovery, whose own are in no jar.
//!
//! They start servers by curator-test, inside of the JVM; the classes in `suites/curator`, first in
//! the class path, start the server under test instead, three for each one.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

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

/// In how many parts the tests run at once: most of their time they wait for time-outs.
const PARTS: usize = 4;

/// The parts' ports are below the range that the kernel gives to outgoing connections.
const FIRST_PORT: usize = 12_000;
const PART_PORTS: usize = 4_000;

/// Runs the tests, or those with the names in `only`.
///
/// # Errors
/// When Java or the packages are not to be had, or the tests do not end.
pub fn run(progress: &Progress, place: &Place, only: Option<&[String]>) -> Result<Verdicts> {
    let jars = jars(progress, "curator")?;
    let classes = compile(&jars, place)?;
    let selected = match only {
        None => {
            let mut names = recipe_tests(&jars.join(RECIPES))?;
            names.push(OWN.to_owned());
            names.into_iter().map(|name| ["-c".into(), name]).collect()
        }
        Some(names) => names.iter().map(|name| method(name)).collect::<Vec<_>>(),
    };
    // Neighbours in the list are alike, and the caches' tests take longest: deal them out.
    let mut parts = vec![Vec::new(); if only.is_some() { 1 } else { PARTS }];
    let count = parts.len();
    for (n, words) in selected.into_iter().enumerate() {
        parts.get_mut(n % count).context("no part")?.extend(words);
    }
    let class_path = class_path(&classes, &jars);
    thread::scope(|scope| {
        let running: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(n, words)| {
                let class_path = &class_path;
                scope.spawn(move || run_part(progress, place, class_path, n + 1, words))
            })
            .collect();
        let mut all = Verdicts::new();
        for part in running {
            let verdicts = part.join().map_err(|_| anyhow!("a part panicked"))??;
            all.extend(verdicts);
        }
        Ok(all)
    })
}

/// Selects one test by its name in the report, whose parameters are no part of a method's name.
fn method(name: &str) -> [String; 2] {
    let method = name.split('(').next().unwrap_or(name);
    ["-m".to_owned(), method.to_owned()]
}

fn run_part(
    progress: &Progress,
    place: &Place,
    class_path: &OsStr,
    part: usize,
    selected: &[String],
) -> Result<Verdicts> {
    let home = place.path().join(format!("servers-{part}"));
    fs::create_dir_all(&home)?;
    let reports = place.path().join(format!("reports-{part}"));
    let logback = apache::java_sources().join("logback.xml");
    let mut command = Command::new("java");
    command
        .args(["-Xmx768m", "-XX:+UseSerialGC"])
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .arg(format!("-Dsuite.server={}", place.server().display()))
        .arg(format!("-Dsuite.home={}", home.display()))
        .arg(format!("-Dsuite.ports={}", FIRST_PORT + part * PART_PORTS))
        .arg("-cp")
        .arg(class_path)
        .args(["org.junit.platform.console.ConsoleLauncher", "execute"])
        .args(["--include-engine=junit-jupiter", "--details=tree"])
        .args(["--disable-banner", "--disable-ansi-colors"])
        .args(["--config", TEST_LIMIT])
        .arg(format!("--reports-dir={}", reports.display()))
        .args(selected)
        .current_dir(place.path());
    let what = format!("Curator's tests, part {part}");
    let log = format!("curator-{part}.log");
    let log = place.run(progress, &what, &mut command, &log, LIMIT)?;
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
