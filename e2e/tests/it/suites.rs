//! Those of the suites that take little time: what passes on Apache's servers passes on ours.
//! `./run suites` runs all of them, on both.

use anyhow::{Result, ensure};
use quorate_e2e::peers::Kind;
use quorate_e2e::progress::Progress;
use quorate_e2e::suites::report::Comparison;
use quorate_e2e::suites::{Suite, record, with_repeats};

use crate::alone;

/// Modules of kazoo's tests that take little time: the recipes, and how clients prove who they are.
const KAZOO_MODULES: [&str; 10] = [
    "test_barrier",
    "test_client.TestAuthentication",
    "test_client.TestSSLClient",
    "test_counter",
    "test_election",
    "test_lock",
    "test_party",
    "test_queue",
    "test_sasl",
    "test_watchers",
];

/// Runs the tests of `suite` whose names begin with one of `prefixes`, or all of them.
fn passes_what_apache_passes(suite: Suite, prefixes: Option<&[String]>) -> Result<()> {
    let _alone = alone();
    let mut apache = record::read(suite.name())?;
    let only = prefixes.map(|prefixes| {
        apache.retain(|name, _| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        apache.keys().cloned().collect::<Vec<_>>()
    });
    let comparison = Comparison {
        suite: suite.name(),
        apache,
        quorate: with_repeats(&Progress::default(), suite, Kind::Quorate, only.as_deref())?,
    };
    let worse = comparison.regressions();
    ensure!(
        worse.is_empty(),
        "{worse:?} fail:\n{}",
        comparison.exceptions().unwrap_or_default()
    );
    Ok(())
}

#[test]
fn kafka_stands_on_three_servers() -> Result<()> {
    passes_what_apache_passes(Suite::Kafka, None)
}

#[test]
fn go_client_passes_its_own_tests() -> Result<()> {
    passes_what_apache_passes(Suite::Go, None)
}

#[test]
fn kazoo_passes_its_own_tests_of_recipes() -> Result<()> {
    let prefixes = KAZOO_MODULES.map(|module| format!("kazoo.tests.{module}"));
    passes_what_apache_passes(Suite::Kazoo, Some(&prefixes))
}
