//! What others wrote works with our servers, and our servers with what others wrote.

mod admin;
mod audit;
mod cli;
mod clients;
mod files;
mod formation;
mod inspect;
mod leader_changes;
mod metrics;
mod mixed;
mod observers;
mod peer_tls;
mod reconfig;
mod sessions;
mod tls;

use anyhow::Result;
use quorate_e2e::peers::client::flags::PERSISTENT;
use quorate_e2e::peers::{Client, Ensemble, tree};
use std::net::SocketAddr;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Makes nodes of several kinds and sizes below `root`; more than a snapshot interval of them.
pub(crate) fn write_some(address: SocketAddr, root: &str) -> Result<()> {
    let mut client = Client::connect(address, LIMIT)?;
    client.create(root, "grüße".as_bytes(), PERSISTENT)?;
    for n in 0..150 {
        let path = client.create(&format!("{root}/n-"), &vec![b'x'; n * 7], SEQUENTIAL)?;
        match n % 5 {
            0 => client.delete(&path)?,
            1 => drop(client.set(&path, b"set")?),
            2 => drop(client.create(&format!("{path}/child"), b"", PERSISTENT)?),
            _ => {}
        }
    }
    client.close()?;
    Ok(())
}

/// `flags` of a persistent node with a number.
const SEQUENTIAL: i32 = 2;

/// Reads the tree of every server, checks that they are equal, and returns it.
fn equal_trees(ensemble: &Ensemble) -> Result<tree::Tree> {
    let mut first: Option<tree::Tree> = None;
    for address in ensemble.addresses() {
        let tree = tree::read(address)?;
        match &first {
            Some(first) => tree::check_equal(first, &tree)?,
            None => first = Some(tree),
        }
    }
    Ok(first.unwrap_or_default())
}
