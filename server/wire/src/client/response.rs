//! Reply header and every reply body that this server sends.

use bytes::Bytes;

use crate::client::multi::{self, MultiResult};
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

/// The body of a successful reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// delete, ping, setWatches, closeSession.
    Empty,
    /// create: the final path.
    Path(String),
    /// create2.
    PathStat(String, Stat),
    /// exists, setData.
    Stat(Stat),
    /// getData.
    Data(Option<Bytes>, Stat),
    /// getACL.
    Acl(Vec<Acl>, Stat),
    /// getChildren.
    Children(Vec<String>),
    /// getChildren2.
    ChildrenStat(Vec<String>, Stat),
    /// sync: the path as it came.
    Sync(Option<String>),
    /// multi, whether it succeeded or not.
    Multi(Vec<MultiResult>),
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
            Self::Sync(path) => w.string_or_null(path.as_deref()),
            Self::Multi(results) => multi::encode_results(results, &mut w),
        }
        w.into_bytes()
    }
}

/// A reply that is a header only, with an error in it.
#[must_use]
pub fn encode_error(xid: Xid, zxid: i64, err: i32) -> Bytes {
    let mut w = Writer::with_capacity(16);
    ReplyHeader { xid, zxid, err }.encode(&mut w);
    w.into_bytes()
}
