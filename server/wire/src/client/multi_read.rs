//! multiRead: several reads in one frame (`MultiOperationRecord` of read operations).

use bytes::Bytes;

use crate::client::multi::{TYPE_ERROR, decode_entries, header};
use crate::client::opcode::OpCode;
use crate::data::Stat;
use crate::error::DecodeError;
use crate::jute::{Reader, Writer};

/// One operation of a multiRead. The watch flag of its record is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOp {
    /// getData.
    GetData {
        /// What.
        path: String,
    },
    /// getChildren.
    GetChildren {
        /// What.
        path: String,
    },
}

/// Outcome of one operation of a multiRead; they fail independently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    /// getData.
    Data(Option<Bytes>, Stat),
    /// getChildren.
    Children(Vec<String>),
    /// The code of the failure.
    Error(i32),
}

pub(crate) fn decode_request(r: &mut Reader) -> Result<Vec<ReadOp>, DecodeError> {
    decode_entries(r, |kind, r| {
        let op = OpCode::from_wire(kind)
            .filter(|op| matches!(op, OpCode::GetData | OpCode::GetChildren))
            .ok_or(DecodeError::UnknownType {
                what: "multiRead operation",
                number: i64::from(kind),
            })?;
        let path = r.string_required("path")?;
        let _watch = r.bool()?;
        Ok(if op == OpCode::GetData {
            ReadOp::GetData { path }
        } else {
            ReadOp::GetChildren { path }
        })
    })
}

pub(crate) fn encode_request(ops: &[ReadOp], w: &mut Writer) {
    for op in ops {
        let (kind, path) = match op {
            ReadOp::GetData { path } => (OpCode::GetData, path),
            ReadOp::GetChildren { path } => (OpCode::GetChildren, path),
        };
        header(w, kind.to_wire(), false, -1);
        w.string(path);
        w.bool(false);
    }
    header(w, -1, true, -1);
}

pub(crate) fn encode_results(results: &[ReadResult], w: &mut Writer) {
    for result in results {
        match result {
            ReadResult::Data(data, stat) => {
                header(w, OpCode::GetData.to_wire(), false, 0);
                w.buffer(data.as_deref());
                stat.encode(w);
            }
            ReadResult::Children(names) => {
                header(w, OpCode::GetChildren.to_wire(), false, 0);
                w.strings(names);
            }
            ReadResult::Error(code) => {
                header(w, TYPE_ERROR, false, *code);
                w.i32(*code);
            }
        }
    }
    header(w, -1, true, -1);
}

/// Reads the results of a multiRead, for clients.
///
/// # Errors
/// Bytes that are no such record.
pub fn decode_results(r: &mut Reader) -> Result<Vec<ReadResult>, DecodeError> {
    decode_entries(r, |kind, r| {
        Ok(match kind {
            4 => ReadResult::Data(r.buffer()?, Stat::decode(r)?),
            8 => {
                let names = r.vector(|r| r.string_required("name"))?;
                ReadResult::Children(names.unwrap_or_default())
            }
            TYPE_ERROR => ReadResult::Error(r.i32()?),
            _ => {
                return Err(DecodeError::UnknownType {
                    what: "multiRead result",
                    number: i64::from(kind),
                });
            }
        })
    })
}
