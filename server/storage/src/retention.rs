//! Which files may go (`PurgeTxnLog`): the newest snapshots stay, and every log file that the oldest
//! of them needs.

use std::path::Path;

use zk_wire::Zxid;

use crate::durable;
use crate::error::{IoContext, StorageError};
use crate::files;
use crate::fs::Fs;
use crate::snapshot::{format as snap_format, reader};
use crate::txnlog::format as log_format;

/// Removes what no recovery from one of the newest `keep` snapshots would read.
pub(crate) fn purge<F: Fs>(
    fs: &F,
    snap_dir: &Path,
    log_dir: &Path,
    keep: usize,
) -> Result<usize, StorageError> {
    let snapshots = files::snapshots(fs, snap_dir)?;
    let mut oldest: Option<Zxid> = None;
    let mut valid = 0;
    for snapshot in &snapshots {
        if snapshot.compression.is_some()
            || reader::looks_complete(fs, &snap_dir.join(&snapshot.file))?
        {
            valid += 1;
            oldest = Some(snapshot.zxid);
        }
        if valid == keep.max(1) {
            break;
        }
    }
    let Some(oldest) = oldest else {
        return Ok(0);
    };
    let mut removed = 0;
    // Snapshots first, durably: one that outlived its log could be taken for whole when a log file
    // is missing where an epoch begins.
    for snapshot in snapshots.iter().filter(|s| s.zxid < oldest) {
        durable::remove(fs, &snap_dir.join(&snapshot.file))?;
        removed += 1;
    }
    if removed > 0 {
        fs.sync_dir(snap_dir).on("sync", snap_dir)?;
    }
    let logs = files::logs(fs, log_dir)?;
    let needed = logs
        .partition_point(|first| *first <= oldest)
        .saturating_sub(1);
    for first in logs.iter().take(needed) {
        durable::remove(fs, &log_format::path(log_dir, *first))?;
        removed += 1;
    }
    if needed > 0 {
        fs.sync_dir(log_dir).on("sync", log_dir)?;
    }
    if removed > 0 {
        let kept = snap_format::path(snap_dir, oldest);
        tracing::info!(removed, oldest = %kept.display(), "removed old snapshots and logs");
    }
    Ok(removed)
}
