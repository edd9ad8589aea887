//! Everything that a server holds, read through its client port, to be compared with another's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use zk_wire::Stat;

use super::{Client, client::Failure};

/// How long a server may take over one reply.
const LIMIT: Duration = Duration::from_secs(20);

/// Depends on the membership and on who wrote it, not on the clients' writes.
const CONFIG_PATH: &str = "/zookeeper/config";

/// Data and Stat of each node, by path.
pub type Tree = BTreeMap<String, (Option<Bytes>, Stat)>;

/// Reads the whole tree of a server as of now; `/zookeeper/config` is left out.
///
/// # Errors
/// When the server does not answer.
pub fn read(address: SocketAddr) -> Result<Tree> {
    let mut client = Client::connect(address, LIMIT)?;
    client.sync()?;
    let mut tree = Tree::new();
    let mut todo = vec!["/".to_owned()];
    while let Some(path) = todo.pop() {
        if path == CONFIG_PATH {
            continue;
        }
        let names = match client.children(&path) {
            Ok(names) => names,
            // An ephemeral node may go between the look at its parent and this one.
            Err(Failure::Refused(-101)) => continue,
            Err(error) => return Err(error.into()),
        };
        let base = if path == "/" { "" } else { path.as_str() };
        todo.extend(names.into_iter().map(|name| format!("{base}/{name}")));
        let node = client.get(&path, false)?;
        tree.insert(path, node);
    }
    client.close()?;
    Ok(tree)
}

/// Checks that two servers hold the same.
///
/// # Errors
/// When they do not; the text names the first node that differs.
pub fn check_equal(left: &Tree, right: &Tree) -> Result<()> {
    for path in left.keys().chain(right.keys()) {
        let (l, r) = (left.get(path), right.get(path));
        if l != r {
            bail!("{path} differs: {l:?} and {r:?}");
        }
    }
    Ok(())
}
