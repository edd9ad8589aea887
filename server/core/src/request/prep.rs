//! Turns a write into a transaction: the checks, in Apache's order, against the tree as it will be
//! (`PrepRequestProcessor.pRequest2Txn`).
//!
//! A write that fails still takes a zxid: its transaction carries the error.

use std::sync::Arc;

use bytes::Bytes;
use zk_wire::client::{ErrorCode, MultiOp, Request};
use zk_wire::data::perms;
use zk_wire::txn::TxnBody;
use zk_wire::{Acl, Id, SessionId, Sid, Zxid};

mod create;
mod reconfig;

use super::acl;
use super::outstanding::{FutureNode, Outstanding};
use super::quota;
use crate::config::PeerConfig;
use crate::db::{BUILT_IN, Database, is_valid, parent_of};
use crate::ensemble::Ensemble;
use crate::session::Standing;

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// Session.
    pub(crate) session: SessionId,
    /// Identities of its connection.
    pub(crate) auth: &'a [Id],
    /// What its session may write.
    pub(crate) standing: Standing,
    /// The transaction's id.
    pub(crate) zxid: Zxid,
    /// The transaction's time, ms.
    pub(crate) time_ms: i64,
    /// The server's settings.
    pub(crate) cfg: &'a PeerConfig,
    /// The members.
    pub(crate) ensemble: &'a Ensemble,
    /// Members that are connected and synchronized; looked at by reconfig only.
    pub(crate) synced: &'a [Sid],
}

/// A write as the leader prepares it.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// A client's request; one of the write operations.
    Client(Request),
    /// A session begins.
    CreateSession {
        /// Negotiated, ms.
        timeout_ms: i32,
    },
    /// A session ends, by its client or by expiry.
    CloseSession,
    /// A container or a node with a time to live goes.
    Sweep {
        /// Which.
        path: String,
    },
    /// A request that cannot be carried out, whatever the tree.
    Refused(ErrorCode),
}

/// Prepares one write; its effects are noted in `out`.
pub(crate) fn prepare(
    db: &Database,
    out: &mut Outstanding,
    asker: Asker<'_>,
    write: &Write,
) -> TxnBody {
    let mut prep = Prep { db, out, asker };
    let outcome = match write {
        Write::CreateSession { timeout_ms } => Ok(TxnBody::CreateSession {
            timeout_ms: *timeout_ms,
        }),
        Write::CloseSession => Ok(prep.close_session()),
        Write::Refused(code) => Err(*code),
        Write::Client(Request::Multi(ops)) => prep.multi(ops),
        Write::Client(Request::Create { create, op }) => prep.create(create, *op),
        Write::Client(Request::Delete { path, version }) => prep.delete(path, *version),
        Write::Client(Request::SetData {
            path,
            data,
            version,
        }) => prep.set_data(path, data.as_ref(), *version),
        Write::Client(Request::SetAcl { path, acl, version }) => {
            prep.set_acl(path, acl.as_deref(), *version)
        }
        Write::Client(Request::Reconfig(request)) => prep.reconfig(request),
        Write::Sweep { path } => prep.sweep(path),
        // Reads take no transaction; a learner that forwards one is told so.
        Write::Client(_) => Err(ErrorCode::Unimplemented),
    };
    outcome.unwrap_or_else(|code| TxnBody::Error {
        code: code.to_wire(),
    })
}

struct Prep<'a> {
    db: &'a Database,
    out: &'a mut Outstanding,
    asker: Asker<'a>,
}

impl Prep<'_> {
    fn node(&self, path: &str) -> Result<FutureNode, ErrorCode> {
        self.out.node(self.db, path).ok_or(ErrorCode::NoNode)
    }

    fn require(&self, node: &FutureNode, wanted: i32) -> Result<(), ErrorCode> {
        if acl::permits(
            node.acl.as_deref(),
            wanted,
            self.asker.auth,
            &self.asker.cfg.auth,
        ) {
            Ok(())
        } else {
            Err(ErrorCode::NoAuth)
        }
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<TxnBody, ErrorCode> {
        self.asker.standing.write?;
        let (parent_path, _) = split(path)?;
        if BUILT_IN.contains(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let parent = self.node(parent_path)?;
        self.require(&parent, perms::DELETE)?;
        let node = self.node(path)?;
        check_version(version, node.stat.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(path, &node);
        Ok(TxnBody::Delete {
            path: path.to_owned(),
            container: false,
        })
    }

    /// Notes a deletion: the node goes, the parent's pzxid and number of children move.
    fn remove(&mut self, path: &str, node: &FutureNode) {
        let zxid = self.asker.zxid;
        self.out.remove(path, zxid, node);
        if let Some((parent_path, _)) = parent_of(path)
            && let Some(mut parent) = self.out.node(self.db, parent_path)
        {
            parent.children -= 1;
            parent.stat.pzxid = parent.stat.pzxid.max(zxid.to_wire());
            self.out.set(parent_path, zxid, parent);
        }
    }

    fn set_data(
        &mut self,
        path: &str,
        data: Option<&Bytes>,
        version: i32,
    ) -> Result<TxnBody, ErrorCode> {
        self.asker.standing.write?;
        if !is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let mut node = self.node(path)?;
        self.require(&node, perms::WRITE)?;
        if self.asker.cfg.kinds.enforce_quota {
            quota::check_set(self.db, path, node.data.as_ref(), data)?;
        }
        check_version(version, node.stat.version)?;
        let version = node.stat.version.wrapping_add(1);
        node.data = data.cloned();
        node.stat.version = version;
        node.stat.mzxid = self.asker.zxid.to_wire();
        node.stat.mtime = self.asker.time_ms;
        self.out.set(path, self.asker.zxid, node);
        Ok(TxnBody::SetData {
            path: path.to_owned(),
            data: data.cloned(),
            version,
            reconfig: false,
        })
    }

    fn set_acl(
        &mut self,
        path: &str,
        acl: Option<&[Acl]>,
        version: i32,
    ) -> Result<TxnBody, ErrorCode> {
        self.asker.standing.write?;
        if !is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let list = acl::fix_up(acl, self.asker.auth, &self.asker.cfg.auth)?;
        let mut node = self.node(path)?;
        self.require(&node, perms::ADMIN)?;
        check_version(version, node.stat.aversion)?;
        let version = node.stat.aversion.wrapping_add(1);
        node.stat.aversion = version;
        node.acl = Some(Arc::from(list.as_slice()));
        self.out.set(path, self.asker.zxid, node);
        Ok(TxnBody::SetAcl {
            path: path.to_owned(),
            acl: Some(list),
            version,
        })
    }

    /// deleteContainer, which asks neither for a session nor for a permission.
    fn sweep(&mut self, path: &str) -> Result<TxnBody, ErrorCode> {
        let (parent_path, _) = split(path)?;
        if BUILT_IN.contains(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.node(path)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if is_ephemeral(&node) {
            return Err(ErrorCode::BadVersion);
        }
        self.node(parent_path)?;
        self.remove(path, &node);
        Ok(TxnBody::Delete {
            path: path.to_owned(),
            container: true,
        })
    }

    fn check(&self, path: &str, version: i32) -> Result<TxnBody, ErrorCode> {
        self.asker.standing.write?;
        if !is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.node(path)?;
        self.require(&node, perms::READ)?;
        check_version(version, node.stat.version)?;
        let version = node.stat.version.wrapping_add(1);
        Ok(TxnBody::Check {
            path: path.to_owned(),
            version,
        })
    }

    fn close_session(&mut self) -> TxnBody {
        let paths = self.out.ephemerals_of(self.db, self.asker.session);
        for path in &paths {
            if let Some(node) = self.out.node(self.db, path) {
                self.remove(path, &node);
            }
        }
        TxnBody::CloseSession { paths: Some(paths) }
    }

    /// All or nothing: each operation sees the ones before it; a failure takes them all back.
    fn multi(&mut self, ops: &[MultiOp]) -> Result<TxnBody, ErrorCode> {
        self.out.begin();
        let mut bodies = Vec::with_capacity(ops.len());
        let mut failed = None;
        for op in ops {
            let outcome = match op {
                MultiOp::Create { create, op } => self.create(create, *op),
                MultiOp::Delete { path, version } => self.delete(path, *version),
                MultiOp::SetData {
                    path,
                    data,
                    version,
                } => self.set_data(path, data.as_ref(), *version),
                MultiOp::Check { path, version } => self.check(path, *version),
            };
            match outcome {
                Ok(body) => bodies.push(body),
                // An unexpected value is no outcome of an operation; it fails the request.
                Err(ErrorCode::MarshallingError) => {
                    self.out.roll_back();
                    return Err(ErrorCode::MarshallingError);
                }
                Err(code) => {
                    failed = Some(code);
                    break;
                }
            }
        }
        if let Some(code) = failed {
            self.out.roll_back();
            bodies.push(TxnBody::Error {
                code: code.to_wire(),
            });
            let rest = ErrorCode::RuntimeInconsistency.to_wire();
            bodies.resize(ops.len(), TxnBody::Error { code: rest });
        } else {
            self.out.keep();
        }
        Ok(TxnBody::Multi(bodies))
    }
}

/// A path's parent and name; what has no slash or a NUL in it is no path at all.
fn split(path: &str) -> Result<(&str, &str), ErrorCode> {
    if path.contains('\0') {
        return Err(ErrorCode::BadArguments);
    }
    parent_of(path).ok_or(ErrorCode::BadArguments)
}

fn is_ephemeral(node: &FutureNode) -> bool {
    crate::db::owner_session(node.stat.ephemeral_owner).is_some()
}

fn check_version(wanted: i32, current: i32) -> Result<(), ErrorCode> {
    if wanted == -1 || wanted == current {
        Ok(())
    } else {
        Err(ErrorCode::BadVersion)
    }
}

#[cfg(test)]
mod tests;
