//! Looks at files and directories for people: read only, whatever state they are in.
//!
//! What is found is judged by the very code that recovery uses; only [`RawLog`] goes on where that
//! would stop, so that a tool can show what stands behind a damaged record.
//!
//! What is left out: any repair in place. A tool writes what it mends to a new file.

mod log;
mod survey;

use std::path::Path;

use zk_wire::Zxid;
use zk_wire::snapshot::SnapshotItem;

use crate::error::StorageError;
use crate::fs::StdFs;
use crate::snapshot::reader;

pub use log::{LogEnd, RawLog, RawRecord, encode_record, file_header, judge_log};
pub use survey::{LogFile, SnapshotFile, Survey, survey};

/// What stands behind the tree of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// zxid and digest of the last transaction that is in the tree.
    pub digest: Option<(Zxid, u64)>,
    /// The last transaction at the end of the dump.
    pub last_zxid: Option<Zxid>,
}

/// Reads a snapshot and gives its items in order, each with its offset. They may only be trusted
/// after success.
///
/// # Errors
/// A file that cannot be read or is damaged, or what `item` says is wrong.
pub fn read_snapshot(
    path: &Path,
    item: &mut dyn FnMut(u64, SnapshotItem) -> Result<(), String>,
) -> Result<SnapshotEnd, StorageError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let named = name.and_then(crate::snapshot::format::parse_name);
    let compression = named.and_then(|name| name.compression);
    let trailer = reader::read_at(&StdFs, path, compression, item)?;
    Ok(SnapshotEnd {
        digest: trailer.digest,
        last_zxid: trailer.last_zxid,
    })
}
