//! Clients that others wrote, against our servers.

use anyhow::Result;
use quorate_e2e::peers::{Ensemble, Kind, Settings, programs};

use super::{equal_trees, write_some};
use crate::{alone, binaries};

fn clients_work_on(servers: usize) -> Result<()> {
    let _alone = alone();
    let ensemble = Ensemble::start(Kind::Quorate, servers, &Settings::default())?;
    let outcomes = programs::run_all(binaries(), &ensemble.connect_string())?;
    assert_eq!(outcomes.len(), 3);
    Ok(())
}

#[test]
fn clients_work_on_one_server() -> Result<()> {
    clients_work_on(1)
}

#[test]
fn clients_work_on_three_servers() -> Result<()> {
    clients_work_on(3)
}

#[test]
fn data_is_the_same_on_every_server() -> Result<()> {
    let _alone = alone();
    let ensemble = Ensemble::start(Kind::Quorate, 3, &Settings::default())?;
    for (n, address) in ensemble.addresses().into_iter().enumerate() {
        write_some(address, &format!("/from-{n}"))?;
    }
    let tree = equal_trees(&ensemble)?;
    assert!(tree.len() > 3 * 120, "only {} nodes", tree.len());
    Ok(())
}
