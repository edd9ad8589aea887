//! Everything that a server holds, read through its client port, to be compared with another's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use zk_wire::Stat;
use zk_wire::client::Request;

use super::{Client, client::Failure};

/// How long a server may take over one reply.
const LIMIT: Duration = Duration::from_secs(20);

/// Depends on the membership and on who wrote it, not on the clients' writes.
const CONFIG_PATH: &str = "/zookeeper/config";

/// Nodes that are asked for at once.
const AT_ONCE: usize = 100;

/// The error number of a node that is not there.
const NO_NODE: i32 = -101;

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
    while !todo.is_empty() {
        // Many at once: a tree has tens of thousands of nodes, and each server is asked for all.
        let paths = todo.split_off(todo.len().saturating_sub(AT_ONCE));
        let requests: Vec<Request> = paths.iter().flat_map(|path| look_at(path)).collect();
        let mut replies = client.call_all(&requests)?.into_iter();
        for path in paths {
            let both = replies.next().zip(replies.next());
            let (children, node) = both.context("a reply for each request")?;
            let (mut children, mut node) = match (children, node) {
                // An ephemeral node may go between the look at its parent and this one.
                (Err(NO_NODE), _) | (_, Err(NO_NODE)) => continue,
                (Err(code), _) | (_, Err(code)) => return Err(Failure::Refused(code).into()),
                (Ok(children), Ok(node)) => (children, node),
            };
            let names = children.vector(|r| r.string_required("child"))?;
            let base = if path == "/" { "" } else { path.as_str() };
            let below = names.into_iter().flatten();
            let below = below.map(|name| format!("{base}/{name}"));
            todo.extend(below.filter(|path| path != CONFIG_PATH));
            tree.insert(path, (node.buffer()?, Stat::decode(&mut node)?));
        }
    }
    client.close()?;
    Ok(tree)
}

/// Reads the trees of several servers at the same time, in the order of `addresses`.
///
/// # Errors
/// When a server does not answer.
pub fn read_all(addresses: &[SocketAddr]) -> Result<Vec<Tree>> {
    thread::scope(|scope| {
        let each = addresses.iter().map(|address| {
            let read = move || read(*address).with_context(|| format!("the tree of {address}"));
            scope.spawn(read)
        });
        let threads: Vec<_> = each.collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|tree| tree.map_err(|_| anyhow!("a reader panicked"))?)
            .collect()
    })
}

fn look_at(path: &str) -> [Request; 2] {
    let children = Request::GetChildren {
        path: path.to_owned(),
        watch: false,
    };
    let data = Request::GetData {
        path: path.to_owned(),
        watch: false,
    };
    [children, data]
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
