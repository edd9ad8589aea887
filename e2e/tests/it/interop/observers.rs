//! Observers that follow followers (`observerMasterPort`): of either kind, behind masters of either
//! kind.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::ensemble::START_LIMIT;
use quorate_e2e::peers::{Ensemble, Kind, Settings, four_letter, ports, wait_for};

use super::{equal_trees, write_some};
use crate::alone;

/// Voters; the rest of the servers observe.
const VOTERS: u8 = 3;

/// Waits until the leader has `followers` and no observer: those are somebody else's.
fn wait_unburdened(ensemble: &mut Ensemble, followers: u32) -> Result<u8> {
    let leader = ensemble.leader()?;
    let address = ensemble.server(leader)?.client_address();
    let wanted = [
        format!("zk_synced_followers\t{followers}"),
        "zk_synced_observers\t0".to_owned(),
    ];
    wait_for("followers only at the leader", START_LIMIT, || {
        let mntr = four_letter::ask(address, "mntr").unwrap_or_default();
        let has = |line: &String| mntr.lines().any(|l| l.trim() == line);
        wanted.iter().all(has).then_some(()).ok_or(mntr)
    })?;
    Ok(leader)
}

/// Writes through an observer that may not have noticed yet that its master is gone: then the
/// connection ends, and the next attempt writes elsewhere.
fn write_again(address: SocketAddr, root: &str) -> Result<()> {
    let mut attempt = 0;
    wait_for("writes through an observer", START_LIMIT, || {
        attempt += 1;
        let written = write_some(address, &format!("{root}.{attempt}"));
        written.map_err(|error| error.to_string())
    })
}

fn behind_masters(kinds: &[Kind], leads: Kind) -> Result<()> {
    let _alone = alone();
    let settings = Settings {
        extra: vec![format!("observerMasterPort={}", ports::free()?)],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::placed(kinds, &settings, |server| {
        // One port number for all, so that each needs an address of its own.
        server.move_to(Ipv4Addr::new(127, 0, 0, server.id));
        server.observer = server.id > VOTERS;
    })?;
    // Of two servers with equal histories the higher id leads.
    for id in [1, VOTERS] {
        ensemble.server(id)?.start()?;
    }
    ensemble.leader()?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let leader = wait_unburdened(&mut ensemble, 2)?;
    let kind = ensemble.server(leader)?.kind;
    ensure!(kind == leads, "{} leads", kind.name());
    for (n, address) in ensemble.addresses().into_iter().enumerate() {
        write_some(address, &format!("/first-{n}"))?;
    }
    equal_trees(&ensemble)?;

    // Each master goes once; its observers find another one and miss nothing.
    for master in (1..=VOTERS).filter(|id| *id != leader) {
        ensemble.server(master)?.kill()?;
        let observers: Vec<u8> = ensemble.servers.iter().map(|s| s.id).collect();
        for id in observers.into_iter().filter(|id| *id > VOTERS) {
            let address = ensemble.server(id)?.client_address();
            write_again(address, &format!("/without-{master}-{id}"))?;
        }
        ensemble.server(master)?.start()?;
        ensemble.wait_serving()?;
        ensure!(
            wait_unburdened(&mut ensemble, 2)? == leader,
            "another leads"
        );
    }
    // And so does the leader, with which every master loses its role.
    ensemble.server(leader)?.kill()?;
    let next = wait_unburdened(&mut ensemble, 1)?;
    let server = ensemble.servers.last().context("no server")?;
    write_again(server.client_address(), "/last")?;
    ensemble.start_all()?;
    ensemble.wait_serving_again()?;
    let tree = equal_trees(&ensemble)?;
    for path in ["/without-1-5", "/last"] {
        let is_there = tree.keys().any(|key| key.starts_with(path));
        ensure!(is_there, "{path} is gone, {next} leads");
    }
    Ok(())
}

#[test]
fn observers_of_both_kinds_follow_apache_followers() -> Result<()> {
    use Kind::{Apache, Quorate};
    behind_masters(&[Apache, Apache, Quorate, Apache, Quorate], Quorate)
}

#[test]
fn observers_of_both_kinds_follow_quorate_followers() -> Result<()> {
    use Kind::{Apache, Quorate};
    behind_masters(&[Quorate, Quorate, Apache, Apache, Quorate], Apache)
}
