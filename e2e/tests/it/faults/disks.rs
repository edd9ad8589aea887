//! Damaged files and failing calls of a disk.

use anyhow::Result;
use quorate_e2e::disk_faults::{self, Arguments};
use quorate_e2e::progress::Progress;

use crate::alone;

#[test]
fn a_bad_disk_loses_nothing_and_says_what_to_do() -> Result<()> {
    let _alone = alone();
    let arguments = Arguments {
        samples: 8,
        short: true,
        seed: 3,
    };
    disk_faults::run(&Progress::default(), &arguments)
}
