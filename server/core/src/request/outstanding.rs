//! Effects that are proposed but not applied yet (`ZooKeeperServer.outstandingChanges`).
//!
//! The leader prepares each write against the tree as it will be once everything proposed before is
//! applied. This layer holds the nodes that differ, and the digest of that future tree, which goes
//! into each transaction.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zk_wire::{SessionId, StatPersisted, Zxid};

use crate::db::{AclList, Database, node_digest};

/// A node as it will be.
#[derive(Debug, Clone)]
pub(crate) struct FutureNode {
    pub(crate) data: Option<Bytes>,
    pub(crate) acl: AclList,
    pub(crate) stat: StatPersisted,
    pub(crate) children: i32,
    /// What the next name takes: the `cversion`, but it goes on where that stands still.
    pub(crate) counter: i32,
    digest: u32,
}

impl FutureNode {
    /// A node that is about to be created.
    pub(crate) fn new(data: Option<Bytes>, acl: AclList, stat: StatPersisted) -> Self {
        Self {
            data,
            acl,
            counter: stat.cversion,
            stat,
            children: 0,
            digest: 0,
        }
    }
}

#[derive(Debug, Clone)]
struct Slot {
    /// `None`: deleted.
    node: Option<FutureNode>,
    /// The last proposal that touched it; the slot is obsolete once that is applied.
    zxid: Zxid,
}

/// The layer.
#[derive(Debug)]
pub(crate) struct Outstanding {
    slots: BTreeMap<String, Slot>,
    touched: VecDeque<(Zxid, String)>,
    digest: u64,
    journal: Option<Journal>,
}

/// How to undo what was noted since a multi began.
#[derive(Debug)]
struct Journal {
    before: Vec<(String, Option<Slot>)>,
    touched: usize,
    digest: u64,
}

impl Outstanding {
    /// Nothing outstanding over a tree of this digest.
    pub(crate) fn new(digest: u64) -> Self {
        Self {
            slots: BTreeMap::new(),
            touched: VecDeque::new(),
            digest,
            journal: None,
        }
    }

    /// Digest of the tree as it will be.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// The node as it will be; `None` when it will not be there.
    pub(crate) fn node(&self, db: &Database, path: &str) -> Option<FutureNode> {
        let key = if path == "/" { "" } else { path };
        if let Some(slot) = self.slots.get(key) {
            return slot.node.clone();
        }
        db.node(key).map(|node| FutureNode {
            data: node.data.clone(),
            acl: db.acl_of(node),
            stat: node.stat,
            children: node.child_count(),
            counter: node.stat.cversion,
            digest: node.digest,
        })
    }

    /// Notes that `path` will be `node` after `zxid`.
    pub(crate) fn set(&mut self, path: &str, zxid: Zxid, mut node: FutureNode) {
        let key = if path == "/" { "" } else { path };
        let after = node_digest(key, node.data.as_ref(), &node.stat);
        self.digest = self
            .digest
            .wrapping_sub(u64::from(node.digest))
            .wrapping_add(u64::from(after));
        node.digest = after;
        self.put(key, zxid, Some(node));
    }

    /// Notes that `path`, now `node`, will be gone after `zxid`.
    pub(crate) fn remove(&mut self, path: &str, zxid: Zxid, node: &FutureNode) {
        self.digest = self.digest.wrapping_sub(u64::from(node.digest));
        self.put(path, zxid, None);
    }

    fn put(&mut self, key: &str, zxid: Zxid, node: Option<FutureNode>) {
        let before = self.slots.insert(key.to_owned(), Slot { node, zxid });
        if let Some(journal) = &mut self.journal {
            journal.before.push((key.to_owned(), before));
        }
        self.touched.push_back((zxid, key.to_owned()));
    }

    /// Forgets what is applied by now.
    pub(crate) fn applied(&mut self, through: Zxid) {
        while let Some((zxid, _)) = self.touched.front()
            && *zxid <= through
        {
            let Some((zxid, path)) = self.touched.pop_front() else {
                return;
            };
            if self.slots.get(&path).is_some_and(|slot| slot.zxid == zxid) {
                self.slots.remove(&path);
            }
        }
    }

    /// From here on, [`Outstanding::roll_back`] goes back to this moment.
    pub(crate) fn begin(&mut self) {
        self.journal = Some(Journal {
            before: Vec::new(),
            touched: self.touched.len(),
            digest: self.digest,
        });
    }

    /// What was noted since [`Outstanding::begin`] stays.
    pub(crate) fn keep(&mut self) {
        self.journal = None;
    }

    /// What was noted since [`Outstanding::begin`] never was.
    pub(crate) fn roll_back(&mut self) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        self.touched.truncate(journal.touched);
        self.digest = journal.digest;
        for (path, slot) in journal.before.into_iter().rev() {
            match slot {
                Some(slot) => self.slots.insert(path, slot),
                None => self.slots.remove(&path),
            };
        }
    }

    /// Ephemerals that a session will own, in byte order.
    pub(crate) fn ephemerals_of(&self, db: &Database, session: SessionId) -> Vec<String> {
        let mut paths: Vec<String> = db
            .ephemerals_of(session)
            .filter(|path| !self.slots.contains_key(*path))
            .map(str::to_owned)
            .collect();
        for (path, slot) in &self.slots {
            let owner = slot.node.as_ref().map(|node| node.stat.ephemeral_owner);
            if owner == Some(session.0) {
                paths.push(path.clone());
            }
        }
        paths.sort_unstable();
        paths
    }
}
