//! The short forms of `quorate-e2e migrate`.

use anyhow::Result;
use quorate_e2e::migrate::{self, Arguments};
use quorate_e2e::peers::Kind;
use quorate_e2e::progress::Progress;

use crate::alone;

fn there(from: Kind, one_way: bool, compression: Option<&str>) -> Result<()> {
    let _alone = alone();
    let arguments = Arguments {
        from,
        servers: 3,
        rounds: 1,
        compression: compression.map(str::to_owned),
        one_way,
    };
    migrate::run(&Progress::default(), &arguments)
}

#[test]
fn apache_to_quorate_and_back_under_load() -> Result<()> {
    there(Kind::Apache, false, Some("snappy"))
}

#[test]
fn directories_with_gzipped_snapshots_are_taken_over() -> Result<()> {
    there(Kind::Apache, true, Some("gz"))
}
