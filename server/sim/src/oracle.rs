//! What clients may observe: the tree as the committed transactions make it, at every zxid.
//!
//! This is a second, independent and much simpler tree than the one in the core. It keeps every
//! version of every node, so that a reply can be compared with the state that it claims to show:
//! a read carries the zxid of the state it saw, a write the zxid of its own transaction.
//!
//! Left out: who may do what (the workload's ACLs are open to all), TTLs, quotas.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use zk_wire::txn::{CreateKind, Txn, TxnBody};
use zk_wire::{Acl, SessionId, Stat, Zxid};

/// What a container has as owner.
pub(crate) const CONTAINER: SessionId = SessionId(i64::MIN);

/// A node in one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub data: Option<Bytes>,
    pub czxid: Zxid,
    pub mzxid: Zxid,
    pub pzxid: Zxid,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub acl: Option<Vec<Acl>>,
    pub aversion: i32,
    /// Creations of children.
    pub created: i32,
    pub owner: SessionId,
    pub children: BTreeSet<String>,
}

impl Node {
    /// As clients see it.
    pub(crate) fn stat(&self) -> Stat {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let num_children = count(self.children.len());
        Stat {
            czxid: self.czxid.to_wire(),
            mzxid: self.mzxid.to_wire(),
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.created * 2 - num_children,
            aversion: self.aversion,
            // A container tells nobody that it is one.
            ephemeral_owner: if self.owner == CONTAINER {
                0
            } else {
                self.owner.0
            },
            data_length: count(self.data.as_ref().map_or(0, Bytes::len)),
            num_children,
            pzxid: self.pzxid.to_wire(),
        }
    }
}

/// What a transaction did to a path, for watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Created,
    Deleted,
    DataSet,
    Children,
}

/// Parent and name; `None` for the root.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let (parent, name) = path.rsplit_once('/')?;
    if name.is_empty() {
        return None;
    }
    Some((if parent.is_empty() { "/" } else { parent }, name))
}

/// The versions of a node; `None`: it is not there.
type Versions = Vec<(Zxid, Option<Rc<Node>>)>;

/// All versions of the tree.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    nodes: BTreeMap<String, Versions>,
    changes: BTreeMap<String, Vec<(Zxid, Change)>>,
    sessions: BTreeMap<SessionId, i32>,
    ephemerals: BTreeMap<SessionId, BTreeSet<String>>,
    last: Zxid,
}

impl Oracle {
    /// The state after the last transaction.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Zxid {
        self.last
    }

    /// The node at `path` in the state at `at`.
    pub(crate) fn node(&self, path: &str, at: Zxid) -> Option<&Node> {
        let versions = self.nodes.get(path)?;
        let end = versions.partition_point(|(zxid, _)| *zxid <= at);
        let (_, node) = versions.get(end.checked_sub(1)?)?;
        node.as_deref()
    }

    /// The node at `path` now.
    pub(crate) fn now(&self, path: &str) -> Option<&Node> {
        self.node(path, self.last)
    }

    /// Every path that exists now, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let alive = self.nodes.iter();
        alive
            .filter(|(_, versions)| versions.last().is_some_and(|(_, node)| node.is_some()))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Sessions that live now.
    pub(crate) fn sessions(&self) -> &BTreeMap<SessionId, i32> {
        &self.sessions
    }

    /// Ephemerals of a session now.
    pub(crate) fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &String> {
        self.ephemerals.get(&session).into_iter().flatten()
    }

    /// The first change of `path` behind `after` and up to `through` that one of `kinds` matches.
    pub(crate) fn first_change(
        &self,
        path: &str,
        kinds: &[Change],
        after: Zxid,
        through: Zxid,
    ) -> Option<(Zxid, Change)> {
        let changes = self.changes.get(path)?;
        let start = changes.partition_point(|(zxid, _)| *zxid <= after);
        let later = changes.get(start..)?.iter();
        later
            .take_while(|(zxid, _)| *zxid <= through)
            .find(|(_, change)| kinds.contains(change))
            .copied()
    }

    /// The changes of a path and of what is below it, behind `after` and up to `through`.
    pub(crate) fn changes_below(
        &self,
        path: &str,
        after: Zxid,
        through: Zxid,
    ) -> impl Iterator<Item = (Zxid, String, Change)> {
        let within = self.changes.range(path.to_owned()..);
        let prefix = path.to_owned();
        within
            .take_while(move |(at, _)| at.starts_with(&prefix))
            .flat_map(move |(at, changes)| {
                let start = changes.partition_point(|(zxid, _)| *zxid <= after);
                let later = changes.iter().skip(start);
                later
                    .take_while(move |(zxid, _)| *zxid <= through)
                    .map(move |(zxid, change)| (*zxid, at.clone(), *change))
            })
    }

    /// Whether exactly this change happened in exactly this transaction.
    pub(crate) fn changed_at(&self, path: &str, change: Change, zxid: Zxid) -> bool {
        let changes = self.changes.get(path);
        changes.is_some_and(|all| all.contains(&(zxid, change)))
    }

    /// Applies the next committed transaction.
    pub(crate) fn apply(&mut self, txn: &Txn) {
        self.last = txn.header.zxid;
        self.apply_body(txn, &txn.body);
    }

    #[expect(clippy::too_many_lines, reason = "one arm per type")]
    fn apply_body(&mut self, txn: &Txn, body: &TxnBody) {
        let (zxid, time) = (txn.header.zxid, txn.header.time_ms);
        match body {
            TxnBody::CreateSession { timeout_ms } => {
                self.sessions.insert(txn.header.session, *timeout_ms);
            }
            TxnBody::CloseSession { .. } => {
                self.sessions.remove(&txn.header.session);
                let owned = self.ephemerals.remove(&txn.header.session);
                for path in owned.unwrap_or_default() {
                    self.delete(&path, zxid);
                }
            }
            TxnBody::Create(create) => {
                let owner = if create.kind == CreateKind::Ephemeral {
                    let owned = self.ephemerals.entry(txn.header.session).or_default();
                    owned.insert(create.path.clone());
                    txn.header.session
                } else if create.kind == CreateKind::Container {
                    CONTAINER
                } else {
                    SessionId::NONE
                };
                let node = Node {
                    data: create.data.clone(),
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: time,
                    mtime: time,
                    version: 0,
                    acl: create.acl.clone(),
                    aversion: 0,
                    created: 0,
                    owner,
                    children: BTreeSet::new(),
                };
                self.put(&create.path, zxid, Some(node), Change::Created);
                self.change_parent(&create.path, zxid, |parent, name| {
                    parent.created += 1;
                    parent.children.insert(name);
                });
            }
            TxnBody::Delete { path, .. } => self.delete(path, zxid),
            TxnBody::SetData {
                path,
                data,
                version,
                ..
            } => {
                if let Some(mut node) = self.now(path).cloned() {
                    node.data.clone_from(data);
                    node.version = *version;
                    node.mzxid = zxid;
                    node.mtime = time;
                    self.put(path, zxid, Some(node), Change::DataSet);
                }
            }
            TxnBody::Multi(parts) => {
                // One failed part: none is carried out.
                if !parts.iter().any(|p| matches!(p, TxnBody::Error { .. })) {
                    for part in parts {
                        self.apply_body(txn, part);
                    }
                }
            }
            TxnBody::SetAcl { path, acl, version } => {
                if let Some(mut node) = self.now(path).cloned() {
                    node.acl.clone_from(acl);
                    node.aversion = *version;
                    self.put_version(path, zxid, Some(node));
                }
            }
            TxnBody::Check { .. } | TxnBody::Error { .. } => {}
        }
    }

    fn delete(&mut self, path: &str, zxid: Zxid) {
        if let Some(owner) = self.now(path).map(|node| node.owner)
            && let Some(owned) = self.ephemerals.get_mut(&owner)
        {
            owned.remove(path);
        }
        self.put(path, zxid, None, Change::Deleted);
        self.change_parent(path, zxid, |parent, name| {
            parent.children.remove(&name);
        });
    }

    fn change_parent(&mut self, path: &str, zxid: Zxid, edit: impl FnOnce(&mut Node, String)) {
        let Some((parent, name)) = split(path) else {
            return;
        };
        // The root is not modelled: its children are the server's own business.
        if let Some(mut node) = self.now(parent).cloned() {
            node.pzxid = zxid;
            edit(&mut node, name.to_owned());
            self.put(parent, zxid, Some(node), Change::Children);
        }
    }

    fn put(&mut self, path: &str, zxid: Zxid, node: Option<Node>, change: Change) {
        self.put_version(path, zxid, node);
        let changes = self.changes.entry(path.to_owned()).or_default();
        changes.push((zxid, change));
    }

    /// A version that no watch tells of.
    fn put_version(&mut self, path: &str, zxid: Zxid, node: Option<Node>) {
        let versions = self.nodes.entry(path.to_owned()).or_default();
        let node = node.map(Rc::new);
        match versions.last_mut() {
            Some((at, last)) if *at == zxid => *last = node,
            _ => versions.push((zxid, node)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use zk_wire::txn::{CreateTxn, TxnHeader};
    use zk_wire::{Epoch, Xid};

    use super::*;

    /// A transaction of session 1 with the counter as xid.
    pub(crate) fn txn(counter: u32, body: TxnBody) -> Txn {
        Txn {
            header: TxnHeader {
                session: SessionId(1),
                xid: Xid(i32::try_from(counter).unwrap()),
                zxid: Zxid::new(Epoch(1), counter),
                time_ms: i64::from(counter),
            },
            body,
            digest: None,
        }
    }

    pub(crate) fn create(path: &str, kind: CreateKind) -> TxnBody {
        TxnBody::Create(CreateTxn {
            path: path.into(),
            data: Some(Bytes::from_static(b"x")),
            acl: None,
            kind,
            parent_cversion: 1,
            create2: false,
        })
    }

    pub(crate) fn delete(path: &str) -> TxnBody {
        TxnBody::Delete {
            path: path.into(),
            container: false,
        }
    }

    #[test]
    fn every_version_stays_readable() {
        let z = |counter| Zxid::new(Epoch(1), counter);
        let mut oracle = Oracle::default();
        oracle.apply(&txn(1, TxnBody::CreateSession { timeout_ms: 4 }));
        oracle.apply(&txn(2, create("/w", CreateKind::Persistent)));
        oracle.apply(&txn(3, create("/w/e", CreateKind::Ephemeral)));
        oracle.apply(&txn(4, TxnBody::CloseSession { paths: None }));
        assert_eq!(oracle.node("/w", z(1)), None);
        assert_eq!(oracle.node("/w", z(3)).unwrap().stat().num_children, 1);
        assert_eq!(oracle.node("/w/e", z(3)).unwrap().owner, SessionId(1));
        assert_eq!(oracle.now("/w/e"), None);
        let parent = oracle.now("/w").unwrap();
        assert_eq!((parent.stat().cversion, parent.pzxid), (2, z(4)));
        assert_eq!(
            oracle.first_change("/w", &[Change::Children], z(3), z(9)),
            Some((z(4), Change::Children))
        );
        assert!(oracle.sessions().is_empty());
    }
}
