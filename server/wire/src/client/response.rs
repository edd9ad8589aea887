//! Reply header and every reply body that this server sends.

use bytes::Bytes;

use crate::client::multi::{self, MultiResult};
use crate::client::multi_read::{self, ReadResult};
use crate::client::opcode::OpCode;
use crate::data::{Acl, Stat};
use crate::error::DecodeError;
use crate::ids::Xid;
use crate::jute::{Reader, Writer};

/// `ReplyHeader`: whose reply, as of which state, and whether it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The request's.
    pub xid: Xid,
    /// The write's transaction, or the state that a read saw; -1 when there is neither.
    pub zxid: i64,
    /// 0, or the number of an error code.
    pub err: i32,
}

impl ReplyHeader {
    /// Writes the record.
    pub fn encode(&self, w: &mut Writer) {
        w.i32(self.xid.0);
        w.i64(self.zxid);
        w.i32(self.err);
    }

    /// Reads the record, for clients.
    ///
    /// # Errors
    /// Fewer than 16 bytes.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            xid: Xid(r.i32()?),
            zxid: r.i64()?,
            err: r.i32()?,
        })
    }
}

/// One identity of a connection as whoAmI shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientInfo {
    /// Scheme of the identity.
    pub scheme: String,
    /// The name, without what proves it.
    pub user: String,
}

/// The body of a successful reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// delete, ping, setWatches, checkWatches, removeWatches, auth, closeSession.
    Empty,
    /// create: the final path.
    Path(String),
    /// create2, createContainer, createTTL.
    PathStat(String, Stat),
    /// exists, setData, setACL.
    Stat(Stat),
    /// getData, reconfig.
    Data(Option<Bytes>, Stat),
    /// getACL.
    Acl(Vec<Acl>, Stat),
    /// getChildren, getEphemerals.
    Children(Vec<String>),
    /// getChildren2.
    ChildrenStat(Vec<String>, Stat),
    /// sync: the path as it came.
    Sync(Option<String>),
    /// multi, whether it succeeded or not.
    Multi(Vec<MultiResult>),
    /// multiRead.
    MultiRead(Vec<ReadResult>),
    /// addWatch: an error code of 0 in the body.
    WatchAdded,
    /// getAllChildrenNumber.
    Total(i32),
    /// whoAmI.
    WhoAmI(Vec<ClientInfo>),
    /// sasl: the server's token.
    Token(Option<Bytes>),
}

impl Response {
    /// Writes header and body.
    #[must_use]
    pub fn encode(&self, xid: Xid, zxid: i64) -> Bytes {
        let mut w = Writer::with_capacity(96);
        ReplyHeader { xid, zxid, err: 0 }.encode(&mut w);
        match self {
            Self::Empty => {}
            Self::Path(path) => w.string(path),
            Self::PathStat(path, stat) => {
                w.string(path);
                stat.encode(&mut w);
            }
            Self::Stat(stat) => stat.encode(&mut w),
            Self::Data(data, stat) => {
                w.buffer(data.as_deref());
                stat.encode(&mut w);
            }
            Self::Acl(acl, stat) => {
                Acl::encode_all(acl, &mut w);
                stat.encode(&mut w);
            }
            Self::Children(names) => w.strings(names),
            Self::ChildrenStat(names, stat) => {
                w.strings(names);
                stat.encode(&mut w);
            }
            Self::Sync(Some(path)) => w.java_string(path),
            Self::Sync(None) => w.string_or_null(None),
            Self::Multi(results) => multi::encode_results(results, &mut w),
            Self::MultiRead(results) => multi_read::encode_results(results, &mut w),
            Self::WatchAdded => w.i32(0),
            Self::Total(number) => w.i32(*number),
            Self::WhoAmI(identities) => {
                w.count(identities.len());
                for identity in identities {
                    w.string(&identity.scheme);
                    w.string(&identity.user);
                }
            }
            Self::Token(token) => w.buffer(token.as_deref()),
        }
        w.into_bytes()
    }

    /// Reads the body of a successful reply to operation `op`, for clients.
    ///
    /// # Errors
    /// Bytes that are no such record.
    pub fn decode(op: OpCode, r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match op {
            OpCode::Create => Self::Path(r.string_required("path")?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::PathStat(r.string_required("path")?, Stat::decode(r)?)
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Self::Stat(Stat::decode(r)?),
            OpCode::GetData | OpCode::Reconfig => Self::Data(r.buffer()?, Stat::decode(r)?),
            OpCode::GetAcl => {
                let acl = r.vector(Acl::decode)?.unwrap_or_default();
                Self::Acl(acl, Stat::decode(r)?)
            }
            OpCode::GetChildren | OpCode::GetEphemerals => Self::Children(names(r)?),
            OpCode::GetChildren2 => Self::ChildrenStat(names(r)?, Stat::decode(r)?),
            OpCode::Sync => Self::Sync(r.string()?),
            OpCode::Multi => Self::Multi(multi::decode_results(r)?),
            OpCode::MultiRead => Self::MultiRead(multi_read::decode_results(r)?),
            OpCode::AddWatch => {
                let _err = r.i32()?;
                Self::WatchAdded
            }
            OpCode::GetAllChildrenNumber => Self::Total(r.i32()?),
            OpCode::WhoAmI => {
                let identities = r.vector(|r| {
                    Ok(ClientInfo {
                        scheme: r.string()?.unwrap_or_default(),
                        user: r.string()?.unwrap_or_default(),
                    })
                })?;
                Self::WhoAmI(identities.unwrap_or_default())
            }
            OpCode::Sasl => Self::Token(r.buffer()?),
            OpCode::Delete
            | OpCode::Ping
            | OpCode::Check
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::DeleteContainer
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CreateSession
            | OpCode::CloseSession => Self::Empty,
        })
    }
}

fn names(r: &mut Reader) -> Result<Vec<String>, DecodeError> {
    let names = r.vector(|r| r.string_required("name"))?;
    Ok(names.unwrap_or_default())
}

/// A refused SASL exchange: the error, and a null token behind it.
#[must_use]
pub fn encode_sasl_refusal(xid: Xid, err: i32) -> Bytes {
    let mut w = Writer::with_capacity(20);
    ReplyHeader { xid, zxid: 0, err }.encode(&mut w);
    w.buffer(None);
    w.into_bytes()
}

/// A multiRead that does not decode: the error, and a bare end of the list behind it.
#[must_use]
pub fn encode_multi_read_refusal(xid: Xid, zxid: i64, err: i32) -> Bytes {
    let mut w = Writer::with_capacity(25);
    ReplyHeader { xid, zxid, err }.encode(&mut w);
    multi_read::encode_results(&[], &mut w);
    w.into_bytes()
}

/// A reply that is a header only, with an error in it.
#[must_use]
pub fn encode_error(xid: Xid, zxid: i64, err: i32) -> Bytes {
    let mut w = Writer::with_capacity(16);
    ReplyHeader { xid, zxid, err }.encode(&mut w);
    w.into_bytes()
}
