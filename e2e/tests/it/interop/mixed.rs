//! Apache's servers and ours in one ensemble.

use anyhow::{Result, ensure};
use quorate_e2e::mixed;
use quorate_e2e::peers::{Ensemble, Kind, Settings};
use quorate_e2e::progress::Progress;

use super::{equal_trees, write_some};
use crate::alone;

/// Starts a mixed ensemble in which server 3 leads: of two servers with equal histories the higher
/// id wins, and neither has a quorum without the other. Server 2 joins them.
fn mixed(kinds: &[Kind], leads: Kind) -> Result<()> {
    let _alone = alone();
    let mut ensemble = Ensemble::configured(kinds, &Settings::default())?;
    for id in [1, 3] {
        ensemble.server(id)?.start()?;
    }
    let leader = ensemble.leader()?;
    let kind = ensemble.server(leader)?.kind;
    ensure!(kind == leads, "{} leads", kind.name());
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    for (n, address) in ensemble.addresses().into_iter().enumerate() {
        write_some(address, &format!("/first-{n}"))?;
    }
    equal_trees(&ensemble)?;

    // The leader dies; the others go on, and it catches up when it is back.
    ensemble.server(leader)?.kill()?;
    let next = ensemble.leader()?;
    let address = ensemble.server(next)?.client_address();
    write_some(address, "/second")?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    for (n, address) in ensemble.addresses().into_iter().enumerate() {
        write_some(address, &format!("/third-{n}"))?;
    }
    let tree = equal_trees(&ensemble)?;
    ensure!(
        tree.contains_key("/second"),
        "the writes of the second leader are gone"
    );
    Ok(())
}

#[test]
fn quorate_leads_apache_servers() -> Result<()> {
    mixed(&[Kind::Apache, Kind::Apache, Kind::Quorate], Kind::Quorate)
}

#[test]
fn quorate_follows_apache_leaders() -> Result<()> {
    mixed(&[Kind::Quorate, Kind::Apache, Kind::Apache], Kind::Apache)
}

/// Kills, restarts and partitions of real networks, with each kind leading; it takes the rights of
/// root. All mixes and the whole story: `quorate-e2e mixed`.
#[test]
fn mixed_ensembles_lose_nothing() -> Result<()> {
    let _alone = alone();
    mixed::run(
        &Progress::default(),
        &mixed::Arguments {
            mixes: vec!["aqq/a".parse()?, "qaa/q".parse()?],
            short: true,
            minutes: 5,
            seed: 1,
        },
    )
}
