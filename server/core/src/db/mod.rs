//! The replicated state: the znode tree and the session table.
//!
//! Changed only by [`Database::apply`], in zxid order; everything else reads. Recovery, a snapshot
//! from the leader and live traffic all go through it, so that every member computes the same.
//!
//! What is left out: sharing with other threads.

mod acl;
mod apply;
mod digest;
mod node;
mod path;
mod quota;
mod recovery;
mod snapshot;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use zk_wire::{Acl, SessionId, StatPersisted, Zxid};

pub use acl::AclList;
pub use apply::{Change, TxnOutcome};
pub use recovery::{COMMITTED_LOG_LEN, Entry, Recovery, RecoveryBuilder, Trust};

pub(crate) use digest::node_digest;
pub(crate) use node::{Node, container_owner, owner_session, ttl_of, ttl_owner};
pub(crate) use path::{is_valid, parent_of};
pub(crate) use quota::Figures;

use acl::AclTable;
use quota::QuotaPaths;
use tree::Tree;

/// The node that shows the membership.
pub const CONFIG_PATH: &str = "/zookeeper/config";

/// Nodes that every tree has and nobody may delete.
pub(crate) const BUILT_IN: [&str; 4] = ["/", "/zookeeper", "/zookeeper/quota", CONFIG_PATH];

/// Tree, sessions and the zxid up to which they are applied.
#[derive(Debug, Clone)]
pub struct Database {
    tree: Tree,
    acls: AclTable,
    sessions: BTreeMap<SessionId, i32>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Box<str>>>,
    /// Containers and nodes with a time to live.
    swept: BTreeSet<Box<str>>,
    quotas: QuotaPaths,
    digest: u64,
    approximate_data_bytes: u64,
    last_applied: Zxid,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A tree of the built-in nodes only, nothing applied.
    #[must_use]
    pub fn new() -> Self {
        let mut db = Self::bare();
        let open = None;
        db.insert(
            "",
            Some(Bytes::new()),
            open.clone(),
            StatPersisted::default(),
        );
        db.insert(
            "/zookeeper",
            Some(Bytes::new()),
            open.clone(),
            StatPersisted::default(),
        );
        let read_only: AclList = Some(Arc::from([Acl::world(zk_wire::data::perms::READ)]));
        let config = StatPersisted {
            aversion: -1,
            ..StatPersisted::default()
        };
        db.insert(CONFIG_PATH, Some(Bytes::new()), read_only, config);
        db.insert(
            "/zookeeper/quota",
            Some(Bytes::new()),
            open,
            StatPersisted::default(),
        );
        db
    }

    fn bare() -> Self {
        Self {
            tree: Tree::new(),
            acls: AclTable::default(),
            sessions: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            swept: BTreeSet::new(),
            quotas: QuotaPaths::default(),
            digest: 0,
            approximate_data_bytes: 0,
            last_applied: Zxid::ZERO,
        }
    }

    /// The last transaction in this state.
    #[must_use]
    pub fn last_applied(&self) -> Zxid {
        self.last_applied
    }

    /// Declares that an epoch begins: the state is that of `zxid`, which has no transaction.
    pub(crate) fn begin_epoch(&mut self, zxid: Zxid) {
        self.last_applied = self.last_applied.max(zxid);
    }

    /// Digest of the tree: the wrapping sum of the node digests outside of `/zookeeper/`.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The node at `path`; the empty path is the root too.
    pub(crate) fn node(&self, path: &str) -> Option<&Node> {
        self.tree.find(path).map(|at| self.tree.node(at))
    }

    /// Names of the children of `path`, in byte order.
    pub(crate) fn children(&self, path: &str) -> Option<impl Iterator<Item = &str>> {
        self.tree.find(path).map(|at| self.tree.children(at))
    }

    /// Number of nodes below `path`; `None` when it is not there.
    pub(crate) fn descendants(&self, path: &str) -> Option<u64> {
        self.tree.find(path).map(|at| self.tree.count_below(at))
    }

    /// ACL of a node; `None`: open to everyone.
    pub(crate) fn acl_of(&self, node: &Node) -> AclList {
        self.acls.list(node.acl_id)
    }

    /// The session table: id and time-out in ms.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> + '_ {
        self.sessions.iter().map(|(id, timeout)| (*id, *timeout))
    }

    /// Time-out of a session, ms; `None` when there is no such session.
    #[must_use]
    pub fn session_timeout_ms(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// Paths of the ephemerals of a session, in byte order.
    pub(crate) fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals
            .get(&session)
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
    }

    /// All ephemerals with their owners.
    pub fn ephemerals(&self) -> impl Iterator<Item = (SessionId, &str)> {
        self.ephemerals
            .iter()
            .flat_map(|(id, paths)| paths.iter().map(|p| (*id, p.as_ref())))
    }

    /// Paths of containers and of nodes with a time to live, in byte order.
    pub(crate) fn swept(&self) -> impl Iterator<Item = &str> {
        self.swept.iter().map(AsRef::as_ref)
    }

    /// Number of nodes as Apache counts them: the root under both of its names.
    #[must_use]
    pub fn node_count(&self) -> u64 {
        self.tree.len() as u64 + 1
    }

    /// Number of ephemerals.
    #[must_use]
    pub fn ephemeral_count(&self) -> u64 {
        self.ephemerals
            .values()
            .map(|paths| paths.len() as u64)
            .sum()
    }

    /// Sum of the lengths of all paths and data, bytes.
    #[must_use]
    pub fn approximate_data_bytes(&self) -> u64 {
        self.approximate_data_bytes
    }

    /// Shows `text` in the config node, as of config version `version`; not a transaction.
    pub(crate) fn set_config(&mut self, text: &str, version: i64, wall_ms: i64) {
        let Some(at) = self.tree.find(CONFIG_PATH) else {
            return;
        };
        let node = self.tree.node_mut(at);
        let before = node.data_len();
        node.data = Some(Bytes::copy_from_slice(text.as_bytes()));
        node.stat.version = -1;
        node.stat.mzxid = version;
        node.stat.mtime = wall_ms;
        let after = node.data_len();
        self.approximate_data_bytes = self.approximate_data_bytes - before + after;
    }

    /// Every node with its path, parents first.
    pub fn for_each_node(&self, mut visit: impl FnMut(&str, Option<&Bytes>, &StatPersisted)) {
        self.tree
            .walk(|path, node| visit(path, node.data.as_ref(), &node.stat));
    }
}
