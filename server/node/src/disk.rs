//! The storage thread: everything that touches the data directory, in order, with group commit.
//!
//! It takes all that is queued, appends, flushes once, and reports; the next batch gathers while
//! the disk works. The queue is a list under a lock and not a channel, because neither side may wait
//! for the other in a circle: the driver asks [`DiskQueue::has_room`] before it takes more work from
//! clients, and the storage thread leaves its reports where the driver finds them.

mod open;
mod timed;
mod worker;

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zk_core::db::{Entry, Recovery};
use zk_core::{DiskOp, DiskSeq, LinkId};

pub use open::{OpenError, Opened, open};
pub use worker::spawn;

/// Operations that may wait before clients are held back: several full batches.
const BACKLOG_OPS: usize = 20_000;

/// And their bytes.
const BACKLOG_BYTES: usize = 128 * 1024 * 1024;

/// What the driver hears.
#[derive(Debug)]
pub enum DiskReport {
    /// Durable up to here.
    Done(DiskSeq),
    /// The log cannot be cut that far; nothing was changed.
    TruncateImpossible(DiskSeq),
    /// What the log has for a learner.
    LogRead(DiskSeq, LinkId, Option<Vec<Entry>>),
    /// The log is cut.
    Truncated(DiskSeq, Box<Recovery>),
}

/// Operations on their way to the disk and reports on their way back.
#[derive(Debug, Default)]
pub struct DiskQueue {
    todo: Mutex<Todo>,
    more: Condvar,
    reports: Mutex<VecDeque<DiskReport>>,
    reported: Notify,
}

#[derive(Debug, Default)]
struct Todo {
    ops: VecDeque<(DiskSeq, DiskOp)>,
    bytes: usize,
    closed: bool,
}

impl DiskQueue {
    fn lock(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an operation; [`DiskQueue::flush`] makes it known.
    pub fn push(&self, seq: DiskSeq, op: DiskOp) {
        let mut todo = self.lock();
        todo.bytes += bytes_of(&op);
        todo.ops.push_back((seq, op));
    }

    /// Wakes the storage thread if there is work.
    pub fn flush(&self) {
        if !self.lock().ops.is_empty() {
            self.more.notify_one();
        }
    }

    /// Whether more work may be made for the disk.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let todo = self.lock();
        todo.ops.len() < BACKLOG_OPS && todo.bytes < BACKLOG_BYTES
    }

    /// The storage thread ends when it has done what is queued.
    pub fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    /// Waits for the next report.
    pub async fn report(&self) -> DiskReport {
        loop {
            let next = self
                .reports
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            match next {
                Some(report) => return report,
                None => self.reported.notified().await,
            }
        }
    }

    /// Waits for work and takes all of it; `None` when there will be no more.
    fn take(&self) -> Option<VecDeque<(DiskSeq, DiskOp)>> {
        let mut todo = self.lock();
        loop {
            if !todo.ops.is_empty() {
                todo.bytes = 0;
                return Some(std::mem::take(&mut todo.ops));
            }
            if todo.closed {
                return None;
            }
            todo = self.more.wait(todo).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Leaves a report; one that says more replaces one of the same kind that nobody took yet.
    fn leave(&self, report: DiskReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(DiskReport::Done(old)), DiskReport::Done(new)) = (reports.back_mut(), &report)
        {
            *old = *new;
        } else {
            reports.push_back(report);
        }
        drop(reports);
        self.reported.notify_one();
    }
}

fn bytes_of(op: &DiskOp) -> usize {
    match op {
        DiskOp::Append { raw, .. } => raw.len(),
        DiskOp::InstallSnapshot { body, .. } | DiskOp::SaveSnapshot { body, .. } => body.len(),
        // A few lines; the members do not change often.
        DiskOp::AcceptedEpoch(_)
        | DiskOp::CurrentEpoch(_)
        | DiskOp::Config(_)
        | DiskOp::Initialize
        | DiskOp::ReadLog { .. }
        | DiskOp::Truncate { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::Zxid;

    use super::*;

    fn append(n: u64) -> (DiskSeq, DiskOp) {
        (
            DiskSeq(n),
            DiskOp::Append {
                zxid: Zxid::from_u64(n),
                raw: Bytes::from_static(b"txn"),
            },
        )
    }

    #[tokio::test]
    async fn work_comes_out_whole_and_reports_merge() {
        let queue = DiskQueue::default();
        for n in 1..=3 {
            let (seq, op) = append(n);
            queue.push(seq, op);
        }
        queue.close();
        assert_eq!(queue.take().map(|ops| ops.len()), Some(3));
        assert!(queue.take().is_none());
        queue.leave(DiskReport::Done(DiskSeq(1)));
        queue.leave(DiskReport::Done(DiskSeq(3)));
        assert!(matches!(queue.report().await, DiskReport::Done(DiskSeq(3))));
    }

    #[test]
    fn a_long_backlog_holds_clients_back() {
        let queue = DiskQueue::default();
        assert!(queue.has_room());
        for n in 0..BACKLOG_OPS as u64 {
            let (seq, op) = append(n);
            queue.push(seq, op);
        }
        assert!(!queue.has_room());
        assert_eq!(queue.take().map(|ops| ops.len()), Some(BACKLOG_OPS));
        assert!(queue.has_room());
    }
}
