//! Cuts the history back to a zxid (TRUNC), snapshots included.
//!
//! Files go newest first, each removal durable before the next: a crash in the middle leaves a
//! shorter history, never one with a hole. Apache leaves snapshots behind the cut, and with them what
//! was to be undone.

use zk_wire::Zxid;

use crate::durable;
use crate::error::{IoContext, StorageError};
use crate::files;
use crate::fs::{Fs, FsFile};
use crate::recovery::{self, Dirs, Discard, Scan};
use crate::txnlog::format as log_format;

/// What became of a truncation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TruncOutcome {
    /// Done and durable; [`crate::Storage::recover`] comes next.
    Truncated {
        /// The end of the history now; less than asked for when that zxid was not there.
        last_zxid: Zxid,
    },
    /// This directory cannot rebuild the state at that zxid; nothing was changed.
    NeedSnapshot {
        /// What is missing.
        why: String,
    },
}

/// Cuts everything after `to`.
pub(crate) fn truncate<F: Fs>(fs: &F, dirs: &Dirs, to: Zxid) -> Result<TruncOutcome, StorageError> {
    let scan = match recovery::scan(fs, dirs, Some(to), &mut Discard) {
        Ok(scan) => scan,
        Err(io @ StorageError::Io { .. }) => return Err(io),
        Err(damage) => {
            let why = damage.to_string();
            return Ok(TruncOutcome::NeedSnapshot { why });
        }
    };
    let Some(base) = scan.snapshot else {
        let why = format!("no snapshot up to {to}");
        return Ok(TruncOutcome::NeedSnapshot { why });
    };
    remove_newer(fs, dirs, to, base, &scan)?;
    if let Some((name, end)) = scan.end.last {
        let path = log_format::path(&dirs.log, name);
        let mut file = fs.open_write(&path).on("open", &path)?;
        file.set_len(end).on("cut", &path)?;
        file.sync().on("sync", &path)?;
    }
    Ok(TruncOutcome::Truncated {
        last_zxid: scan.last,
    })
}

/// Removes every file that begins after the cut, newest first.
fn remove_newer<F: Fs>(
    fs: &F,
    dirs: &Dirs,
    to: Zxid,
    base: Zxid,
    scan: &Scan,
) -> Result<(), StorageError> {
    let keep_log = scan.end.last.map_or(to, |(name, _)| name);
    let mut doomed = Vec::new();
    for first in files::logs(fs, &dirs.log)? {
        if first > keep_log {
            // Before a snapshot of the same zxid: the log goes on where the snapshot ends.
            doomed.push((first, 1, &dirs.log, log_format::path(&dirs.log, first)));
        }
    }
    for snapshot in files::snapshots(fs, &dirs.snap)? {
        if snapshot.zxid > base {
            doomed.push((snapshot.zxid, 0, &dirs.snap, dirs.snap.join(snapshot.file)));
        }
    }
    doomed.sort_unstable_by(|a, b| b.cmp(a));
    for (_, _, dir, path) in doomed {
        durable::remove(fs, &path)?;
        fs.sync_dir(dir).on("sync", dir)?;
    }
    Ok(())
}
