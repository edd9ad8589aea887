//! How long it takes to read the data directory at the start, and what was in it.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use zk_core::RecoveryBuilder;
use zk_wire::Zxid;
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::SnapshotItem;
use zk_wire::txn::Txn;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// What the start tells the metrics.
#[derive(Debug)]
pub struct Told {
    snapshot: Duration,
    log: Duration,
    txns: u64,
    all: Duration,
    /// When the newest snapshot was written; `None`: there is none.
    snapshot_at: Option<SystemTime>,
}

impl Told {
    /// Shows it.
    pub fn show(&self, metrics: &Metrics) {
        let stages = &metrics.stages;
        stages.startup_snapshot.observe_ms(self.snapshot);
        stages.startup_log.observe_ms(self.log);
        stages.startup_txns.observe(self.txns);
        stages.startup.observe_ms(self.all);
        let since_1970 = self
            .snapshot_at
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        metrics
            .snapshot_at
            .set(since_1970.map_or(0, |age| age.as_secs()));
    }
}

/// When the newest snapshot below this data directory was written.
pub(super) fn newest_snapshot_at(data_dir: &Path) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in std::fs::read_dir(data_dir.join("version-2"))? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(b"snapshot.")
        {
            newest = newest.max(Some(entry.metadata()?.modified()?));
        }
    }
    Ok(newest)
}

/// Builds the state, and measures.
#[derive(Debug)]
pub(super) struct Timed {
    clock: Clock,
    pub(super) builder: RecoveryBuilder,
    snapshot_began: Duration,
    snapshot: Duration,
    txns: u64,
}

impl Timed {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            builder: RecoveryBuilder::new(),
            snapshot_began: Duration::ZERO,
            snapshot: Duration::ZERO,
            txns: 0,
        }
    }

    /// What was measured since `began`.
    pub(super) fn tells(&self, began: Duration, snapshot_at: Option<SystemTime>) -> Told {
        let all = self.clock.elapsed().saturating_sub(began);
        Told {
            snapshot: self.snapshot,
            log: all.saturating_sub(self.snapshot),
            txns: self.txns,
            all,
            snapshot_at,
        }
    }
}

impl RecoverySink for Timed {
    fn begin(&mut self, zxid: Zxid) {
        self.snapshot_began = self.clock.elapsed();
        self.builder.begin(zxid);
    }

    fn item(&mut self, item: SnapshotItem) -> Result<(), String> {
        self.builder.item(item)
    }

    fn end_snapshot(&mut self, digest: Option<(Zxid, u64)>) -> Result<(), String> {
        self.builder.end_snapshot(digest)?;
        self.snapshot = self.clock.elapsed().saturating_sub(self.snapshot_began);
        Ok(())
    }

    fn txn(&mut self, txn: Txn, raw: Bytes) -> Result<(), String> {
        self.txns += 1;
        self.builder.txn(txn, raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert!(newest_snapshot_at(dir.path()).is_err());
        let files = dir.path().join("version-2");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("log.1"), "").unwrap();
        assert_eq!(newest_snapshot_at(dir.path()).unwrap(), None);
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        for (name, secs) in [
            ("snapshot.0", 5000),
            ("snapshot.7", 9000),
            ("snapshot.3", 7000),
        ] {
            let file = std::fs::File::create(files.join(name)).unwrap();
            file.set_modified(at(secs)).unwrap();
        }
        assert_eq!(newest_snapshot_at(dir.path()).unwrap(), Some(at(9000)));
    }
}
