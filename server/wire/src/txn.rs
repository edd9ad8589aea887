//! Transactions as they are proposed and logged: header, body, digest.
//!
//! Layout: `TxnHeader` (32 bytes), the record of its type, then optionally `TxnDigest` (12 bytes).
//! The same bytes travel in PROPOSAL and INFORM and stand in the log (`SerializeUtils`,
//! `zookeeper.jute` module `txn`).

use bytes::Bytes;

use crate::data::Acl;
use crate::error::DecodeError;
use crate::ids::{SessionId, Xid, Zxid};
use crate::jute::{Reader, Writer};

/// Type numbers in a transaction header; for writes they equal the opcodes.
pub mod kind {
    /// Error transaction: a request that failed and still took a zxid.
    pub const ERROR: i32 = -1;
    /// Session creation.
    pub const CREATE_SESSION: i32 = -10;
    /// Session end.
    pub const CLOSE_SESSION: i32 = -11;
    /// create.
    pub const CREATE: i32 = 1;
    /// delete.
    pub const DELETE: i32 = 2;
    /// setData.
    pub const SET_DATA: i32 = 5;
    /// setACL.
    pub const SET_ACL: i32 = 7;
    /// check, only inside a multi.
    pub const CHECK: i32 = 13;
    /// multi.
    pub const MULTI: i32 = 14;
    /// create2.
    pub const CREATE2: i32 = 15;
    /// reconfig.
    pub const RECONFIG: i32 = 16;
    /// createContainer.
    pub const CREATE_CONTAINER: i32 = 19;
    /// deleteContainer.
    pub const DELETE_CONTAINER: i32 = 20;
    /// createTTL.
    pub const CREATE_TTL: i32 = 21;
}

/// Digest version that 3.6 and later write.
pub const DIGEST_VERSION: i32 = 2;

/// `TxnHeader` without its type, which the body knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnHeader {
    /// The session that asked, or [`SessionId::NONE`].
    pub session: SessionId,
    /// The session's own number of the request.
    pub xid: Xid,
    /// The transaction's id.
    pub zxid: Zxid,
    /// Leader's wall clock, ms since the epoch.
    pub time_ms: i64,
}

impl TxnHeader {
    /// The time in an encoded transaction; `None` when it is too short for one.
    #[must_use]
    pub fn time_of(raw: &[u8]) -> Option<i64> {
        raw.get(20..28)?
            .first_chunk()
            .copied()
            .map(i64::from_be_bytes)
    }
}

/// What kind of node a create makes; decides type number and record layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateKind {
    /// Persistent, type 1 or 15.
    Persistent,
    /// Tied to the session, type 1 or 15.
    Ephemeral,
    /// Swept when it had children and has none, type 19.
    Container,
    /// Swept after its time, type 21; ms.
    Ttl(i64),
}

/// A create in any of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTxn {
    /// The final path, sequence number included.
    pub path: String,
    /// `None` is null.
    pub data: Option<Bytes>,
    /// The resolved ACL; `None` means open.
    pub acl: Option<Vec<Acl>>,
    /// Kind of node.
    pub kind: CreateKind,
    /// The parent's stored cversion after this create; -1 in old records: one more than before.
    pub parent_cversion: i32,
    /// Whether the type is create2 (15), which only differs in the reply that the client gets.
    pub create2: bool,
}

/// The record of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnBody {
    /// A session begins.
    CreateSession {
        /// Negotiated time-out, ms.
        timeout_ms: i32,
    },
    /// A session ends.
    CloseSession {
        /// Its ephemerals; `None` in records of servers that do not list them.
        paths: Option<Vec<String>>,
    },
    /// A request that failed after it got a zxid.
    Error {
        /// The code that the client gets.
        code: i32,
    },
    /// Any create.
    Create(CreateTxn),
    /// delete or deleteContainer.
    Delete {
        /// What.
        path: String,
        /// Type 20 instead of 2.
        container: bool,
    },
    /// setData or reconfig.
    SetData {
        /// What.
        path: String,
        /// `None` is null.
        data: Option<Bytes>,
        /// The new version.
        version: i32,
        /// Type 16 instead of 5.
        reconfig: bool,
    },
    /// setACL.
    SetAcl {
        /// What.
        path: String,
        /// The resolved list.
        acl: Option<Vec<Acl>>,
        /// The new aversion.
        version: i32,
    },
    /// check, only inside a multi.
    Check {
        /// What.
        path: String,
        /// Current version + 1, as Apache writes it.
        version: i32,
    },
    /// All or nothing.
    Multi(Vec<TxnBody>),
}

impl TxnBody {
    /// The type number of the header.
    #[must_use]
    pub fn kind(&self) -> i32 {
        match self {
            Self::CreateSession { .. } => kind::CREATE_SESSION,
            Self::CloseSession { .. } => kind::CLOSE_SESSION,
            Self::Error { .. } => kind::ERROR,
            Self::Create(c) => match c.kind {
                CreateKind::Container => kind::CREATE_CONTAINER,
                CreateKind::Ttl(_) => kind::CREATE_TTL,
                CreateKind::Persistent | CreateKind::Ephemeral => {
                    if c.create2 {
                        kind::CREATE2
                    } else {
                        kind::CREATE
                    }
                }
            },
            Self::Delete {
                container: false, ..
            } => kind::DELETE,
            Self::Delete {
                container: true, ..
            } => kind::DELETE_CONTAINER,
            Self::SetData {
                reconfig: false, ..
            } => kind::SET_DATA,
            Self::SetData { reconfig: true, .. } => kind::RECONFIG,
            Self::SetAcl { .. } => kind::SET_ACL,
            Self::Check { .. } => kind::CHECK,
            Self::Multi(_) => kind::MULTI,
        }
    }

    fn encode(&self, w: &mut Writer) {
        match self {
            Self::CreateSession { timeout_ms } => w.i32(*timeout_ms),
            Self::CloseSession { paths } => {
                if let Some(paths) = paths {
                    w.strings(paths);
                }
            }
            Self::Error { code } => w.i32(*code),
            Self::Create(c) => encode_create(c, w),
            Self::Delete { path, .. } => w.string(path),
            Self::SetData {
                path,
                data,
                version,
                ..
            } => {
                w.string(path);
                w.buffer(data.as_deref());
                w.i32(*version);
            }
            Self::SetAcl { path, acl, version } => {
                w.string(path);
                encode_acl(acl.as_deref(), w);
                w.i32(*version);
            }
            Self::Check { path, version } => {
                w.string(path);
                w.i32(*version);
            }
            Self::Multi(ops) => {
                w.count(ops.len());
                for op in ops {
                    let mut inner = Writer::new();
                    op.encode(&mut inner);
                    w.i32(op.kind());
                    w.buffer(Some(&inner.into_bytes()));
                }
            }
        }
    }

    fn decode(kind_no: i32, r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match kind_no {
            kind::CREATE_SESSION => Self::CreateSession {
                timeout_ms: r.i32()?,
            },
            kind::CLOSE_SESSION => Self::CloseSession {
                paths: decode_close_paths(r)?,
            },
            kind::ERROR => Self::Error { code: r.i32()? },
            kind::CREATE | kind::CREATE2 | kind::CREATE_CONTAINER | kind::CREATE_TTL => {
                Self::Create(decode_create(kind_no, r)?)
            }
            kind::DELETE | kind::DELETE_CONTAINER => Self::Delete {
                path: r.string_required("path")?,
                container: kind_no == kind::DELETE_CONTAINER,
            },
            kind::SET_DATA | kind::RECONFIG => Self::SetData {
                path: r.string_required("path")?,
                data: r.buffer()?,
                version: r.i32()?,
                reconfig: kind_no == kind::RECONFIG,
            },
            kind::SET_ACL => Self::SetAcl {
                path: r.string_required("path")?,
                acl: r.vector(Acl::decode)?,
                version: r.i32()?,
            },
            kind::CHECK => Self::Check {
                path: r.string_required("path")?,
                version: r.i32()?,
            },
            kind::MULTI => Self::Multi(decode_multi(r)?),
            number => {
                return Err(DecodeError::UnknownType {
                    what: "transaction",
                    number: i64::from(number),
                });
            }
        })
    }
}

fn encode_acl(acl: Option<&[Acl]>, w: &mut Writer) {
    match acl {
        None => w.i32(-1),
        Some(acl) => Acl::encode_all(acl, w),
    }
}

fn encode_create(c: &CreateTxn, w: &mut Writer) {
    w.string(&c.path);
    w.buffer(c.data.as_deref());
    encode_acl(c.acl.as_deref(), w);
    match c.kind {
        CreateKind::Persistent => w.bool(false),
        CreateKind::Ephemeral => w.bool(true),
        CreateKind::Container | CreateKind::Ttl(_) => {}
    }
    w.i32(c.parent_cversion);
    if let CreateKind::Ttl(ms) = c.kind {
        w.i64(ms);
    }
}

fn decode_create(kind_no: i32, r: &mut Reader) -> Result<CreateTxn, DecodeError> {
    let path = r.string_required("path")?;
    let data = r.buffer()?;
    let acl = r.vector(Acl::decode)?;
    let plain = matches!(kind_no, kind::CREATE | kind::CREATE2);
    let ephemeral = plain && r.bool()?;
    // Servers before 3.4 wrote no parentCVersion.
    let parent_cversion = if plain && r.remaining() == 0 {
        -1
    } else {
        r.i32()?
    };
    let kind = match kind_no {
        kind::CREATE_CONTAINER => CreateKind::Container,
        kind::CREATE_TTL => CreateKind::Ttl(r.i64()?),
        _ if ephemeral => CreateKind::Ephemeral,
        _ => CreateKind::Persistent,
    };
    let create2 = kind_no == kind::CREATE2;
    Ok(CreateTxn {
        path,
        data,
        acl,
        kind,
        parent_cversion,
        create2,
    })
}

/// Paths of a closeSession, which may be absent with or without a digest behind: 12 bytes that
/// begin with the digest version are a digest, since two paths need 16 and one needs a count of 1.
fn decode_close_paths(r: &mut Reader) -> Result<Option<Vec<String>>, DecodeError> {
    let digest_only = r.remaining() == 12 && r.clone().i32()? == DIGEST_VERSION;
    if r.remaining() == 0 || digest_only {
        return Ok(None);
    }
    r.vector(|r| r.string_required("path"))
}

fn decode_multi(r: &mut Reader) -> Result<Vec<TxnBody>, DecodeError> {
    let ops = r.vector(|r| {
        let kind_no = r.i32()?;
        let raw = r.buffer()?.ok_or(DecodeError::Null("operation"))?;
        if kind_no == kind::MULTI {
            return Err(DecodeError::Invalid("a multi inside a multi".into()));
        }
        TxnBody::decode(kind_no, &mut Reader::unlimited(raw))
    })?;
    Ok(ops.unwrap_or_default())
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// Who, when, which.
    pub header: TxnHeader,
    /// What.
    pub body: TxnBody,
    /// Digest of the tree after it; `None` on error transactions and when digests are off.
    pub digest: Option<u64>,
}

impl Txn {
    /// Length of a `TxnHeader`, bytes.
    pub const HEADER_LEN: usize = 32;

    /// Writes header, record and digest.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(128);
        w.i64(self.header.session.0);
        w.i32(self.header.xid.0);
        w.i64(self.header.zxid.to_wire());
        w.i64(self.header.time_ms);
        w.i32(self.body.kind());
        self.body.encode(&mut w);
        if let Some(digest) = self.digest {
            w.i32(DIGEST_VERSION);
            w.i64(digest.cast_signed());
        }
        w.into_bytes()
    }

    /// Reads what [`Txn::encode`] or an Apache server wrote; bytes after the digest are ignored.
    ///
    /// # Errors
    /// Bytes that are no transaction, or a type that a log may not hold.
    pub fn decode(raw: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::unlimited(raw);
        let session = SessionId(r.i64()?);
        let xid = Xid(r.i32()?);
        let zxid = Zxid::from_wire(r.i64()?);
        let time_ms = r.i64()?;
        let kind_no = r.i32()?;
        if kind_no == kind::CHECK {
            return Err(DecodeError::Invalid("a check outside of a multi".into()));
        }
        let body = TxnBody::decode(kind_no, &mut r)?;
        let digest = if r.remaining() >= 12 {
            let version = r.i32()?;
            let value = r.i64()?.cast_unsigned();
            (version == DIGEST_VERSION).then_some(value)
        } else {
            None
        };
        Ok(Self {
            header: TxnHeader {
                session,
                xid,
                zxid,
                time_ms,
            },
            body,
            digest,
        })
    }

    /// The zxid of encoded bytes, without decoding the rest.
    ///
    /// # Errors
    /// Fewer bytes than a header.
    pub fn zxid_of(raw: &[u8]) -> Result<Zxid, DecodeError> {
        let field = raw.get(12..20).and_then(|f| f.first_chunk::<8>());
        let field = field.ok_or(DecodeError::UnexpectedEnd)?;
        Ok(Zxid::from_wire(i64::from_be_bytes(*field)))
    }
}

#[cfg(test)]
mod tests;
