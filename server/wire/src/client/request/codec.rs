//! The layout of every request body (`zookeeper.jute`, module `proto`).

use bytes::Bytes;

use super::Request;
use super::{CarriedWatches, CreateOp, CreateRequest, NO_TTL, PersistentWatches, ReconfigRequest};
use crate::client::opcode::OpCode;
use crate::client::{multi, multi_read};
use crate::data::Acl;
use crate::error::DecodeError;
use crate::ids::Zxid;
use crate::jute::{Reader, Writer};

impl Request {
    /// Reads the body of operation `op`; `Ok(None)` when this server does not implement it.
    ///
    /// # Errors
    /// A body that does not decode: answered with `MARSHALLINGERROR`.
    #[expect(clippy::too_many_lines, reason = "one arm per operation")]
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
                path: r.string()?.unwrap_or_default(),
                kind: r.i32()?,
            },
            OpCode::RemoveWatches => Self::RemoveWatches {
                path: r.string()?.unwrap_or_default(),
                kind: r.i32()?,
            },
            OpCode::AddWatch => Self::AddWatch {
                path: r.string()?.unwrap_or_default(),
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
}

impl CreateRequest {
    pub(crate) fn decode(op: CreateOp, r: &mut Reader) -> Result<Self, DecodeError> {
        let path = r.string_required("path")?;
        Self::decode_behind_path(path, op, r)
    }

    /// What comes behind the path.
    pub(crate) fn decode_behind_path(
        path: String,
        op: CreateOp,
        r: &mut Reader,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            path,
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
        let relative_zxid = Zxid::from_wire(r.i64()?);
        let mut cut_short = false;
        let [data, exist, child] = [
            paths(r, &mut cut_short)?,
            paths(r, &mut cut_short)?,
            paths(r, &mut cut_short)?,
        ];
        let persistent = if with_persistent {
            Some(PersistentWatches {
                exact: lasting_paths(r, &mut cut_short)?,
                recursive: lasting_paths(r, &mut cut_short)?,
            })
        } else {
            None
        };
        Ok(Self {
            relative_zxid,
            data,
            exist,
            child,
            persistent,
            cut_short,
        })
    }

    fn encode(&self, w: &mut Writer) {
        w.i64(self.relative_zxid.to_wire());
        w.strings(&self.data);
        w.strings(&self.exist);
        let Some(persistent) = &self.persistent else {
            let null = self.cut_short.then_some(None);
            let child = self.child.iter().map(|path| Some(path.as_str()));
            return strings_or_nulls(child.chain(null), w);
        };
        w.strings(&self.child);
        w.strings(&persistent.exact);
        if self.cut_short {
            w.i32(-1);
        } else {
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

fn strings_or_nulls<'a>(list: impl Iterator<Item = Option<&'a str>>, w: &mut Writer) {
    let list: Vec<_> = list.collect();
    w.i32(i32::try_from(list.len()).unwrap_or(i32::MAX));
    for text in list {
        w.string_or_null(text);
    }
}

/// Paths up to the first null, if nothing before was null; Apache finds nulls as it comes to them.
fn paths(r: &mut Reader, cut_short: &mut bool) -> Result<Vec<String>, DecodeError> {
    let list = r.vector(Reader::string)?;
    let had_null = *cut_short;
    *cut_short |= list.as_ref().is_none_or(|list| list.contains(&None));
    let counts = list.filter(|_| !had_null).into_iter().flatten();
    Ok(counts.map_while(|path| path).collect())
}

/// The same where only the list itself must not be null: nobody looks at these paths.
fn lasting_paths(r: &mut Reader, cut_short: &mut bool) -> Result<Vec<String>, DecodeError> {
    let list = r.vector(Reader::string)?;
    let had_null = *cut_short;
    *cut_short |= list.is_none();
    let counts = list.filter(|_| !had_null).into_iter().flatten();
    Ok(counts.map(Option::unwrap_or_default).collect())
}
