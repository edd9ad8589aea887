//! Every request body that this server answers, decoded once, at the edge.

use bytes::Bytes;

use crate::client::multi::{self, MultiOp};
use crate::client::multi_read::{self, ReadOp};
use crate::client::opcode::OpCode;
use crate::data::Acl;
use crate::error::DecodeError;
use crate::ids::{Xid, Zxid};
use crate::jute::{Reader, Writer};

/// `RequestHeader`: the client's number and the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// Echoed in the reply.
    pub xid: Xid,
    /// The operation's number, known or not.
    pub op: i32,
}

impl RequestHeader {
    /// Length on the wire, bytes.
    pub const LEN: usize = 8;

    /// Splits a frame into header and body.
    ///
    /// # Errors
    /// Fewer than eight bytes.
    pub fn split(frame: Bytes) -> Result<(Self, Bytes), DecodeError> {
        let mut r = Reader::unlimited(frame);
        let header = Self {
            xid: Xid(r.i32()?),
            op: r.i32()?,
        };
        Ok((header, r.into_rest()))
    }
}

/// Which of the four create operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOp {
    /// create: replies with the path only.
    Create,
    /// create2: replies with path and Stat, as the two below do.
    Create2,
    /// createContainer.
    Container,
    /// createTTL, the only one whose record carries a time to live.
    Ttl,
}

impl CreateOp {
    /// The operation of the client protocol.
    #[must_use]
    pub fn op(self) -> OpCode {
        match self {
            Self::Create => OpCode::Create,
            Self::Create2 => OpCode::Create2,
            Self::Container => OpCode::CreateContainer,
            Self::Ttl => OpCode::CreateTtl,
        }
    }

    /// Whether the reply carries the Stat.
    #[must_use]
    pub fn replies_with_stat(self) -> bool {
        self != Self::Create
    }
}

/// What a record without a time to live stands for.
pub const NO_TTL: i64 = -1;

/// The arguments of a create in any of its forms (`CreateRequest`, `CreateTTLRequest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// Wanted path; a sequence number may be appended.
    pub path: String,
    /// `None` is null.
    pub data: Option<Bytes>,
    /// `None` is null.
    pub acl: Option<Vec<Acl>>,
    /// 0 persistent, 1 ephemeral, 2 and 3 the same with a sequence number, 4 container, 5 and 6
    /// persistent with a time to live.
    pub flags: i32,
    /// Time to live, ms, as createTTL sends it; [`NO_TTL`] in the other forms.
    pub ttl_ms: i64,
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Any create.
    Create {
        /// The arguments.
        create: CreateRequest,
        /// In which of the four forms.
        op: CreateOp,
    },
    /// delete.
    Delete {
        /// What.
        path: String,
        /// -1 for any.
        version: i32,
    },
    /// exists.
    Exists {
        /// What.
        path: String,
        /// Set a watch.
        watch: bool,
    },
    /// getData.
    GetData {
        /// What.
        path: String,
        /// Set a watch.
        watch: bool,
    },
    /// setData.
    SetData {
        /// What; a null path is an empty one here, as both are refused alike.
        path: String,
        /// `None` is null.
        data: Option<Bytes>,
        /// -1 for any.
        version: i32,
    },
    /// getACL.
    GetAcl {
        /// What.
        path: String,
    },
    /// getChildren.
    GetChildren {
        /// What.
        path: String,
        /// Set a watch.
        watch: bool,
    },
    /// getChildren2.
    GetChildren2 {
        /// What.
        path: String,
        /// Set a watch.
        watch: bool,
    },
    /// sync.
    Sync {
        /// Echoed, never looked up.
        path: Option<String>,
    },
    /// multi.
    Multi(Vec<MultiOp>),
    /// multiRead.
    MultiRead(Vec<ReadOp>),
    /// setWatches and setWatches2.
    SetWatches(CarriedWatches),
    /// setACL.
    SetAcl {
        /// What; a null path is an empty one here, as both are refused alike.
        path: String,
        /// `None` is null.
        acl: Option<Vec<Acl>>,
        /// Wanted aversion, -1 for any.
        version: i32,
    },
    /// reconfig.
    Reconfig(ReconfigRequest),
    /// checkWatches.
    CheckWatches {
        /// What.
        path: String,
        /// `Watcher.WatcherType`: 1 to 5; others are for the server to refuse.
        kind: i32,
    },
    /// removeWatches.
    RemoveWatches {
        /// What.
        path: String,
        /// As in `CheckWatches`.
        kind: i32,
    },
    /// addWatch.
    AddWatch {
        /// What, existing or not.
        path: String,
        /// 0 persistent, 1 persistent recursive; others are for the server to refuse.
        mode: i32,
    },
    /// getEphemerals.
    GetEphemerals {
        /// Prefix of the paths; null and blank mean all.
        prefix: Option<String>,
    },
    /// getAllChildrenNumber.
    GetAllChildrenNumber {
        /// What.
        path: String,
    },
    /// whoAmI.
    WhoAmI,
    /// auth.
    Auth {
        /// `None` is null, which is refused.
        scheme: Option<String>,
        /// `None` is null, which is refused.
        auth: Option<Bytes>,
    },
    /// sasl; a null token does not decode.
    Sasl {
        /// The client's token, may be empty.
        token: Bytes,
    },
    /// ping.
    Ping,
    /// closeSession.
    CloseSession,
}

/// Watches that a client brings from its last connection (`SetWatches`, `SetWatches2`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CarriedWatches {
    /// The newest state that the client saw.
    pub relative_zxid: Zxid,
    /// Paths watched by getData.
    pub data: Vec<String>,
    /// Paths watched by exists while absent.
    pub exist: Vec<String>,
    /// Paths watched by getChildren.
    pub child: Vec<String>,
    /// The lists that only setWatches2 has.
    pub persistent: Option<PersistentWatches>,
}

/// The lists that setWatches2 adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersistentWatches {
    /// Paths with a persistent watch.
    pub exact: Vec<String>,
    /// Paths with a persistent recursive watch.
    pub recursive: Vec<String>,
}

/// A wanted change of membership (`ReconfigRequest`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReconfigRequest {
    /// `server.N=..` lines, separated by commas.
    pub joining: Option<String>,
    /// Server ids, separated by commas.
    pub leaving: Option<String>,
    /// The whole new membership, instead of the two above.
    pub new_members: Option<String>,
    /// The config version that the change is conditional on, -1 for any.
    pub from_config: i64,
}

impl Request {
    /// Reads the body of operation `op`; `Ok(None)` when this server does not implement it.
    ///
    /// # Errors
    /// A body that does not decode: answered with `MARSHALLINGERROR`.
    pub fn decode(
        op: OpCode,
        body: Bytes,
        field_len_max: usize,
    ) -> Result<Option<Self>, DecodeError> {
        let mut r = Reader::new(body, field_len_max);
        let r = &mut r;
        Ok(Some(match op {
            OpCode::Create => Self::create(CreateOp::Create, r)?,
            OpCode::Create2 => Self::create(CreateOp::Create2, r)?,
            OpCode::CreateContainer => Self::create(CreateOp::Container, r)?,
            OpCode::CreateTtl => Self::create(CreateOp::Ttl, r)?,
            OpCode::Delete => Self::Delete {
                path: r.string_required("path")?,
                version: r.i32()?,
            },
            OpCode::Exists => Self::Exists {
                path: r.string_required("path")?,
                watch: r.bool()?,
            },
            OpCode::GetData => Self::GetData {
                path: r.string_required("path")?,
                watch: r.bool()?,
            },
            OpCode::SetData => Self::SetData {
                path: r.string()?.unwrap_or_default(),
                data: r.buffer()?,
                version: r.i32()?,
            },
            OpCode::GetAcl => Self::GetAcl {
                path: r.string_required("path")?,
            },
            OpCode::GetChildren => Self::GetChildren {
                path: r.string_required("path")?,
                watch: r.bool()?,
            },
            OpCode::GetChildren2 => Self::GetChildren2 {
                path: r.string_required("path")?,
                watch: r.bool()?,
            },
            OpCode::Sync => Self::Sync { path: r.string()? },
            OpCode::Multi => Self::Multi(multi::decode_request(r)?),
            OpCode::MultiRead => Self::MultiRead(multi_read::decode_request(r)?),
            OpCode::SetWatches | OpCode::SetWatches2 => {
                Self::SetWatches(CarriedWatches::decode(op == OpCode::SetWatches2, r)?)
            }
            OpCode::SetAcl => Self::SetAcl {
                path: r.string()?.unwrap_or_default(),
                acl: r.vector(Acl::decode)?,
                version: r.i32()?,
            },
            OpCode::Reconfig => Self::Reconfig(ReconfigRequest {
                joining: r.string()?,
                leaving: r.string()?,
                new_members: r.string()?,
                from_config: r.i64()?,
            }),
            OpCode::CheckWatches => Self::CheckWatches {
                path: r.string_required("path")?,
                kind: r.i32()?,
            },
            OpCode::RemoveWatches => Self::RemoveWatches {
                path: r.string_required("path")?,
                kind: r.i32()?,
            },
            OpCode::AddWatch => Self::AddWatch {
                path: r.string_required("path")?,
                mode: r.i32()?,
            },
            OpCode::GetEphemerals => Self::GetEphemerals {
                prefix: r.string()?,
            },
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber {
                path: r.string_required("path")?,
            },
            OpCode::WhoAmI => Self::WhoAmI,
            OpCode::Auth => {
                let _kind = r.i32()?;
                Self::Auth {
                    scheme: r.string()?,
                    auth: r.buffer()?,
                }
            }
            OpCode::Sasl => Self::Sasl {
                token: r.buffer()?.ok_or(DecodeError::Null("token"))?,
            },
            OpCode::Ping => Self::Ping,
            OpCode::CloseSession => Self::CloseSession,
            // check is an operation of a multi; the other two are the servers' own.
            OpCode::Check | OpCode::DeleteContainer | OpCode::CreateSession => return Ok(None),
        }))
    }

    /// The operation.
    #[must_use]
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create { op, .. } => op.op(),
            Self::Delete { .. } => OpCode::Delete,
            Self::Exists { .. } => OpCode::Exists,
            Self::GetData { .. } => OpCode::GetData,
            Self::SetData { .. } => OpCode::SetData,
            Self::GetAcl { .. } => OpCode::GetAcl,
            Self::GetChildren { .. } => OpCode::GetChildren,
            Self::GetChildren2 { .. } => OpCode::GetChildren2,
            Self::Sync { .. } => OpCode::Sync,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::SetWatches(carried) if carried.persistent.is_some() => OpCode::SetWatches2,
            Self::SetWatches(_) => OpCode::SetWatches,
            Self::SetAcl { .. } => OpCode::SetAcl,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches { .. } => OpCode::CheckWatches,
            Self::RemoveWatches { .. } => OpCode::RemoveWatches,
            Self::AddWatch { .. } => OpCode::AddWatch,
            Self::GetEphemerals { .. } => OpCode::GetEphemerals,
            Self::GetAllChildrenNumber { .. } => OpCode::GetAllChildrenNumber,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::Auth { .. } => OpCode::Auth,
            Self::Sasl { .. } => OpCode::Sasl,
            Self::Ping => OpCode::Ping,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Writes the body, as clients do and as a follower forwards it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(64);
        match self {
            Self::Create { create, op } => create.encode(*op, &mut w),
            Self::Delete { path, version } => {
                w.string(path);
                w.i32(*version);
            }
            Self::Exists { path, watch }
            | Self::GetData { path, watch }
            | Self::GetChildren { path, watch }
            | Self::GetChildren2 { path, watch } => {
                w.string(path);
                w.bool(*watch);
            }
            Self::SetData {
                path,
                data,
                version,
            } => {
                w.string(path);
                w.buffer(data.as_deref());
                w.i32(*version);
            }
            Self::GetAcl { path } | Self::GetAllChildrenNumber { path } => w.string(path),
            Self::Sync { path } => w.string_or_null(path.as_deref()),
            Self::Multi(ops) => multi::encode_request(ops, &mut w),
            Self::MultiRead(ops) => multi_read::encode_request(ops, &mut w),
            Self::SetWatches(carried) => carried.encode(&mut w),
            Self::SetAcl { path, acl, version } => {
                w.string(path);
                acl_or_null(acl.as_deref(), &mut w);
                w.i32(*version);
            }
            Self::Reconfig(change) => {
                w.string_or_null(change.joining.as_deref());
                w.string_or_null(change.leaving.as_deref());
                w.string_or_null(change.new_members.as_deref());
                w.i64(change.from_config);
            }
            Self::CheckWatches { path, kind: number }
            | Self::RemoveWatches { path, kind: number }
            | Self::AddWatch { path, mode: number } => {
                w.string(path);
                w.i32(*number);
            }
            Self::GetEphemerals { prefix } => w.string_or_null(prefix.as_deref()),
            Self::Auth { scheme, auth } => {
                w.i32(0);
                w.string_or_null(scheme.as_deref());
                w.buffer(auth.as_deref());
            }
            Self::Sasl { token } => w.buffer(Some(token)),
            Self::Ping | Self::CloseSession | Self::WhoAmI => {}
        }
        w.into_bytes()
    }

    fn create(op: CreateOp, r: &mut Reader) -> Result<Self, DecodeError> {
        let create = CreateRequest::decode(op, r)?;
        Ok(Self::Create { create, op })
    }

    /// A whole frame's content: header and body.
    #[must_use]
    pub fn encode_with_header(&self, xid: Xid) -> Bytes {
        let mut w = Writer::with_capacity(72);
        w.i32(xid.0);
        w.i32(self.op().to_wire());
        w.raw(&self.encode());
        w.into_bytes()
    }
}

impl CreateRequest {
    pub(crate) fn decode(op: CreateOp, r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            path: r.string_required("path")?,
            data: r.buffer()?,
            acl: r.vector(Acl::decode)?,
            flags: r.i32()?,
            ttl_ms: if op == CreateOp::Ttl {
                r.i64()?
            } else {
                NO_TTL
            },
        })
    }

    pub(crate) fn encode(&self, op: CreateOp, w: &mut Writer) {
        w.string(&self.path);
        w.buffer(self.data.as_deref());
        acl_or_null(self.acl.as_deref(), w);
        w.i32(self.flags);
        if op == CreateOp::Ttl {
            w.i64(self.ttl_ms);
        }
    }
}

impl CarriedWatches {
    fn decode(with_persistent: bool, r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            relative_zxid: Zxid::from_wire(r.i64()?),
            data: paths(r)?,
            exist: paths(r)?,
            child: paths(r)?,
            persistent: if with_persistent {
                Some(PersistentWatches {
                    exact: paths(r)?,
                    recursive: paths(r)?,
                })
            } else {
                None
            },
        })
    }

    fn encode(&self, w: &mut Writer) {
        w.i64(self.relative_zxid.to_wire());
        w.strings(&self.data);
        w.strings(&self.exist);
        w.strings(&self.child);
        if let Some(persistent) = &self.persistent {
            w.strings(&persistent.exact);
            w.strings(&persistent.recursive);
        }
    }
}

fn acl_or_null(acl: Option<&[Acl]>, w: &mut Writer) {
    match acl {
        None => w.i32(-1),
        Some(acl) => Acl::encode_all(acl, w),
    }
}

fn paths(r: &mut Reader) -> Result<Vec<String>, DecodeError> {
    let list = r.vector(|r| r.string_required("path"))?;
    list.ok_or(DecodeError::Null("list of paths"))
}

#[cfg(test)]
mod tests;
