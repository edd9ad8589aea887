//! What lies in the two directories, by name.

use std::path::Path;

use zk_wire::Zxid;

use crate::error::{IoContext, StorageError};
use crate::fs::Fs;
use crate::snapshot::format::{self as snap_format, SnapshotName};
use crate::txnlog::format as log_format;

/// Log files, oldest first.
pub(crate) fn logs<F: Fs>(fs: &F, dir: &Path) -> Result<Vec<Zxid>, StorageError> {
    let names = fs.list(dir).on("list", dir)?;
    let mut logs: Vec<_> = names
        .iter()
        .filter_map(|name| log_format::parse_name(name))
        .collect();
    logs.sort_unstable();
    Ok(logs)
}

/// Snapshots, newest first.
pub(crate) fn snapshots<F: Fs>(fs: &F, dir: &Path) -> Result<Vec<SnapshotName>, StorageError> {
    let names = fs.list(dir).on("list", dir)?;
    let mut snapshots: Vec<_> = names
        .iter()
        .filter_map(|name| snap_format::parse_name(name))
        .collect();
    snapshots.sort_unstable_by(|a, b| b.zxid.cmp(&a.zxid).then_with(|| a.file.cmp(&b.file)));
    Ok(snapshots)
}
