//! Applies transactions: one arm per type, total, cannot fail.
//!
//! A transaction that does not fit the tree (during replay over a state that has its effect already)
//! changes what is left to change and says so in its outcome; what it does then is what Apache
//! 3.9 does, because the digest of every member depends on it (`DataTree.processTxn`).

use std::sync::Arc;

use bytes::Bytes;
use zk_wire::client::ErrorCode;
use zk_wire::txn::{CreateKind, CreateTxn, Txn, TxnBody};
use zk_wire::{Acl, SessionId, Stat, StatPersisted, Zxid};

use super::acl::AclList;
use super::node::{Node, container_owner, owner_session, ttl_owner};
use super::path::parent_of;
use super::tree::NodeIdx;
use super::{Database, node_digest};

/// A change of one node that watches may be interested in, in the order of the transaction.
///
/// With the ACLs of that moment, which decide who may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The node appeared.
    Created {
        /// What.
        path: String,
        /// Its ACL.
        acl: AclList,
        /// That of its parent.
        parent_acl: AclList,
    },
    /// The node went.
    Deleted {
        /// What.
        path: String,
        /// Its ACL.
        acl: AclList,
        /// That of its parent.
        parent_acl: AclList,
    },
    /// Its data was set, be it to the same bytes.
    DataSet {
        /// What.
        path: String,
        /// Its ACL.
        acl: AclList,
    },
}

/// What came of a transaction, as the client will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnOutcome {
    /// A session began.
    SessionCreated,
    /// A session ended.
    SessionClosed,
    /// A node was created.
    Created {
        /// Final path.
        path: String,
        /// Its Stat.
        stat: Stat,
        /// Whether the client wants the Stat.
        create2: bool,
    },
    /// A node was deleted.
    Deleted,
    /// Data was set.
    DataSet(Stat),
    /// The membership was changed to this.
    Reconfigured(Option<Bytes>, Stat),
    /// An ACL was set.
    AclSet(Stat),
    /// A check held.
    Checked,
    /// The request failed with this code.
    Failed(i32),
    /// One outcome per operation.
    Multi(Vec<TxnOutcome>),
}

impl TxnOutcome {
    fn failed(code: ErrorCode) -> Self {
        Self::Failed(code.to_wire())
    }
}

/// Header fields that operations need.
#[derive(Clone, Copy)]
struct Ctx {
    session: SessionId,
    zxid: i64,
    time_ms: i64,
}

impl Database {
    /// Applies one transaction and collects what changed.
    pub fn apply(&mut self, txn: &Txn, changes: &mut Vec<Change>) -> TxnOutcome {
        let header = &txn.header;
        let zxid = header.zxid.to_wire();
        let ctx = Ctx {
            session: header.session,
            zxid,
            time_ms: header.time_ms,
        };
        let outcome = match &txn.body {
            TxnBody::CreateSession { timeout_ms } => {
                self.sessions.insert(ctx.session, *timeout_ms);
                TxnOutcome::SessionCreated
            }
            TxnBody::CloseSession { paths } => self.close_session(ctx, paths.as_deref(), changes),
            TxnBody::Multi(ops) => self.multi(ctx, ops, changes),
            TxnBody::Error { .. }
            | TxnBody::Create(_)
            | TxnBody::Delete { .. }
            | TxnBody::SetData { .. }
            | TxnBody::SetAcl { .. }
            | TxnBody::Check { .. } => self.single(ctx, &txn.body, changes),
        };
        self.last_applied = self.last_applied.max(header.zxid);
        outcome
    }

    fn multi(&mut self, ctx: Ctx, ops: &[TxnBody], changes: &mut Vec<Change>) -> TxnOutcome {
        if ops.iter().any(|op| matches!(op, TxnBody::Error { .. })) {
            let code = |op: &TxnBody| {
                if let TxnBody::Error { code } = op {
                    *code
                } else {
                    0
                }
            };
            return TxnOutcome::Multi(ops.iter().map(|op| TxnOutcome::Failed(code(op))).collect());
        }
        TxnOutcome::Multi(ops.iter().map(|op| self.single(ctx, op, changes)).collect())
    }

    fn single(&mut self, ctx: Ctx, op: &TxnBody, changes: &mut Vec<Change>) -> TxnOutcome {
        match op {
            TxnBody::Create(create) => self.create(ctx, create, changes),
            TxnBody::Delete { path, .. } => self.delete(ctx, path, changes),
            TxnBody::SetData {
                path,
                data,
                version,
                reconfig,
            } => {
                let outcome = self.set_data(ctx, path, data.as_ref(), *version, changes);
                if let (TxnOutcome::DataSet(stat), true) = (&outcome, *reconfig) {
                    return TxnOutcome::Reconfigured(data.clone(), *stat);
                }
                outcome
            }
            TxnBody::SetAcl { path, acl, version } => self.set_acl(path, acl.as_deref(), *version),
            TxnBody::Check { .. } => TxnOutcome::Checked,
            TxnBody::Error { code } => TxnOutcome::Failed(*code),
            TxnBody::CreateSession { .. } | TxnBody::CloseSession { .. } | TxnBody::Multi(_) => {
                TxnOutcome::failed(ErrorCode::MarshallingError)
            }
        }
    }

    /// Changes a node and keeps digest and data size right.
    pub(super) fn change(&mut self, at: NodeIdx, path: &str, edit: impl FnOnce(&mut Node)) {
        let node = self.tree.node_mut(at);
        let (digest_before, len_before) = (node.digest, node.data_len());
        edit(node);
        node.digest = node_digest(path, node.data.as_ref(), &node.stat);
        let (digest_after, len_after) = (node.digest, node.data_len());
        self.digest = self
            .digest
            .wrapping_sub(u64::from(digest_before))
            .wrapping_add(u64::from(digest_after));
        self.approximate_data_bytes = self.approximate_data_bytes - len_before + len_after;
    }

    /// Adds a node below a parent that is there.
    fn add_child(
        &mut self,
        parent: NodeIdx,
        name: &str,
        path: &str,
        data: Option<Bytes>,
        acl_id: i64,
        stat: StatPersisted,
    ) -> NodeIdx {
        let digest = node_digest(path, data.as_ref(), &stat);
        let owner = owner_session(stat.ephemeral_owner);
        let node = Node {
            stat,
            data,
            acl_id,
            digest,
            children: Default::default(),
        };
        self.approximate_data_bytes += node.data_len() + path.len() as u64;
        self.digest = self.digest.wrapping_add(u64::from(digest));
        if let Some(session) = owner {
            self.ephemerals
                .entry(session)
                .or_default()
                .insert(path.into());
        } else if node.stat.ephemeral_owner != 0 {
            self.swept.insert(path.into());
        }
        self.tree.add(parent, name, node)
    }

    /// Adds a node whose parent is there, or the root: for the built-in nodes.
    pub(super) fn insert(
        &mut self,
        path: &str,
        data: Option<Bytes>,
        acl: AclList,
        stat: StatPersisted,
    ) {
        let acl_id = self.acls.intern(&acl);
        let placed = self.load_node(path, data, acl_id, stat);
        debug_assert!(placed, "built-in nodes come parents first");
    }

    /// Adds a node of a snapshot; false when its parent is missing or it is there already.
    pub(super) fn load_node(
        &mut self,
        path: &str,
        data: Option<Bytes>,
        acl_id: i64,
        stat: StatPersisted,
    ) -> bool {
        if !self.acls.knows(acl_id) {
            return false;
        }
        if path.is_empty() {
            if self.tree.find("").is_some() {
                return false;
            }
            let digest = node_digest(path, data.as_ref(), &stat);
            let node = Node {
                stat,
                data,
                acl_id,
                digest,
                children: Default::default(),
            };
            self.approximate_data_bytes += node.data_len();
            self.digest = self.digest.wrapping_add(u64::from(digest));
            self.tree.add_root(node);
            return true;
        }
        let Some((parent_path, name)) = parent_of(path) else {
            return false;
        };
        let Some(parent) = self.tree.find(parent_path) else {
            return false;
        };
        if name.is_empty() || self.tree.node(parent).children.contains_key(name) {
            return false;
        }
        self.add_child(parent, name, path, data, acl_id, stat);
        true
    }

    fn create(&mut self, ctx: Ctx, c: &CreateTxn, changes: &mut Vec<Change>) -> TxnOutcome {
        let Some((parent_path, name)) = parent_of(&c.path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        let Some(parent) = self.tree.find(parent_path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        let acl_id = self.acls.intern(&c.acl.as_deref().map(Arc::from));
        let mut cversion = c.parent_cversion;
        if cversion == -1 {
            cversion = self.tree.node(parent).stat.cversion.wrapping_add(1);
        }
        let existing = self.tree.node(parent).children.get(name).copied();
        if let Some(at) = existing {
            self.tree.node_mut(at).acl_id = acl_id;
            if is_plain(c) && !c.create2 {
                self.raise_cversion(parent, parent_path, cversion, ctx.zxid);
            }
            return TxnOutcome::failed(ErrorCode::NodeExists);
        }
        let ephemeral_owner = match c.kind {
            CreateKind::Persistent => 0,
            CreateKind::Ephemeral => ctx.session.0,
            CreateKind::Container => container_owner(),
            CreateKind::Ttl(ms) => ttl_owner(ms),
        };
        let stat = StatPersisted {
            czxid: ctx.zxid,
            mzxid: ctx.zxid,
            ctime: ctx.time_ms,
            mtime: ctx.time_ms,
            ephemeral_owner,
            pzxid: ctx.zxid,
            ..StatPersisted::default()
        };
        self.raise_cversion(parent, parent_path, cversion, ctx.zxid);
        let at = self.add_child(parent, name, &c.path, c.data.clone(), acl_id, stat);
        self.count_created(&c.path, c.data.as_ref().map_or(0, |d| d.len() as u64));
        changes.push(Change::Created {
            path: c.path.clone(),
            acl: self.acls.list(acl_id),
            parent_acl: self.acl_at(parent),
        });
        let stat = self.tree.node(at).stat();
        TxnOutcome::Created {
            path: c.path.clone(),
            stat,
            create2: c.create2 || !is_plain(c),
        }
    }

    fn acl_at(&self, at: NodeIdx) -> AclList {
        self.acls.list(self.tree.node(at).acl_id)
    }

    /// Raises the parent's count of creations, never lowers it.
    fn raise_cversion(&mut self, at: NodeIdx, path: &str, cversion: i32, zxid: i64) {
        self.change(at, path, |node| {
            if cversion > node.stat.cversion {
                node.stat.cversion = cversion;
                node.stat.pzxid = zxid;
            }
        });
    }

    fn delete(&mut self, ctx: Ctx, path: &str, changes: &mut Vec<Change>) -> TxnOutcome {
        let Some((parent_path, name)) = parent_of(path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        let Some(parent) = self.tree.find(parent_path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        self.change(parent, parent_path, |node| {
            node.stat.pzxid = node.stat.pzxid.max(ctx.zxid);
        });
        let has_children = |db: &Self, at| !db.tree.node(at).children.is_empty();
        match self.tree.node(parent).children.get(name).copied() {
            None => return TxnOutcome::failed(ErrorCode::NoNode),
            // No leader prepares this; removing would orphan the subtree.
            Some(at) if has_children(self, at) => return TxnOutcome::failed(ErrorCode::NotEmpty),
            Some(_) => {}
        }
        if let Some(node) = self.tree.remove(parent, name) {
            self.digest = self.digest.wrapping_sub(u64::from(node.digest));
            self.approximate_data_bytes -= node.data_len() + path.len() as u64;
            if let Some(session) = owner_session(node.stat.ephemeral_owner)
                && let Some(paths) = self.ephemerals.get_mut(&session)
            {
                paths.remove(path);
                if paths.is_empty() {
                    self.ephemerals.remove(&session);
                }
            } else if node.stat.ephemeral_owner != 0 {
                self.swept.remove(path);
            }
            self.count_deleted(path, node.data_len());
            changes.push(Change::Deleted {
                path: path.to_owned(),
                acl: self.acls.list(node.acl_id),
                parent_acl: self.acl_at(parent),
            });
        }
        TxnOutcome::Deleted
    }

    fn set_data(
        &mut self,
        ctx: Ctx,
        path: &str,
        data: Option<&Bytes>,
        version: i32,
        changes: &mut Vec<Change>,
    ) -> TxnOutcome {
        let Some(at) = self.tree.find(path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        let len_before = self.tree.node(at).data_len();
        self.change(at, path, |node| {
            node.data = data.cloned();
            node.stat.version = version;
            node.stat.mzxid = ctx.zxid;
            node.stat.mtime = ctx.time_ms;
        });
        self.count_set(path, len_before, data.map_or(0, |d| d.len() as u64));
        changes.push(Change::DataSet {
            path: path.to_owned(),
            acl: self.acl_at(at),
        });
        TxnOutcome::DataSet(self.tree.node(at).stat())
    }

    fn set_acl(&mut self, path: &str, acl: Option<&[Acl]>, version: i32) -> TxnOutcome {
        let Some(at) = self.tree.find(path) else {
            return TxnOutcome::failed(ErrorCode::NoNode);
        };
        let acl_id = self.acls.intern(&acl.map(Arc::from));
        self.change(at, path, |node| {
            node.acl_id = acl_id;
            node.stat.aversion = version;
        });
        TxnOutcome::AclSet(self.tree.node(at).stat())
    }

    fn close_session(
        &mut self,
        ctx: Ctx,
        listed: Option<&[String]>,
        changes: &mut Vec<Change>,
    ) -> TxnOutcome {
        self.sessions.remove(&ctx.session);
        for path in listed.unwrap_or_default() {
            self.delete(ctx, path, changes);
        }
        let left: Vec<Box<str>> = self
            .ephemerals
            .get(&ctx.session)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for path in left {
            self.delete(ctx, &path, changes);
        }
        TxnOutcome::SessionClosed
    }

    /// Declares the state to be that of `zxid`, as a snapshot's name or a SNAP packet says.
    pub(super) fn set_last_applied(&mut self, zxid: Zxid) {
        self.last_applied = zxid;
    }
}

fn is_plain(c: &CreateTxn) -> bool {
    matches!(c.kind, CreateKind::Persistent | CreateKind::Ephemeral)
}

#[cfg(test)]
mod tests;
