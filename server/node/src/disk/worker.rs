//! The storage thread, and beside it one thread for a snapshot under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tracing::{error, info, warn};
use zk_core::db::Entry;
use zk_core::{Configs, DiskOp, DiskSeq};
use zk_storage::{SnapshotJob, SnapshotOutcome, StdFs, Storage, StorageError, TruncOutcome};

use super::open::recover;
use super::{DiskQueue, DiskReport};
use crate::config::ConfigFiles;
use crate::monitor::Monitor;
use crate::shutdown::{exit_code, fatal};

/// Starts the thread; it ends when the queue is closed and empty. An error of the disk ends the
/// process: what cannot be made durable must not be acknowledged by going on.
///
/// # Errors
/// No thread to be had.
pub fn spawn(
    storage: Storage<StdFs>,
    queue: Arc<DiskQueue>,
    monitor: Arc<Monitor>,
) -> std::io::Result<JoinHandle<()>> {
    let saving = Arc::new(AtomicBool::new(false));
    let mut worker = Worker {
        config_files: ConfigFiles::new(&monitor.settings),
        storage,
        queue,
        monitor,
        saving,
        unflushed: false,
    };
    std::thread::Builder::new()
        .name("quorate-storage".into())
        .spawn(move || {
            while let Some(ops) = worker.queue.take() {
                if let Err(e) = worker.batch(ops) {
                    fatal(e.exit_code(), &format!("storage: {e}"));
                }
            }
        })
}

/// A snapshot is durable.
fn note_snapshot(monitor: &Monitor) {
    let now_s = monitor.clock.wall_ms() / 1000;
    monitor.metrics.snapshot_at.set(now_s.unsigned_abs());
}

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("cannot start the snapshot thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl WorkError {
    fn exit_code(&self) -> i32 {
        match self {
            Self::Storage(_) | Self::Thread(_) => exit_code::UNEXPECTED,
        }
    }
}

struct Worker {
    storage: Storage<StdFs>,
    queue: Arc<DiskQueue>,
    monitor: Arc<Monitor>,
    saving: Arc<AtomicBool>,
    unflushed: bool,
    config_files: Option<ConfigFiles>,
}

impl Worker {
    fn batch(&mut self, ops: VecDeque<(DiskSeq, DiskOp)>) -> Result<(), WorkError> {
        let metrics = &self.monitor.metrics;
        metrics.batch_size.observe(ops.len() as u64);
        // All that waits is taken at once.
        metrics.stages.log_queue.observe(ops.len() as u64);
        let mut done = None;
        for (seq, op) in ops {
            match op {
                DiskOp::Append { zxid, raw } => {
                    self.storage.append(zxid, &raw)?;
                    self.unflushed = true;
                }
                // An epoch may be written only when what came before it is durable.
                DiskOp::AcceptedEpoch(epoch) => {
                    self.flush()?;
                    self.storage.write_accepted_epoch(epoch)?;
                }
                DiskOp::CurrentEpoch(epoch) => {
                    self.flush()?;
                    self.storage.write_current_epoch(epoch)?;
                }
                DiskOp::Config(configs) => {
                    self.flush()?;
                    self.write_configs(&configs);
                }
                DiskOp::Initialize => {
                    self.flush()?;
                    self.storage.initialize()?;
                }
                DiskOp::Truncate { to } => {
                    self.flush()?;
                    if let Some(before) = done.take() {
                        self.queue.leave(DiskReport::Done(before));
                    }
                    self.truncate(seq, to)?;
                    continue;
                }
                DiskOp::ReadLog { after, link } => {
                    self.flush()?;
                    if let Some(before) = done.take() {
                        self.queue.leave(DiskReport::Done(before));
                    }
                    let found = self.storage.log_after(after)?;
                    let entries = found.map(|entries| {
                        let entry = |(txn, raw)| Entry { txn, raw };
                        entries.into_iter().map(entry).collect()
                    });
                    self.queue.leave(DiskReport::LogRead(seq, link, entries));
                    continue;
                }
                DiskOp::InstallSnapshot { zxid, body, digest } => {
                    self.unflushed = false;
                    self.storage.install_snapshot(zxid, &body, (zxid, digest))?;
                    note_snapshot(&self.monitor);
                }
                DiskOp::SaveSnapshot { zxid, body, digest } => {
                    self.unflushed = false;
                    self.storage.roll()?;
                    let job = self.storage.snapshot_job(zxid, body, (zxid, digest))?;
                    self.save(job)?;
                }
            }
            done = Some(seq);
        }
        self.flush()?;
        if let Some(through) = done {
            self.queue.leave(DiskReport::Done(through));
        }
        Ok(())
    }

    /// Members that cannot be written down are learned anew from the log and from the others, so that
    /// a directory that is read-only is no reason to stop.
    fn write_configs(&mut self, configs: &Configs) {
        if let Some(files) = &mut self.config_files
            && let Err(e) = files.write(configs)
        {
            error!("the members cannot be written down: {e}; make the directory writable");
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if !std::mem::take(&mut self.unflushed) {
            return Ok(());
        }
        let before = self.monitor.clock.elapsed();
        self.storage.flush()?;
        let took = self.monitor.clock.elapsed().saturating_sub(before);
        self.monitor.metrics.fsync.observe_ms(took);
        self.monitor.metrics.fsync_duration.observe(took);
        let is_slow = took >= self.monitor.in_force().settings.fsync_warning;
        let at_ms = self.monitor.clock.wall_ms();
        self.monitor.history.flushed(at_ms, took, is_slow);
        if is_slow {
            self.monitor.metrics.fsync_slow.inc();
            warn!("fsync of the transaction log took {} ms", took.as_millis());
        }
        Ok(())
    }

    fn truncate(&mut self, seq: DiskSeq, to: zk_wire::Zxid) -> Result<(), WorkError> {
        match self.storage.truncate_log(to)? {
            TruncOutcome::Truncated { last_zxid } => {
                info!("the log is cut to {last_zxid} on the leader's word");
                let recovery = Box::new(recover(&mut self.storage)?);
                self.queue.leave(DiskReport::Truncated(seq, recovery));
                Ok(())
            }
            TruncOutcome::NeedSnapshot { why } => {
                warn!("the leader asks to cut the log to {to}, which cannot be done: {why}");
                self.queue.leave(DiskReport::TruncateImpossible(seq));
                Ok(())
            }
        }
    }

    /// Writes a snapshot on a thread of its own; one at a time, as the next one is only better.
    fn save(&self, job: SnapshotJob<StdFs>) -> Result<(), WorkError> {
        let zxid = job.zxid();
        if self.saving.swap(true, Ordering::AcqRel) {
            info!("snapshot {zxid} is left out: the one before is still being written");
            return Ok(());
        }
        let (saving, monitor) = (self.saving.clone(), self.monitor.clone());
        std::thread::Builder::new()
            .name("quorate-snapshot".into())
            .spawn(move || {
                let before = monitor.clock.elapsed();
                match job.run() {
                    Ok(SnapshotOutcome::Written { purged }) => {
                        let took = monitor.clock.elapsed().saturating_sub(before);
                        monitor.metrics.snapshot.observe_ms(took);
                        note_snapshot(&monitor);
                        info!(
                            "snapshot {zxid} written in {} ms, {purged} old files removed",
                            took.as_millis()
                        );
                    }
                    Ok(SnapshotOutcome::Superseded) => info!("snapshot {zxid} was overtaken"),
                    Err(e) => fatal(exit_code::SNAPSHOT, &format!("snapshot: {e}")),
                }
                saving.store(false, Ordering::Release);
            })?;
        Ok(())
    }
}
