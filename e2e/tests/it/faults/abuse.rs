//! Garbage on every port, and kills at random points of a write load.

use anyhow::Result;
use quorate_e2e::faults::{garbage, kill_loop};
use quorate_e2e::peers::Kind;
use quorate_e2e::progress::Progress;

use crate::alone;

#[test]
fn an_ensemble_serves_on_after_garbage_on_all_ports() -> Result<()> {
    let _alone = alone();
    let plan = garbage::Plan {
        kind: Kind::Quorate,
        frames: 20_000,
        seed: 20_000,
    };
    garbage::run(&Progress::default(), plan)?;
    Ok(())
}

#[test]
fn one_server_killed_200_times_loses_no_acknowledged_write() -> Result<()> {
    let _alone = alone();
    let plan = kill_loop::Plan {
        kind: Kind::Quorate,
        servers: 1,
        kills: 200,
        seed: 200,
    };
    kill_loop::run(&Progress::default(), plan)?;
    Ok(())
}

#[test]
fn three_servers_killed_100_times_lose_no_acknowledged_write() -> Result<()> {
    let _alone = alone();
    let plan = kill_loop::Plan {
        kind: Kind::Quorate,
        servers: 3,
        kills: 100,
        seed: 100,
    };
    kill_loop::run(&Progress::default(), plan)?;
    Ok(())
}
