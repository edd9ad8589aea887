//! Replaces everything by a snapshot that a leader sent, in one step that no crash can halve.
//!
//! Old log files must not stay: a record behind the new snapshot's zxid may be of a branch of the
//! history that was given up. Neither may they go first. So a marker file commits the step: the new
//! snapshot is durable under a temporary name, then the marker is; from then on only the new state
//! counts, and whatever is left to rename and to remove is done by the next recovery.

use std::path::{Path, PathBuf};

use zk_wire::Zxid;

use crate::durable;
use crate::error::{IoContext, StorageError};
use crate::files;
use crate::fs::Fs;
use crate::recovery::Dirs;
use crate::snapshot::format as snap_format;
use crate::snapshot::writer::{self, Sections};
use crate::txnlog::format as log_format;

const MARKER: &str = "quorate.install";
const TMP: &str = "quorate-install.tmp";
const MARKER_LEN_MAX: u64 = 64;

/// An installation that is committed and not finished.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) zxid: Zxid,
    /// Where the snapshot is now.
    pub(crate) file: PathBuf,
}

/// Installs a snapshot; durable and finished on return.
pub(crate) fn install<F: Fs>(
    fs: &F,
    dirs: &Dirs,
    body: &[u8],
    sections: Sections,
) -> Result<(), StorageError> {
    let tmp = dirs.snap.join(TMP);
    writer::write(fs, &tmp, body, sections)?;
    // The name must be durable before the marker can be.
    durable::sync_parent(fs, &tmp)?;
    let zxid = sections.last_zxid;
    let text = format!("{:x}\n", zxid.as_u64());
    durable::replace(fs, &dirs.snap.join(MARKER), text.as_bytes())?;
    finish(fs, dirs, &Pending { zxid, file: tmp })
}

/// Looks for an installation that a crash interrupted after it was committed.
pub(crate) fn pending<F: Fs>(fs: &F, snap_dir: &Path) -> Result<Option<Pending>, StorageError> {
    let marker = snap_dir.join(MARKER);
    let Some(text) = durable::read_small(fs, &marker, MARKER_LEN_MAX)? else {
        return Ok(None);
    };
    let zxid = u64::from_str_radix(text.trim(), 16)
        .map_err(|_| StorageError::corrupt(&marker, 0, format!("{text:?} is no zxid")))?;
    let zxid = Zxid::from_u64(zxid);
    let tmp = snap_dir.join(TMP);
    let file = match fs.len(&tmp).on("look at", &tmp)? {
        Some(_) => tmp,
        None => snap_format::path(snap_dir, zxid),
    };
    Ok(Some(Pending { zxid, file }))
}

/// Does what is left to do once the marker is durable.
pub(crate) fn finish<F: Fs>(fs: &F, dirs: &Dirs, pending: &Pending) -> Result<(), StorageError> {
    let path = snap_format::path(&dirs.snap, pending.zxid);
    if pending.file != path {
        durable::publish(fs, &pending.file, &path)?;
    }
    for first in files::logs(fs, &dirs.log)? {
        durable::remove(fs, &log_format::path(&dirs.log, first))?;
    }
    fs.sync_dir(&dirs.log).on("sync", &dirs.log)?;
    for snapshot in files::snapshots(fs, &dirs.snap)? {
        let other = dirs.snap.join(snapshot.file);
        if other != path {
            durable::remove(fs, &other)?;
        }
    }
    fs.sync_dir(&dirs.snap).on("sync", &dirs.snap)?;
    durable::remove(fs, &dirs.snap.join(MARKER))?;
    fs.sync_dir(&dirs.snap).on("sync", &dirs.snap)
}
