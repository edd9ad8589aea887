//! What waits to be written; bounded, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::AuditLines;
use super::line::Entry;

/// Entries that may wait.
const ENTRIES_MAX: usize = 20_000;

/// Bytes of requests in them.
const BYTES_MAX: usize = 16 << 20;

/// An entry and when it was, ms since 1970.
pub(super) type Timed = (i64, Entry);

/// Between whoever has something to tell and the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    lines: Arc<AuditLines>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Timed>,
    bytes: usize,
    closed: bool,
    /// Lost since it was told.
    lost: u64,
}

/// What there is to write.
pub(super) struct Batch {
    pub(super) entries: VecDeque<Timed>,
    /// Entries that were lost meanwhile.
    pub(super) lost: u64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry, or loses it.
    pub(super) fn put(&self, at_ms: i64, entry: Entry) {
        let len = entry.len();
        let mut state = self.lock();
        let is_full = state.waiting.len() >= ENTRIES_MAX || state.bytes + len > BYTES_MAX;
        if is_full || state.closed {
            state.lost += 1;
            drop(state);
            self.lines.lost.inc();
            return;
        }
        state.bytes += len;
        state.waiting.push_back((at_ms, entry));
        drop(state);
        self.filled.notify_one();
    }

    /// Waits for something to write; `None`: nothing will come any more.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.is_empty() && state.lost == 0 {
            return None;
        }
        state.bytes = 0;
        Some(Batch {
            entries: std::mem::take(&mut state.waiting),
            lost: std::mem::take(&mut state.lost),
        })
    }

    /// So many lines could not be written; they are to be told with the next batch.
    pub(super) fn failed(&self, lines: u64) {
        self.lines.lost.add(lines);
        let mut state = self.lock();
        // At the end there is nobody left to be told.
        if !state.closed {
            state.lost += lines;
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    pub(super) fn lines(&self) -> &Arc<AuditLines> {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Outcome;

    fn entry() -> Entry {
        Entry::Server {
            operation: "serverStart",
            outcome: Outcome::Success,
        }
    }

    #[test]
    fn what_does_not_fit_is_lost_and_told() {
        let queue = Queue::default();
        for at in 0..=ENTRIES_MAX {
            queue.put(i64::try_from(at).unwrap(), entry());
        }
        assert_eq!(queue.lines().lost.value(), 1);
        let batch = queue.take().unwrap();
        assert_eq!((batch.entries.len(), batch.lost), (ENTRIES_MAX, 1));
        queue.put(0, entry());
        queue.close();
        queue.put(0, entry());
        let batch = queue.take().unwrap();
        assert_eq!((batch.entries.len(), batch.lost), (1, 1));
        assert!(queue.take().is_none());
        assert_eq!(queue.lines().lost.value(), 2);
    }
}
