//! multi: several writes as one (`MultiOperationRecord`, `MultiResponse`).

use bytes::Bytes;

use crate::client::opcode::OpCode;
use crate::client::request::{CreateOp, CreateRequest, NO_TTL};
use crate::data::Stat;
use crate::error::DecodeError;
use crate::jute::{Reader, Writer};

pub(crate) const TYPE_ERROR: i32 = -1;

/// Why a multi does not decode over which Apache falls before the request has a zxid.
pub const NULL_ACL: DecodeError = DecodeError::Null("ACL in a multi");

/// One operation of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiOp {
    /// Any create; the form is the one that its flags ask for.
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
    /// setData.
    SetData {
        /// What.
        path: String,
        /// `None` is null.
        data: Option<Bytes>,
        /// -1 for any.
        version: i32,
    },
    /// check.
    Check {
        /// What.
        path: String,
        /// -1 for any.
        version: i32,
    },
}

impl MultiOp {
    fn op(&self) -> OpCode {
        match self {
            Self::Create { op, .. } => op.op(),
            Self::Delete { .. } => OpCode::Delete,
            Self::SetData { .. } => OpCode::SetData,
            Self::Check { .. } => OpCode::Check,
        }
    }
}

/// Outcome of one operation of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    /// create: the final path.
    Create(String),
    /// create2: the final path and the Stat.
    Create2(String, Stat),
    /// delete.
    Delete,
    /// setData: the new Stat.
    SetData(Stat),
    /// check.
    Check,
    /// Any entry of a failed multi; 0 for the entries before the one that failed.
    Error(i32),
}

pub(crate) fn header(w: &mut Writer, kind: i32, done: bool, err: i32) {
    w.i32(kind);
    w.bool(done);
    w.i32(err);
}

/// Reads entries up to the end of the list; `read` gets the number in an entry's header and takes the
/// rest of it.
pub(crate) fn decode_entries<T>(
    r: &mut Reader,
    mut read: impl FnMut(i32, &mut Reader) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut entries = Vec::new();
    loop {
        let kind = r.i32()?;
        let done = r.bool()?;
        let _err = r.i32()?;
        if done {
            return Ok(entries);
        }
        entries.push(read(kind, r)?);
    }
}

pub(crate) fn decode_request(r: &mut Reader) -> Result<Vec<MultiOp>, DecodeError> {
    // What Apache finds only when the whole list is read: null paths, and reads without a write.
    let mut late = None;
    let mut first_is_read = None;
    let ops = decode_entries(r, |kind, r| {
        let not_an_operation = DecodeError::UnknownType {
            what: "multi operation",
            number: i64::from(kind),
        };
        let mut path = |r: &mut Reader| -> Result<String, DecodeError> {
            let path = r.string()?;
            if path.is_none() {
                late = Some(DecodeError::Null("path"));
            }
            Ok(path.unwrap_or_default())
        };
        let op = match OpCode::from_wire(kind) {
            Some(OpCode::Create) => Some(decode_create(CreateOp::Create, path(r)?, r)?),
            Some(OpCode::Create2) => Some(decode_create(CreateOp::Create2, path(r)?, r)?),
            Some(OpCode::CreateContainer) => Some(decode_create(CreateOp::Container, path(r)?, r)?),
            Some(OpCode::CreateTtl) => Some(decode_create(CreateOp::Ttl, path(r)?, r)?),
            Some(OpCode::Delete) => Some(MultiOp::Delete {
                path: path(r)?,
                version: r.i32()?,
            }),
            Some(OpCode::SetData) => Some(MultiOp::SetData {
                path: path(r)?,
                data: r.buffer()?,
                version: r.i32()?,
            }),
            Some(OpCode::Check) => Some(MultiOp::Check {
                path: path(r)?,
                version: r.i32()?,
            }),
            Some(OpCode::GetData | OpCode::GetChildren) => {
                path(r)?;
                r.bool()?;
                None
            }
            _ => return Err(not_an_operation),
        };
        if *first_is_read.get_or_insert(op.is_none()) != op.is_none() {
            return Err(not_an_operation);
        }
        if op.is_none() {
            late = Some(not_an_operation);
        }
        Ok(op)
    })?;
    late.map_or_else(|| Ok(ops.into_iter().flatten().collect()), Err)
}

/// Inside a multi the flags decide the form where they ask for a container; else the operation's number
/// does, but createTTL without a time to live becomes a create. A flag that the form does not have fails
/// the whole multi, and in createTTL only that operation (`MultiOperationRecord`, `Op.create`).
fn decode_create(sent: CreateOp, path: String, r: &mut Reader) -> Result<MultiOp, DecodeError> {
    let mut create = CreateRequest::decode_behind_path(path, sent, r)?;
    if sent != CreateOp::Ttl && (0..=6).contains(&create.flags) && create.acl.is_none() {
        return Err(NULL_ACL);
    }
    let op = match create.flags {
        4 => CreateOp::Container,
        0..=3 if sent == CreateOp::Ttl => CreateOp::Create,
        0..=3 => sent,
        _ if sent == CreateOp::Ttl => sent,
        // 5 and 6 among them: there is no time to live in the record.
        flags => return Err(DecodeError::Invalid(format!("create flags {flags}"))),
    };
    if op != CreateOp::Ttl {
        create.ttl_ms = NO_TTL;
    }
    Ok(MultiOp::Create { create, op })
}

pub(crate) fn encode_request(ops: &[MultiOp], w: &mut Writer) {
    for op in ops {
        header(w, op.op().to_wire(), false, -1);
        match op {
            MultiOp::Create { create, op } => create.encode(*op, w),
            MultiOp::SetData {
                path,
                data,
                version,
            } => {
                w.string(path);
                w.buffer(data.as_deref());
                w.i32(*version);
            }
            MultiOp::Delete { path, version } | MultiOp::Check { path, version } => {
                w.string(path);
                w.i32(*version);
            }
        }
    }
    header(w, -1, true, -1);
}

pub(crate) fn encode_results(results: &[MultiResult], w: &mut Writer) {
    for result in results {
        match result {
            MultiResult::Create(path) => {
                header(w, OpCode::Create.to_wire(), false, 0);
                w.string(path);
            }
            MultiResult::Create2(path, stat) => {
                header(w, OpCode::Create2.to_wire(), false, 0);
                w.string(path);
                stat.encode(w);
            }
            MultiResult::Delete => header(w, OpCode::Delete.to_wire(), false, 0),
            MultiResult::SetData(stat) => {
                header(w, OpCode::SetData.to_wire(), false, 0);
                stat.encode(w);
            }
            MultiResult::Check => header(w, OpCode::Check.to_wire(), false, 0),
            MultiResult::Error(code) => {
                header(w, TYPE_ERROR, false, *code);
                w.i32(*code);
            }
        }
    }
    header(w, -1, true, -1);
}

/// Reads the results of a multi, for clients.
///
/// # Errors
/// Bytes that are no such record.
pub fn decode_results(r: &mut Reader) -> Result<Vec<MultiResult>, DecodeError> {
    decode_entries(r, |kind, r| {
        Ok(match kind {
            1 => MultiResult::Create(r.string_required("path")?),
            15 => MultiResult::Create2(r.string_required("path")?, Stat::decode(r)?),
            2 => MultiResult::Delete,
            5 => MultiResult::SetData(Stat::decode(r)?),
            13 => MultiResult::Check,
            TYPE_ERROR => MultiResult::Error(r.i32()?),
            _ => {
                return Err(DecodeError::UnknownType {
                    what: "multi result",
                    number: i64::from(kind),
                });
            }
        })
    })
}
