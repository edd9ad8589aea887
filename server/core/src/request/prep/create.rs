//! create in its four forms: persistent, ephemeral, container, with a time to live
//! (`PrepRequestProcessor.pRequest2TxnCreate`).

use std::sync::Arc;

use zk_wire::StatPersisted;
use zk_wire::client::request::NO_TTL;
use zk_wire::client::{CreateOp, CreateRequest, ErrorCode};
use zk_wire::data::perms;
use zk_wire::txn::{CreateKind, CreateTxn, TxnBody};

use super::{Prep, is_ephemeral, split};
use crate::db::{container_owner, is_valid, ttl_owner};
use crate::request::outstanding::FutureNode;
use crate::request::{acl, quota};

/// The longest time to live: what the five low bytes of an owner hold.
const TTL_MAX_MS: i64 = 0xff_ffff_ffff;

/// What the flags of a create ask for (`CreateMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    ephemeral: bool,
    sequential: bool,
    ttl: bool,
}

impl Mode {
    fn from_flags(flags: i32) -> Result<Self, ErrorCode> {
        // 4, container, says nothing here: the operation does.
        if !(0..=6).contains(&flags) {
            return Err(ErrorCode::BadArguments);
        }
        Ok(Self {
            ephemeral: matches!(flags, 1 | 3),
            sequential: matches!(flags, 2 | 3 | 6),
            ttl: matches!(flags, 5 | 6),
        })
    }

    /// Only the flags with a time to live go with one, and only where such nodes are enabled.
    fn check_ttl(self, ttl_ms: i64, enabled: bool) -> Result<(), ErrorCode> {
        if self.ttl && !enabled {
            return Err(ErrorCode::Unimplemented);
        }
        let fits = if self.ttl {
            (1..=TTL_MAX_MS).contains(&ttl_ms)
        } else {
            ttl_ms < 0
        };
        fits.then_some(()).ok_or(ErrorCode::BadArguments)
    }
}

impl Prep<'_> {
    pub(super) fn create(
        &mut self,
        request: &CreateRequest,
        op: CreateOp,
    ) -> Result<TxnBody, ErrorCode> {
        let mode = Mode::from_flags(request.flags)?;
        let kinds = self.asker.cfg.kinds;
        let ttl_ms = match op {
            CreateOp::Ttl => request.ttl_ms,
            CreateOp::Create | CreateOp::Create2 | CreateOp::Container => NO_TTL,
        };
        mode.check_ttl(ttl_ms, kinds.extended_types)?;
        self.asker.standing.create(op, mode.ephemeral)?;
        let kind = match op {
            CreateOp::Container => CreateKind::Container,
            CreateOp::Ttl if mode.ttl => CreateKind::Ttl(ttl_ms),
            // Apache builds a transaction here that no server survives.
            CreateOp::Ttl => return Err(ErrorCode::BadArguments),
            CreateOp::Create | CreateOp::Create2 if mode.ephemeral => CreateKind::Ephemeral,
            CreateOp::Create | CreateOp::Create2 => CreateKind::Persistent,
        };
        let (parent_path, _) = split(&request.path)?;
        let list = acl::fix_up(
            request.acl.as_deref(),
            self.asker.auth,
            &self.asker.cfg.auth,
        )?;
        let mut parent = self.node(parent_path)?;
        self.require(&parent, perms::CREATE)?;
        let mut path = request.path.clone();
        if mode.sequential {
            path.push_str(&sequence_suffix(parent.counter));
        }
        if !is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.out.node(self.db, &path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if is_ephemeral(&parent) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        if kinds.enforce_quota {
            quota::check_create(self.db, &path, request.data.as_ref())?;
        }
        let zxid = self.asker.zxid;
        let parent_cversion = parent.counter.wrapping_add(1);
        parent.children += 1;
        parent.counter = parent_cversion;
        // After 2^31-1 creations this stands still, and with it the time of the last one; names go on
        // with negative numbers until what is under way is applied.
        if parent_cversion > parent.stat.cversion {
            parent.stat.cversion = parent_cversion;
            parent.stat.pzxid = zxid.to_wire();
        }
        self.out.set(parent_path, zxid, parent);
        let node = FutureNode::new(
            request.data.clone(),
            Some(Arc::from(list.as_slice())),
            self.new_stat(kind),
        );
        self.out.set(&path, zxid, node);
        Ok(TxnBody::Create(CreateTxn {
            path,
            data: request.data.clone(),
            acl: Some(list),
            kind,
            parent_cversion,
            create2: op.replies_with_stat(),
        }))
    }

    fn new_stat(&self, kind: CreateKind) -> StatPersisted {
        let zxid = self.asker.zxid.to_wire();
        StatPersisted {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: self.asker.time_ms,
            mtime: self.asker.time_ms,
            ephemeral_owner: match kind {
                CreateKind::Persistent => 0,
                CreateKind::Ephemeral => self.asker.session.0,
                CreateKind::Container => container_owner(),
                CreateKind::Ttl(ms) => ttl_owner(ms),
            },
            ..StatPersisted::default()
        }
    }
}

/// The counter of a parent as the end of a name: at least ten digits, signed.
fn sequence_suffix(cversion: i32) -> String {
    format!("{cversion:010}")
}
