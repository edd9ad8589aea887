//! Apache's server and ours give the same answers, byte for byte.

use std::time::Duration;

use anyhow::{Result, ensure};
use quorate_e2e::peers::Kind;
use quorate_e2e::progress::Progress;
use quorate_e2e::twin::job::{self, Plan};

use crate::alone;

const KINDS: [Kind; 2] = [Kind::Apache, Kind::Quorate];

/// Bounds of a run in continuous integration; `just twin` runs longer.
const REQUESTS: usize = 40_000;
const LIMIT: Duration = Duration::from_secs(160);

#[test]
fn scenarios_have_equal_answers() -> Result<()> {
    let _alone = alone();
    let count = job::scenarios(&Progress::default(), KINDS, "")?;
    ensure!(count > 50, "only {count} scenarios ran");
    Ok(())
}

#[test]
fn scripts_from_a_seed_have_equal_answers() -> Result<()> {
    let _alone = alone();
    let plan = Plan {
        kinds: KINDS,
        servers: vec![1, 3],
        requests: REQUESTS,
        limit: LIMIT,
        seed: 3_905,
        differences: 1,
    };
    let count = job::random(&Progress::default(), &plan)?;
    ensure!(count > 1000, "only {count} requests went out");
    Ok(())
}
