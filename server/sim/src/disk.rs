//! The storage thread of a server: takes what is queued, writes it, syncs once, reports.
//!
//! A batch takes its time. A crash may come before it, after it, or, by the fuse of the disk, between
//! any two calls to the file system within it.

use std::collections::{BTreeMap, VecDeque};

use zk_core::db::{Entry, Recovery, RecoveryBuilder, Trust};
use zk_core::{Configs, DiskOp, DiskSeq, Input, LinkId};
use zk_storage::{Recovered, SnapshotJob, Storage, StorageConfig, StorageError, TruncOutcome};
use zk_wire::{Epoch, Zxid};

use crate::context::Context;
use crate::fs::SimFs;
use crate::invariants::{Verdict, Violation};
use crate::seed::Parameters;
use crate::server::{Process, Server};
use crate::world::Event;

/// Log files grow by this: small, so that the end of the preallocated part is met often.
const PREALLOC_BYTES: u64 = 8 * 1024;

/// How a server goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// kill -9: the disk keeps what was written.
    Process,
    /// The machine loses power: the disk keeps what was synced.
    Power,
}

/// Operations on their way to the disk.
#[derive(Debug, Default)]
pub(crate) struct DiskQueue {
    waiting: VecDeque<(DiskSeq, DiskOp)>,
    /// What the disk is doing: appends only, or one other operation.
    running: Vec<(DiskSeq, DiskOp)>,
    jobs: BTreeMap<u64, SnapshotJob<SimFs>>,
    next_job: u64,
    /// The configs that were written last.
    configs: Option<Configs>,
}

impl DiskQueue {
    pub(crate) fn push(&mut self, seq: DiskSeq, op: DiskOp) {
        self.waiting.push_back((seq, op));
    }

    /// Where a cut of the history that is under way leads to.
    pub(crate) fn cut_under_way(&self) -> Option<Zxid> {
        match self.running.first() {
            Some((_, DiskOp::Truncate { to })) => Some(*to),
            Some((_, DiskOp::InstallSnapshot { zxid, .. })) => Some(*zxid),
            _ => None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Takes the next batch.
    fn take(&mut self) {
        while let Some((seq, op)) = self.waiting.pop_front() {
            let append = matches!(op, DiskOp::Append { .. });
            if !append && !self.running.is_empty() {
                self.waiting.push_front((seq, op));
                return;
            }
            self.running.push((seq, op));
            if !append {
                return;
            }
        }
    }
}

/// Opens the data directory of a server.
pub(crate) fn open_storage(fs: SimFs, params: &Parameters) -> Result<Storage<SimFs>, String> {
    let config = StorageConfig {
        db_autocreate: !params.disk_faults,
        prealloc_bytes: PREALLOC_BYTES,
        // Trees here are small, and the log is to be read.
        diff_factor: params.log_diffs.then_some(1.0),
        ..StorageConfig::new("/data")
    };
    Storage::open(fs, config).map_err(|e| e.to_string())
}

/// Reads it.
pub(crate) fn recover(storage: &mut Storage<SimFs>) -> Result<Recovery, StorageError> {
    let mut builder = RecoveryBuilder::new();
    let found = storage.recover(&mut builder)?;
    let trust = if found.trusted {
        Trust::Whole
    } else {
        Trust::Lost
    };
    Ok(finish(builder, &found, trust))
}

/// Goes on without what is there, which is damaged.
pub(crate) fn recover_without(storage: &mut Storage<SimFs>) -> Result<Recovery, StorageError> {
    let found = storage.go_on_without()?;
    Ok(finish(RecoveryBuilder::new(), &found, Trust::Damaged))
}

fn finish(builder: RecoveryBuilder, found: &Recovered, trust: Trust) -> Recovery {
    let epoch = |e: Option<Epoch>| e.unwrap_or_default();
    let mut recovery = builder.finish(epoch(found.accepted_epoch), epoch(found.current_epoch));
    recovery.trust = trust;
    recovery
}

impl Process {
    /// Gives an idle disk its next batch.
    pub(crate) fn kick_disk(&mut self, cx: &mut Context, sid: u8, incarnation: u64) -> Verdict {
        if !self.disk.running.is_empty() {
            return Ok(());
        }
        self.disk.take();
        if !self.disk.running.is_empty() {
            let us = cx.disk_us(sid);
            cx.q.after(us, Event::DiskEnd { sid, incarnation });
        }
        Ok(())
    }

    /// Tells whether everything could be done: only a cut can be impossible.
    fn carry_out_batch(&mut self, batch: &[(DiskSeq, DiskOp)]) -> Result<bool, StorageError> {
        let mut possible = true;
        for (_, op) in batch {
            match op {
                DiskOp::Append { zxid, raw } => self.storage.append(*zxid, raw)?,
                DiskOp::AcceptedEpoch(epoch) => self.storage.write_accepted_epoch(*epoch)?,
                DiskOp::CurrentEpoch(epoch) => self.storage.write_current_epoch(*epoch)?,
                DiskOp::InstallSnapshot { zxid, body, digest } => {
                    self.storage
                        .install_snapshot(*zxid, body, (*zxid, *digest))?;
                }
                DiskOp::SaveSnapshot { zxid, body, digest } => {
                    self.storage.roll()?;
                    let digest = (*zxid, *digest);
                    let job = self.storage.snapshot_job(*zxid, body.clone(), digest)?;
                    self.disk.next_job += 1;
                    self.disk.jobs.insert(self.disk.next_job, job);
                }
                DiskOp::Initialize => self.storage.initialize()?,
                DiskOp::ReadLog { .. } => {}
                // Files of their own, each replaced at once.
                DiskOp::Config(configs) => self.disk.configs = Some((**configs).clone()),
                DiskOp::Truncate { to } => {
                    let outcome = self.storage.truncate_log(*to)?;
                    possible = matches!(outcome, TruncOutcome::Truncated { .. });
                }
            }
        }
        self.storage.flush()?;
        Ok(possible)
    }
}

/// A fuse for an operation, sometimes.
fn arm(cx: &mut Context, fs: &SimFs, calls_max: u64) {
    if cx.faults && cx.dice.per_mille(4) {
        fs.arm(cx.dice.between(0, calls_max));
    }
}

/// Whether an operation failed because the fuse blew: then the machine is gone.
fn blown<T>(
    cx: &mut Context,
    sid: u8,
    fs: &SimFs,
    result: &Result<T, StorageError>,
) -> Result<Option<Crash>, Violation> {
    if fs.disarm() {
        let power = cx.dice.percent(70);
        return Ok(Some(if power { Crash::Power } else { Crash::Process }));
    }
    match result {
        Ok(_) => Ok(None),
        Err(why) => Err(Violation {
            invariant: "storage",
            detail: format!("server {sid}: {why}"),
        }),
    }
}

impl Server {
    /// The disk is done with its batch, or the machine went down in the middle of it.
    pub(crate) fn disk_end(&mut self, cx: &mut Context) -> Result<Option<Crash>, Violation> {
        let sid = self.sid;
        let fs = self.fs.clone();
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let batch = process.disk.running.clone();
        let calls = match batch.first() {
            Some((_, DiskOp::Append { .. })) => 5,
            _ => 14,
        };
        arm(cx, &fs, calls);
        let result = process.carry_out_batch(&batch);
        let crash = blown(cx, sid, &fs, &result)?;
        if crash.is_some() {
            return Ok(crash);
        }
        process.disk.running.clear();
        let Some((seq, op)) = batch.last().cloned() else {
            return Ok(None);
        };
        if result.is_ok_and(|possible| possible) {
            self.batch_done(cx, seq, &op)?;
        } else {
            self.run(cx, |peer, now, out| {
                peer.handle(now, Input::TruncateImpossible { seq }, out);
            })?;
        }
        Ok(None)
    }

    /// Tells the invariants and the core.
    fn batch_done(&mut self, cx: &mut Context, seq: DiskSeq, op: &DiskOp) -> Verdict {
        let (sid, incarnation) = (self.sid, self.incarnation);
        cx.trace.note(
            cx.q.now(),
            "durable",
            u64::from(sid),
            &seq.0.to_le_bytes(),
            || format!("through {}", seq.0),
        );
        let checks = &mut cx.checks;
        match op {
            DiskOp::Append { zxid, .. } => checks.durability.synced(sid, *zxid),
            DiskOp::InstallSnapshot { zxid, .. } => {
                let zxid = checks.history.real(*zxid);
                checks.durability.synced(sid, zxid);
            }
            DiskOp::AcceptedEpoch(epoch) => checks.epochs.accepted(sid, *epoch)?,
            DiskOp::CurrentEpoch(epoch) => checks.epochs.current(sid, *epoch)?,
            DiskOp::Initialize => {}
            DiskOp::SaveSnapshot { .. } => {
                let job = self.process.as_ref().map_or(0, |p| p.disk.next_job);
                let us = cx.disk_us(sid) * 3;
                cx.q.after(
                    us,
                    Event::SnapshotJob {
                        sid,
                        incarnation,
                        job,
                    },
                );
            }
            DiskOp::Config(_) => {
                let written = self.process.as_mut().and_then(|p| p.disk.configs.take());
                self.configs = written.or_else(|| self.configs.take());
            }
            DiskOp::Truncate { to } => return self.truncated(cx, seq, *to),
            DiskOp::ReadLog { after, link } => return self.log_read(cx, seq, *after, *link),
        }
        self.run(cx, |peer, now, out| {
            peer.handle(now, Input::DiskDone { through: seq }, out);
        })
    }

    fn log_read(&mut self, cx: &mut Context, seq: DiskSeq, after: Zxid, link: LinkId) -> Verdict {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let found = process.storage.log_after(after).map_err(|why| Violation {
            invariant: "storage",
            detail: format!("server {} cannot read its log: {why}", self.sid),
        })?;
        let entry = |(txn, raw)| Entry { txn, raw };
        let entries = found.map(|found| found.into_iter().map(entry).collect());
        self.run(cx, |peer, now, out| {
            peer.handle(now, Input::LogRead { seq, link, entries }, out);
        })
    }

    fn truncated(&mut self, cx: &mut Context, seq: DiskSeq, to: Zxid) -> Verdict {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let recovery = recover(&mut process.storage).map_err(|why| Violation {
            invariant: "storage",
            detail: format!("server {} does not recover after a cut: {why}", self.sid),
        })?;
        let end = recovery.database.last_applied();
        let checks = &mut cx.checks;
        checks.durability.cutting(self.sid, to);
        checks
            .durability
            .recovered(self.sid, end, &checks.history)?;
        checks.history.set_log_end(self.sid, end);
        let recovery = Box::new(recovery);
        self.run(cx, |peer, now, out| {
            peer.handle(now, Input::Truncated { seq, recovery }, out);
        })?;
        // What is logged behind the tree is applied when a leader is established.
        if let Some(process) = &self.process {
            let applied = process.peer.status().zxid_applied;
            cx.checks.total_order.starts_at(self.sid, applied);
        }
        Ok(())
    }

    /// The snapshot beside the log is written now.
    pub(crate) fn snapshot_job(
        &mut self,
        cx: &mut Context,
        job: u64,
    ) -> Result<Option<Crash>, Violation> {
        let fs = self.fs.clone();
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let Some(job) = process.disk.jobs.remove(&job) else {
            return Ok(None);
        };
        arm(cx, &fs, 14);
        let result = job.run();
        blown(cx, self.sid, &fs, &result)
    }
}
