//! Every request body that this server answers, decoded once, at the edge.

use bytes::Bytes;

use crate::client::multi::{self, MultiOp};
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

/// A create in either of its plain forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// Wanted path; a sequence number may be appended.
    pub path: String,
    /// `None` is null.
    pub data: Option<Bytes>,
    /// `None` is null.
    pub acl: Option<Vec<Acl>>,
    /// 0 persistent, 1 ephemeral, 2 and 3 the same with a sequence number.
    pub flags: i32,
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// create and create2; `create2` decides the reply.
    Create {
        /// The arguments.
        create: CreateRequest,
        /// Reply with the Stat too.
        create2: bool,
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
    /// setWatches.
    SetWatches {
        /// The newest state that the client saw.
        relative_zxid: Zxid,
        /// Paths watched by getData.
        data: Vec<String>,
        /// Paths watched by exists while absent.
        exist: Vec<String>,
        /// Paths watched by getChildren.
        child: Vec<String>,
    },
    /// ping.
    Ping,
    /// closeSession.
    CloseSession,
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
            OpCode::Create | OpCode::Create2 => Self::Create {
                create: CreateRequest::decode(r)?,
                create2: op == OpCode::Create2,
            },
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
            OpCode::SetWatches => Self::SetWatches {
                relative_zxid: Zxid::from_wire(r.i64()?),
                data: paths(r)?,
                exist: paths(r)?,
                child: paths(r)?,
            },
            OpCode::Ping => Self::Ping,
            OpCode::CloseSession => Self::CloseSession,
            OpCode::SetAcl
            | OpCode::Check
            | OpCode::Reconfig
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::CreateContainer
            | OpCode::DeleteContainer
            | OpCode::CreateTtl
            | OpCode::MultiRead
            | OpCode::Auth
            | OpCode::Sasl
            | OpCode::GetEphemerals
            | OpCode::GetAllChildrenNumber
            | OpCode::SetWatches2
            | OpCode::AddWatch
            | OpCode::WhoAmI
            | OpCode::CreateSession => return Ok(None),
        }))
    }

    /// The operation.
    #[must_use]
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create { create2: false, .. } => OpCode::Create,
            Self::Create { create2: true, .. } => OpCode::Create2,
            Self::Delete { .. } => OpCode::Delete,
            Self::Exists { .. } => OpCode::Exists,
            Self::GetData { .. } => OpCode::GetData,
            Self::SetData { .. } => OpCode::SetData,
            Self::GetAcl { .. } => OpCode::GetAcl,
            Self::GetChildren { .. } => OpCode::GetChildren,
            Self::GetChildren2 { .. } => OpCode::GetChildren2,
            Self::Sync { .. } => OpCode::Sync,
            Self::Multi(_) => OpCode::Multi,
            Self::SetWatches { .. } => OpCode::SetWatches,
            Self::Ping => OpCode::Ping,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Writes the body, as clients do and as a follower forwards it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(64);
        match self {
            Self::Create { create, .. } => create.encode(&mut w),
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
            Self::GetAcl { path } => w.string(path),
            Self::Sync { path } => w.string_or_null(path.as_deref()),
            Self::Multi(ops) => multi::encode_request(ops, &mut w),
            Self::SetWatches {
                relative_zxid,
                data,
                exist,
                child,
            } => {
                w.i64(relative_zxid.to_wire());
                w.strings(data);
                w.strings(exist);
                w.strings(child);
            }
            Self::Ping | Self::CloseSession => {}
        }
        w.into_bytes()
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
    pub(crate) fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            path: r.string_required("path")?,
            data: r.buffer()?,
            acl: r.vector(Acl::decode)?,
            flags: r.i32()?,
        })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.string(&self.path);
        w.buffer(self.data.as_deref());
        match &self.acl {
            None => w.i32(-1),
            Some(acl) => Acl::encode_all(acl, w),
        }
        w.i32(self.flags);
    }
}

fn paths(r: &mut Reader) -> Result<Vec<String>, DecodeError> {
    let list = r.vector(|r| r.string_required("path"))?;
    list.ok_or(DecodeError::Null("list of paths"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request of each kind.
    fn samples() -> Vec<Request> {
        let create = CreateRequest {
            path: "/vec".into(),
            data: Some(Bytes::from_static(b"hi")),
            acl: Some(vec![Acl::world(31)]),
            flags: 0,
        };
        let path = || "/vec".to_owned();
        vec![
            Request::Create {
                create: create.clone(),
                create2: false,
            },
            Request::Create {
                create: create.clone(),
                create2: true,
            },
            Request::Delete {
                path: path(),
                version: 7,
            },
            Request::Exists {
                path: path(),
                watch: true,
            },
            Request::GetData {
                path: path(),
                watch: false,
            },
            Request::SetData {
                path: path(),
                data: None,
                version: -1,
            },
            Request::GetAcl { path: path() },
            Request::GetChildren {
                path: path(),
                watch: true,
            },
            Request::GetChildren2 {
                path: path(),
                watch: true,
            },
            Request::Sync { path: None },
            Request::Multi(vec![
                MultiOp::Create {
                    create,
                    create2: true,
                },
                MultiOp::Check {
                    path: path(),
                    version: 0,
                },
            ]),
            Request::SetWatches {
                relative_zxid: Zxid::from_u64(4),
                data: vec![path()],
                exist: vec![],
                child: vec![path(), path()],
            },
            Request::Ping,
            Request::CloseSession,
        ]
    }

    #[test]
    fn bodies_survive_a_round_trip() {
        for request in samples() {
            let frame = request.encode_with_header(Xid(3));
            let (header, body) = RequestHeader::split(frame).unwrap();
            assert_eq!(header.xid, Xid(3));
            let op = OpCode::from_wire(header.op).unwrap();
            assert_eq!(
                Request::decode(op, body.clone(), 4096),
                Ok(Some(request.clone()))
            );
            for cut in 0..body.len() {
                // Cut anywhere a body must fail or be shorter, and never panic.
                let outcome = Request::decode(op, body.slice(..cut), 4096);
                assert_ne!(outcome, Ok(Some(request.clone())), "{op:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn create_as_captured() {
        let raw: &[u8] = &[
            0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, b'/', b'v', b'e', b'c', 0, 0, 0, 2, b'h', b'i', 0,
            0, 0, 1, 0, 0, 0, 0x1f, 0, 0, 0, 5, b'w', b'o', b'r', b'l', b'd', 0, 0, 0, 6, b'a',
            b'n', b'y', b'o', b'n', b'e', 0, 0, 0, 0,
        ];
        let (header, body) = RequestHeader::split(Bytes::from_static(raw)).unwrap();
        let request = Request::decode(OpCode::Create, body, 4096)
            .unwrap()
            .unwrap();
        assert_eq!(request.encode_with_header(header.xid), raw);
    }
}
