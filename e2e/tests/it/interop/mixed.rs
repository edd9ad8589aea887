//! Apache's servers and ours in one ensemble.

use anyhow::{Result, ensure};
use quorate_e2e::peers::{Ensemble, Kind, Settings};

use super::{equal_trees, write_some};
use crate::alone;

/// Starts a mixed ensemble in which `leads` wins the election: among equal histories the highest
/// id does, and two of one kind need the third only to begin with.
fn mixed(kinds: &[Kind], leads: Kind) -> Result<()> {
    let _alone = alone();
    let mut ensemble = Ensemble::configured(kinds, &Settings::default())?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let leader = ensemble.leader()?;
    let kind = ensemble.server(leader)?.kind;
    ensure!(kind == leads, "{} leads", kind.name());
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
