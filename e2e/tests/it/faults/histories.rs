//! What clients of ensembles under faults were told is linearizable.

use anyhow::{Result, ensure};
use quorate_e2e::histories::{self, Arguments};
use quorate_e2e::progress::Progress;

use crate::alone;

#[test]
fn histories_are_linearizable() -> Result<()> {
    let _alone = alone();
    let arguments = Arguments {
        minutes: 3,
        mixes: Vec::new(),
        seed: 7,
    };
    let summary = histories::run(&Progress::default(), &arguments)?;
    ensure!(
        summary.operations > 5000,
        "only {} operations",
        summary.operations
    );
    Ok(())
}
