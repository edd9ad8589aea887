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

const MARKER: &str = "quorate.install";
const TMP: &str = "quorate-install.tmp";
const MARKER_LEN_MAX: u64 = 64;
/// Begins the name of the directory that gets damaged files; the zxid of the snapshot ends it.
const ASIDE: &str = "quorate-set-aside";
/// Stands in the marker when the old files are to be set aside.
const ASIDE_WORD: &str = "aside";

/// What becomes of the old files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// They are of no use any more.
    Remove,
    /// They are damaged: a person may want to see them.
    SetAside,
}

/// An installation that is committed and not finished.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) zxid: Zxid,
    pub(crate) old: Old,
    /// Where the snapshot is now.
    pub(crate) file: PathBuf,
}

/// Installs a snapshot; durable and finished on return.
pub(crate) fn install<F: Fs>(
    fs: &F,
    dirs: &Dirs,
    body: &[u8],
    sections: Sections,
    old: Old,
) -> Result<(), StorageError> {
    let tmp = dirs.snap.join(TMP);
    writer::write(fs, &tmp, body, sections)?;
    // The name must be durable before the marker can be.
    durable::sync_parent(fs, &tmp)?;
    let zxid = sections.last_zxid;
    let text = match old {
        Old::Remove => format!("{:x}\n", zxid.as_u64()),
        Old::SetAside => format!("{:x} {ASIDE_WORD}\n", zxid.as_u64()),
    };
    durable::replace(fs, &dirs.snap.join(MARKER), text.as_bytes())?;
    let file = tmp;
    finish(fs, dirs, &Pending { zxid, old, file })
}

/// Looks for an installation that a crash interrupted after it was committed.
pub(crate) fn pending<F: Fs>(fs: &F, snap_dir: &Path) -> Result<Option<Pending>, StorageError> {
    let marker = snap_dir.join(MARKER);
    let Some(text) = durable::read_small(fs, &marker, MARKER_LEN_MAX)? else {
        return Ok(None);
    };
    let (number, old) = match text.trim().split_once(' ') {
        Some((number, ASIDE_WORD)) => (number, Old::SetAside),
        _ => (text.trim(), Old::Remove),
    };
    let zxid = u64::from_str_radix(number, 16)
        .map_err(|_| StorageError::corrupt(&marker, 0, format!("{text:?} is no zxid")))?;
    let zxid = Zxid::from_u64(zxid);
    let tmp = snap_dir.join(TMP);
    let file = match fs.len(&tmp).on("look at", &tmp)? {
        Some(_) => tmp,
        None => snap_format::path(snap_dir, zxid),
    };
    Ok(Some(Pending { zxid, old, file }))
}

/// Does what is left to do once the marker is durable.
pub(crate) fn finish<F: Fs>(fs: &F, dirs: &Dirs, pending: &Pending) -> Result<(), StorageError> {
    let path = snap_format::path(&dirs.snap, pending.zxid);
    let aside = format!("{ASIDE}.{:x}", pending.zxid.as_u64());
    let put_away = |dir: &Path, file: &str| match pending.old {
        Old::Remove => durable::remove(fs, &dir.join(file)),
        Old::SetAside => set_aside(fs, dir, &aside, file),
    };
    if pending.file != path {
        // A damaged snapshot of this very zxid.
        if pending.old == Old::SetAside && fs.len(&path).on("look at", &path)?.is_some() {
            let name = format!("snapshot.{:x}", pending.zxid.as_u64());
            put_away(&dirs.snap, &name)?;
        }
        durable::publish(fs, &pending.file, &path)?;
    }
    for first in files::logs(fs, &dirs.log)? {
        put_away(&dirs.log, &format!("log.{:x}", first.as_u64()))?;
    }
    fs.sync_dir(&dirs.log).on("sync", &dirs.log)?;
    for snapshot in files::snapshots(fs, &dirs.snap)? {
        if dirs.snap.join(&snapshot.file) != path {
            put_away(&dirs.snap, &snapshot.file)?;
        }
    }
    fs.sync_dir(&dirs.snap).on("sync", &dirs.snap)?;
    durable::remove(fs, &dirs.snap.join(MARKER))?;
    fs.sync_dir(&dirs.snap).on("sync", &dirs.snap)
}

/// Moves a file into a directory beside it, durably but for its old name.
fn set_aside<F: Fs>(fs: &F, dir: &Path, aside: &str, file: &str) -> Result<(), StorageError> {
    let (from, to) = (dir.join(file), dir.join(aside));
    durable::create_dirs(fs, &to)?;
    let to = to.join(file);
    tracing::warn!(file = %from.display(), to = %to.display(), "setting a file aside");
    fs.rename(&from, &to).on("rename", &from)?;
    durable::sync_parent(fs, &to)
}
