//! A snapshot to be written beside the log, on any thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use zk_wire::Zxid;

use crate::durable;
use crate::error::StorageError;
use crate::fs::Fs;
use crate::recovery::Dirs;
use crate::retention;
use crate::snapshot::format;
use crate::snapshot::writer::{self, Sections};

/// Counts changes of the history other than appends. A job that was made before such a change must
/// not bring its snapshot into the directory: it may hold what was cut off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generation(Arc<Mutex<u64>>);

impl Generation {
    pub(crate) fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the jobs made before; files are safe from them while the guard is held.
    pub(crate) fn advance(&self) -> MutexGuard<'_, u64> {
        let mut now = self.lock();
        *now += 1;
        now
    }
}

/// What became of a [`SnapshotJob`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The snapshot is durable.
    Written {
        /// How many files were removed because nothing needs them any more.
        purged: usize,
    },
    /// The history was cut or replaced in the meantime; nothing was kept.
    Superseded,
}

/// A snapshot to be written; see [`crate::Storage::snapshot_job`].
#[derive(Debug)]
pub struct SnapshotJob<F: Fs> {
    pub(crate) fs: F,
    pub(crate) dirs: Dirs,
    pub(crate) retain: usize,
    pub(crate) body: Bytes,
    pub(crate) sections: Sections,
    pub(crate) made_at: u64,
    pub(crate) generation: Generation,
}

impl<F: Fs> SnapshotJob<F> {
    /// The last zxid in the snapshot.
    #[must_use]
    pub fn zxid(&self) -> Zxid {
        self.sections.last_zxid
    }

    /// Writes the snapshot, durably, then purges. At most one job may run at a time.
    ///
    /// # Errors
    /// [`StorageError::Io`]; the log is not concerned, the directory may keep a temporary file until
    /// the next recovery.
    pub fn run(self) -> Result<SnapshotOutcome, StorageError> {
        let tmp = self.tmp_path();
        writer::write(&self.fs, &tmp, &self.body, self.sections)?;
        let now = self.generation.lock();
        if *now != self.made_at {
            durable::remove(&self.fs, &tmp)?;
            return Ok(SnapshotOutcome::Superseded);
        }
        durable::publish(&self.fs, &tmp, &format::path(&self.dirs.snap, self.zxid()))?;
        let Dirs { snap, log } = &self.dirs;
        let purged = retention::purge(&self.fs, snap, log, self.retain)?;
        Ok(SnapshotOutcome::Written { purged })
    }

    fn tmp_path(&self) -> PathBuf {
        // Not `snapshot.*.tmp`: Apache takes that for a snapshot.
        let zxid = self.zxid().as_u64();
        self.dirs
            .snap
            .join(format!("quorate-snapshot.{zxid:x}.tmp"))
    }
}
