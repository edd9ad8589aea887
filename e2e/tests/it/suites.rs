//! Those of the suites that take little time: what passes on Apache's servers passes on ours.
//! `./run suites` runs all of them, on both.

use anyhow::{Result, ensure};
use quorate_e2e::peers::Kind;
use quorate_e2e::progress::Progress;
use quorate_e2e::suites::report::Comparison;
use quorate_e2e::suites::{Suite, record, with_repeats};

use crate::alone;

fn passes_what_apache_passes(suite: Suite) -> Result<()> {
    let _alone = alone();
    let comparison = Comparison {
        suite: suite.name(),
        apache: record::read(suite.name())?,
        quorate: with_repeats(&Progress::default(), suite, Kind::Quorate, None)?,
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
    passes_what_apache_passes(Suite::Kafka)
}
