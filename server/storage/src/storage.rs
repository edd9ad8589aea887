//! The data directory of one member.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use zk_wire::recovery::RecoverySink;
use zk_wire::txn::Txn;
use zk_wire::{Epoch, Zxid};

use crate::config::StorageConfig;
use crate::durable;
use crate::epochs;
use crate::error::{IoContext, StorageError};
use crate::files;
use crate::fs::{Fs, FsFile};
use crate::identity::Identity;
use crate::install;
use crate::job::{Generation, SnapshotJob};
use crate::recovery::{self, Dirs, Recovered, Scan};
use crate::snapshot::format as snap_format;
use crate::snapshot::pristine;
use crate::snapshot::writer::Sections;
use crate::truncate::{self, TruncOutcome};
use crate::txnlog::format as log_format;
use crate::txnlog::recover::LogChain;
use crate::txnlog::writer::LogWriter;

const SUBDIR: &str = "version-2";
const INITIALIZE: &str = "initialize";

/// Most bytes of the log that are read for a learner: they are in memory until they are sent.
const LOG_PART_MAX: u64 = 128 << 20;

/// An open data directory. See the head of this crate for what is durable when.
pub struct Storage<F: Fs> {
    fs: F,
    config: StorageConfig,
    dirs: Dirs,
    writer: LogWriter<F>,
    /// The end of the history once it was recovered, appended records included.
    last: Option<Zxid>,
    has_snapshot: bool,
    /// From here on the log has no hole: what was recovered began here.
    base: Zxid,
    /// A file `initialize` waits to be removed.
    initialize: bool,
    poisoned: bool,
    /// What the directory holds cannot be used and is left as it is until a snapshot comes.
    damaged: bool,
    generation: Generation,
    _locks: Vec<F::Lock>,
}

impl<F: Fs> Storage<F> {
    /// Checks, locks and, where allowed, creates the directories. Changes nothing when it refuses.
    ///
    /// # Errors
    /// Missing or unwritable directories, data files in the wrong one, another process or another
    /// owner.
    pub fn open(fs: F, config: StorageConfig) -> Result<Self, StorageError> {
        let dirs = Dirs {
            snap: config.data_dir.join(SUBDIR),
            log: config.log_dir.join(SUBDIR),
        };
        let identity = Identity::configured(config.ensemble_id.as_deref(), config.server_id)?;
        identity.check(&fs, &config.data_dir)?;
        let mut all = vec![&dirs.snap];
        if dirs.log != dirs.snap {
            all.push(&dirs.log);
            check_separate(&fs, &dirs)?;
        }
        for dir in &all {
            if fs.is_dir(dir).on("look at", dir)? {
                fs.check_writable(dir).on("write to", dir)?;
            } else if !config.autocreate {
                return Err(StorageError::Missing {
                    path: (*dir).clone(),
                    why: "create this data directory, or allow its creation with \
                          zookeeper.datadir.autocreate"
                        .to_owned(),
                });
            }
        }
        let mut locks = Vec::new();
        for dir in all {
            durable::create_dirs(&fs, dir)?;
            match fs.lock_dir(dir).on("lock", dir)? {
                Some(lock) => locks.push(lock),
                None => return Err(StorageError::Locked { path: dir.clone() }),
            }
        }
        // Again: another process may have been first.
        if identity.check(&fs, &config.data_dir)? {
            identity.write(&fs, &config.data_dir)?;
        }
        Ok(Self {
            writer: LogWriter::new(fs.clone(), dirs.log.clone(), config.prealloc_bytes),
            fs,
            config,
            dirs,
            last: None,
            has_snapshot: false,
            base: Zxid::ZERO,
            initialize: false,
            poisoned: false,
            damaged: false,
            generation: Generation::default(),
            _locks: locks,
        })
    }

    /// Reads everything into `sink`, then cuts off what a crash left of the last write. Must be
    /// called once before anything is written, and again after [`Storage::truncate_log`].
    ///
    /// # Errors
    /// Damage, in which case nothing was changed.
    pub fn recover(&mut self, sink: &mut dyn RecoverySink) -> Result<Recovered, StorageError> {
        let result = self.usable().and_then(|()| self.try_recover(sink));
        self.noted(result)
    }

    /// Goes on with a directory that [`Storage::recover`] refused for damage. Nothing is touched but
    /// the epochs, and nothing can be appended, until [`Storage::install_snapshot`] sets the files
    /// aside, into a directory of their own beside them. Who calls this has no vote until then.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn go_on_without(&mut self) -> Result<Recovered, StorageError> {
        self.usable()?;
        let read = |name| match epochs::read(&self.fs, &self.dirs.snap, name) {
            Err(io @ StorageError::Io { .. }) => Err(io),
            // Promises that cannot be read are lost with the rest.
            other => Ok(other.ok().flatten()),
        };
        let current_epoch = read(epochs::CURRENT)?;
        let accepted_epoch = read(epochs::ACCEPTED)?.max(current_epoch);
        self.damaged = true;
        self.last = Some(Zxid::ZERO);
        Ok(Recovered {
            last_zxid: Zxid::ZERO,
            snapshot_zxid: None,
            accepted_epoch,
            current_epoch,
            empty: false,
            trusted: false,
            torn_tail: None,
        })
    }

    fn try_recover(&mut self, sink: &mut dyn RecoverySink) -> Result<Recovered, StorageError> {
        let scan = recovery::scan(&self.fs, &self.dirs, None, sink)?;
        let empty = scan.snapshot.is_none();
        let history = (!empty).then_some(scan.last);
        let (accepted_epoch, current_epoch) = epochs::load(&self.fs, &self.dirs.snap, history)?;
        let flags = self.initialize_files()?;
        self.repair(&scan)?;
        self.initialize = !flags.is_empty();
        if !empty {
            self.remove_initialize()?;
        }
        self.writer = self.new_writer();
        self.last = Some(scan.last);
        self.has_snapshot = !empty;
        self.base = scan.snapshot.unwrap_or(Zxid::ZERO);
        Ok(Recovered {
            last_zxid: scan.last,
            snapshot_zxid: scan.snapshot,
            accepted_epoch,
            current_epoch,
            empty,
            trusted: !empty || self.config.db_autocreate || !flags.is_empty(),
            torn_tail: scan.end.torn,
        })
    }

    /// The end of the history, with what was appended since.
    ///
    /// # Errors
    /// Before recovery.
    pub fn last_zxid(&self) -> Result<Zxid, StorageError> {
        self.last.ok_or(StorageError::NotRecovered)
    }

    /// Bytes in the current log file, without preallocation.
    #[must_use]
    pub fn log_file_len(&self) -> u64 {
        self.writer.file_len()
    }

    /// Adds a transaction to the log; it is durable after the next [`Storage::flush`].
    ///
    /// # Errors
    /// A zxid that does not come next: one more than the last, or the first of a later epoch.
    pub fn append(&mut self, zxid: Zxid, raw: &[u8]) -> Result<(), StorageError> {
        self.usable()?;
        if self.damaged {
            return Err(StorageError::NotRecovered);
        }
        let last = self.last_zxid()?;
        let named = Txn::zxid_of(raw).ok();
        if !log_format::follows(last, zxid) || named != Some(zxid) {
            return Err(StorageError::OutOfOrder { zxid, last });
        }
        let result = self
            .ensure_snapshot()
            .and_then(|()| self.writer.append(zxid, raw));
        self.noted(result)?;
        self.last = Some(zxid);
        Ok(())
    }

    /// Makes everything appended durable, with one fdatasync; nothing appended costs nothing.
    ///
    /// # Errors
    /// [`StorageError::Io`]: nothing appended since the last flush may be relied upon.
    pub fn flush(&mut self) -> Result<(), StorageError> {
        self.usable()?;
        let result = match self.writer.flush() {
            Ok(true) => self.remove_initialize(),
            other => other.map(|_| ()),
        };
        self.noted(result)
    }

    /// Makes everything appended durable and ends the current log file; the next transaction begins
    /// a new one.
    ///
    /// # Errors
    /// As [`Storage::flush`].
    pub fn roll(&mut self) -> Result<(), StorageError> {
        self.usable()?;
        let result = self.writer.roll();
        self.noted(result)
    }

    /// Writes `acceptedEpoch`, durably.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn write_accepted_epoch(&mut self, epoch: Epoch) -> Result<(), StorageError> {
        self.write_epoch(epochs::ACCEPTED, epoch)
    }

    /// Writes `currentEpoch`, durably.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn write_current_epoch(&mut self, epoch: Epoch) -> Result<(), StorageError> {
        self.write_epoch(epochs::CURRENT, epoch)
    }

    /// Writes the file `initialize`, durably: what is here is rightly empty, for the next start as well.
    /// It goes as soon as there is something to lose; where there is already, nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::NotRecovered`] where damage is left as it is.
    pub fn initialize(&mut self) -> Result<(), StorageError> {
        self.usable()?;
        if self.damaged {
            return Err(StorageError::NotRecovered);
        }
        if self.has_snapshot {
            return Ok(());
        }
        let file = self.config.data_dir.join(INITIALIZE);
        let result = durable::replace(&self.fs, &file, b"");
        self.noted(result)?;
        self.initialize = true;
        Ok(())
    }

    fn write_epoch(&mut self, name: &str, epoch: Epoch) -> Result<(), StorageError> {
        self.usable()?;
        let result = epochs::write(&self.fs, &self.dirs.snap, name, epoch);
        self.noted(result)
    }

    /// Prepares a snapshot of the state at `zxid`, to be written by [`SnapshotJob::run`] on any
    /// thread. Everything up to `zxid` must be durable: call [`Storage::roll`] or flush before.
    /// `digest` is the tree digest and the zxid that it belongs to.
    ///
    /// # Errors
    /// After a failed write.
    pub fn snapshot_job(
        &self,
        zxid: Zxid,
        body: Bytes,
        digest: (Zxid, u64),
    ) -> Result<SnapshotJob<F>, StorageError> {
        self.usable()?;
        Ok(SnapshotJob {
            fs: self.fs.clone(),
            dirs: self.dirs.clone(),
            retain: self.config.snap_retain,
            body,
            sections: Sections {
                digest,
                last_zxid: zxid,
            },
            made_at: *self.generation.lock(),
            generation: self.generation.clone(),
        })
    }

    /// Replaces the whole history by a snapshot, durably: SNAP. What was appended and not flushed is
    /// dropped. A crash leaves either the old history or the new one.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn install_snapshot(
        &mut self,
        zxid: Zxid,
        body: &Bytes,
        digest: (Zxid, u64),
    ) -> Result<(), StorageError> {
        self.usable()?;
        self.last_zxid()?;
        let sections = Sections {
            digest,
            last_zxid: zxid,
        };
        self.writer = self.new_writer();
        let result = {
            let _jobs_ended = self.generation.advance();
            let old = match self.damaged {
                true => install::Old::SetAside,
                false => install::Old::Remove,
            };
            install::install(&self.fs, &self.dirs, body, sections, old)
        };
        self.noted(result)?;
        self.damaged = false;
        self.last = Some(zxid);
        self.has_snapshot = true;
        self.base = zxid;
        let result = self.remove_initialize();
        self.noted(result)
    }

    /// Cuts the history back to `zxid`, durably: TRUNC. Afterwards [`Storage::recover`] must be
    /// called, unless a snapshot is needed, in which case nothing was changed.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn truncate_log(&mut self, zxid: Zxid) -> Result<TruncOutcome, StorageError> {
        self.usable()?;
        self.last_zxid()?;
        if self.damaged {
            let why = "what is here is damaged".to_owned();
            return Ok(TruncOutcome::NeedSnapshot { why });
        }
        // What was appended may be below the cut.
        let result = self.writer.roll().and_then(|()| {
            let _jobs_ended = self.generation.advance();
            truncate::truncate(&self.fs, &self.dirs, zxid)
        });
        let outcome = self.noted(result)?;
        if matches!(outcome, TruncOutcome::Truncated { .. }) {
            self.last = None;
        }
        Ok(outcome)
    }

    /// The transactions in the log from `zxid` on, for inspection; what is not flushed is missing.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn read_txns_from(&self, zxid: Zxid) -> Result<TxnIter<F>, StorageError> {
        let logs = files::logs(&self.fs, &self.dirs.log)?;
        let base = Zxid::from_u64(zxid.as_u64().saturating_sub(1));
        let chain = LogChain::new(&self.fs, self.dirs.log.clone(), &logs, base).unanchored();
        Ok(TxnIter { chain: Some(chain) })
    }

    /// What the log has behind `zxid`, for a learner that has everything up to there; `None` when the
    /// log does not tell, or when that is too much to send beside a snapshot
    /// (`LearnerHandler.syncFollower`).
    ///
    /// Apache counts the lengths of files, with what is reserved in them; here records count. It also
    /// sends across a hole that an installed snapshot left in its log (ZOOKEEPER-2846); here nothing
    /// before the snapshot that this process began with is sent.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn log_after(&mut self, zxid: Zxid) -> Result<Option<Vec<(Txn, Bytes)>>, StorageError> {
        self.flush()?;
        let Some(factor) = self.config.diff_factor else {
            return Ok(None);
        };
        let snapshots = files::snapshots(&self.fs, &self.dirs.snap)?;
        let newest = match snapshots.first() {
            Some(name) => {
                let path = self.dirs.snap.join(&name.file);
                self.fs.len(&path).on("look at", &path)?.unwrap_or(0)
            }
            None => 0,
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rule of thumb needs no precision"
        )]
        let limit = ((newest as f64 * factor) as u64).min(LOG_PART_MAX);
        // An epoch's start is no transaction: what is before it must be there instead.
        let at_start = zxid.counter() == 0;
        if zxid < self.base || (at_start && zxid == self.base) {
            return Ok(None);
        }
        let logs = files::logs(&self.fs, &self.dirs.log)?;
        if at_start && !logs.iter().any(|first| *first < zxid) {
            // Old files went: nobody can tell what is missing between it and the first that is left.
            return Ok(None);
        }
        let (mut out, mut len, mut found) = (Vec::new(), 0, at_start);
        for record in self.read_txns_from(zxid)? {
            let (txn, raw) = match record {
                Err(io @ StorageError::Io { .. }) => return Err(io),
                Err(damage) => {
                    tracing::warn!(%damage, "the log cannot be read for a learner");
                    return Ok(None);
                }
                Ok(record) => record,
            };
            if txn.header.zxid == zxid {
                found = true;
                continue;
            }
            len += raw.len() as u64;
            if !found || len > limit {
                return Ok(None);
            }
            out.push((txn, raw));
        }
        Ok(Some(out))
    }

    fn new_writer(&self) -> LogWriter<F> {
        let dir = self.dirs.log.clone();
        LogWriter::new(self.fs.clone(), dir, self.config.prealloc_bytes)
    }

    fn usable(&self) -> Result<(), StorageError> {
        if self.poisoned {
            return Err(StorageError::Poisoned);
        }
        Ok(())
    }

    /// Remembers that the disk failed.
    fn noted<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        self.poisoned |= matches!(result, Err(StorageError::Io { .. }));
        result
    }

    /// A log is never without a snapshot below it.
    fn ensure_snapshot(&mut self) -> Result<(), StorageError> {
        if self.has_snapshot {
            return Ok(());
        }
        pristine::write(&self.fs, &self.dirs.snap)?;
        self.has_snapshot = true;
        Ok(())
    }

    /// Brings the directory to the state that the scan saw and makes that durable: a crash of the
    /// process may have left it in the system's memory only.
    fn repair(&self, scan: &Scan) -> Result<(), StorageError> {
        let Dirs { snap, log } = &self.dirs;
        if let Some(pending) = &scan.pending {
            install::finish(&self.fs, &self.dirs, pending)?;
        }
        if let Some(torn) = &scan.end.torn {
            let (file, offset) = (torn.file.display(), torn.offset);
            tracing::warn!(%file, offset, why = torn.why, "cutting off a write that a crash tore");
        }
        for name in scan.end.empty.iter().rev() {
            durable::remove(&self.fs, &log_format::path(log, *name))?;
            self.fs.sync_dir(log).on("sync", log)?;
        }
        if let Some((name, end)) = scan.end.last {
            let path = log_format::path(log, name);
            let mut file = self.fs.open_write(&path).on("open", &path)?;
            file.set_len(end).on("cut", &path)?;
            file.sync().on("sync", &path)?;
        }
        for name in self.fs.list(snap).on("list", snap)? {
            if name.starts_with("quorate-") && name.ends_with(".tmp") {
                durable::remove(&self.fs, &snap.join(name))?;
            }
        }
        self.fs.sync_dir(log).on("sync", log)?;
        self.fs.sync_dir(snap).on("sync", snap)
    }

    /// Where a person or the operator may have said that this directory is rightly empty. Apache
    /// looks into the log directory only, its own script writes into the other.
    fn initialize_files(&self) -> Result<Vec<PathBuf>, StorageError> {
        let mut found = Vec::new();
        for dir in [&self.config.data_dir, &self.config.log_dir] {
            let file = dir.join(INITIALIZE);
            if self.fs.len(&file).on("look at", &file)?.is_some() {
                found.push(file);
            }
        }
        Ok(found)
    }

    /// The word `initialize` holds for one start only: until there is something to lose.
    fn remove_initialize(&mut self) -> Result<(), StorageError> {
        if !self.initialize {
            return Ok(());
        }
        for file in self.initialize_files()? {
            durable::remove(&self.fs, &file)?;
            durable::sync_parent(&self.fs, &file)?;
        }
        self.initialize = false;
        Ok(())
    }
}

/// Refuses data files in the wrong directory, which both servers would overlook.
fn check_separate<F: Fs>(fs: &F, dirs: &Dirs) -> Result<(), StorageError> {
    let names = |dir: &Path| match fs.is_dir(dir).on("look at", dir)? {
        true => fs.list(dir).on("list", dir),
        false => Ok(Vec::new()),
    };
    for name in names(&dirs.snap)? {
        if log_format::parse_name(&name).is_some() {
            return Err(StorageError::Misplaced {
                file: dirs.snap.join(name),
                why: format!("move it to dataLogDir, {}", dirs.log.display()),
            });
        }
    }
    for name in names(&dirs.log)? {
        if snap_format::parse_name(&name).is_some() {
            return Err(StorageError::Misplaced {
                file: dirs.log.join(name),
                why: format!("move it to dataDir, {}", dirs.snap.display()),
            });
        }
    }
    Ok(())
}

/// Transactions of the log in order; ends after an error.
pub struct TxnIter<F: Fs> {
    chain: Option<LogChain<F>>,
}

impl<F: Fs> Iterator for TxnIter<F> {
    type Item = Result<(Txn, Bytes), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.chain.as_mut()?.next() {
            Ok(Some(record)) => Some(Ok((record.txn, record.raw))),
            Ok(None) => {
                self.chain = None;
                None
            }
            Err(e) => {
                self.chain = None;
                Some(Err(e))
            }
        }
    }
}
