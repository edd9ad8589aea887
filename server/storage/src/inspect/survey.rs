//! A whole data directory: what is in it, and what a start would make of it.

use std::path::{Path, PathBuf};

use zk_wire::recovery::RecoverySink;
use zk_wire::{Epoch, Zxid};

use crate::error::{IoContext, StorageError};
use crate::fs::{Fs, StdFs};
use crate::recovery::{self, Dirs};
use crate::snapshot::reader::looks_complete;
use crate::txnlog::format as log_format;
use crate::txnlog::recover::TornTail;
use crate::{durable, epochs, files};

/// Longest `myid` that is read, bytes.
const MYID_LEN_MAX: u64 = 64;

/// A snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its path.
    pub path: PathBuf,
    /// The zxid in its name.
    pub zxid: Zxid,
    /// Length, bytes.
    pub len: u64,
    /// Whether it was written to its end, by the looks of it.
    pub complete: bool,
    /// Whether it is compressed: its end does not tell whether it is whole.
    pub compressed: bool,
}

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its path.
    pub path: PathBuf,
    /// The zxid in its name.
    pub zxid: Zxid,
    /// Length, bytes, with what is reserved.
    pub len: u64,
}

/// What is in a data directory.
#[derive(Debug)]
pub struct Survey {
    /// The first line of `myid`.
    pub my_id: Option<String>,
    /// Newest first.
    pub snapshots: Vec<SnapshotFile>,
    /// Oldest first.
    pub logs: Vec<LogFile>,
    /// The snapshot that a start would load.
    pub start_snapshot: Option<Zxid>,
    /// The last transaction that a start would come to.
    pub last: Zxid,
    /// An interrupted write that the next start cuts off.
    pub torn: Option<TornTail>,
    /// `acceptedEpoch`, or what follows from the last transaction.
    pub accepted_epoch: Option<Epoch>,
    /// `currentEpoch`, or what follows from the last transaction.
    pub current_epoch: Option<Epoch>,
}

/// The directory with the files, whether `dir` is the one of the configuration or that one itself.
fn version_dir(dir: &Path) -> Result<PathBuf, StorageError> {
    let below = dir.join("version-2");
    let there = StdFs.is_dir(&below).on("look at", &below)?;
    Ok(if there { below } else { dir.to_owned() })
}

/// Lists a data directory and reads what a start would read, into `sink`.
///
/// # Errors
/// What a start would refuse, with file and offset.
pub fn survey(
    data_dir: &Path,
    log_dir: &Path,
    sink: &mut dyn RecoverySink,
) -> Result<Survey, StorageError> {
    let dirs = Dirs {
        snap: version_dir(data_dir)?,
        log: version_dir(log_dir)?,
    };
    let mut snapshots = Vec::new();
    for name in files::snapshots(&StdFs, &dirs.snap)? {
        let path = dirs.snap.join(name.file);
        snapshots.push(SnapshotFile {
            len: StdFs.len(&path).on("look at", &path)?.unwrap_or(0),
            complete: name.compression.is_none() && looks_complete(&StdFs, &path)?,
            compressed: name.compression.is_some(),
            zxid: name.zxid,
            path,
        });
    }
    let mut logs = Vec::new();
    for zxid in files::logs(&StdFs, &dirs.log)? {
        let path = log_format::path(&dirs.log, zxid);
        let len = StdFs.len(&path).on("look at", &path)?.unwrap_or(0);
        logs.push(LogFile { path, zxid, len });
    }
    let my_id = durable::read_small(&StdFs, &data_dir.join("myid"), MYID_LEN_MAX)?;
    let scan = recovery::scan(&StdFs, &dirs, None, sink)?;
    let last = scan.snapshot.map(|_| scan.last);
    let (accepted_epoch, current_epoch) = epochs::load(&StdFs, &dirs.snap, last)?;
    Ok(Survey {
        my_id: my_id.map(|text| text.lines().next().unwrap_or("").trim().to_owned()),
        snapshots,
        logs,
        start_snapshot: scan.snapshot,
        last: scan.last,
        torn: scan.end.torn,
        accepted_epoch,
        current_epoch,
    })
}
