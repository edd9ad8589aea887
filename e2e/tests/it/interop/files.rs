//! Data directories change hands between Apache's server and ours.

use anyhow::Result;
use quorate_e2e::peers::{Ensemble, Kind, Settings, tree};

use super::{equal_trees, write_some};
use crate::alone;

/// Lets `from` write, `to` read and write on, and `from` read again; snapshots are frequent, so
/// that logs and snapshots both matter.
fn hand_over(from: Kind, to: Kind, servers: usize) -> Result<()> {
    let _alone = alone();
    let settings = Settings {
        extra: vec!["snapCount=100".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(from, servers, &settings)?;
    for (turn, kind) in [to, from].into_iter().enumerate() {
        write_some(
            ensemble.server(1)?.client_address(),
            &format!("/turn-{turn}"),
        )?;
        let before = equal_trees(&ensemble)?;
        for server in &mut ensemble.servers {
            server.terminate()?;
            server.become_kind(kind)?;
        }
        ensemble.configure()?;
        ensemble.start_all()?;
        ensemble.wait_serving()?;
        tree::check_equal(&before, &equal_trees(&ensemble)?)?;
    }
    Ok(())
}

#[test]
fn apache_reads_our_files() -> Result<()> {
    hand_over(Kind::Quorate, Kind::Apache, 1)
}

#[test]
fn quorate_reads_apache_files() -> Result<()> {
    hand_over(Kind::Apache, Kind::Quorate, 1)
}

#[test]
fn an_ensemble_of_apache_becomes_ours_and_goes_back() -> Result<()> {
    hand_over(Kind::Apache, Kind::Quorate, 3)
}
