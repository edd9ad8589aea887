//! Every request body that this server answers, decoded once, at the edge.

use bytes::Bytes;

use crate::client::multi::MultiOp;
use crate::client::multi_read::ReadOp;
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
    /// A null list or path stood behind these: what comes before it counts, the rest does not, and
    /// the answer is an error.
    pub cut_short: bool,
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

    /// The node that it is about; `None` where it names none, or more than one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Create {
                create: CreateRequest { path, .. },
                ..
            }
            | Self::Delete { path, .. }
            | Self::Exists { path, .. }
            | Self::GetData { path, .. }
            | Self::SetData { path, .. }
            | Self::GetAcl { path }
            | Self::GetChildren { path, .. }
            | Self::GetChildren2 { path, .. }
            | Self::SetAcl { path, .. }
            | Self::CheckWatches { path, .. }
            | Self::RemoveWatches { path, .. }
            | Self::AddWatch { path, .. }
            | Self::GetAllChildrenNumber { path } => Some(path),
            Self::Sync { path } | Self::GetEphemerals { prefix: path } => path.as_deref(),
            Self::Multi(_)
            | Self::MultiRead(_)
            | Self::SetWatches(_)
            | Self::Reconfig(_)
            | Self::WhoAmI
            | Self::Auth { .. }
            | Self::Sasl { .. }
            | Self::Ping
            | Self::CloseSession => None,
        }
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

mod codec;
#[cfg(test)]
mod tests;
