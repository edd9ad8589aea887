//! Settings of a data directory.

use std::path::PathBuf;

use zk_wire::Sid;

/// Apache's default of `snapshotSizeFactor`.
pub const DIFF_FACTOR: f64 = 0.33;

/// Where to keep what, and for whom.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// `dataDir`: snapshots, epochs, identity.
    pub data_dir: PathBuf,
    /// `dataLogDir`: the transaction log; may be the same.
    pub log_dir: PathBuf,
    /// Log files grow by this many bytes at a time; 0 turns preallocation off.
    pub prealloc_bytes: u64,
    /// How many snapshots a purge keeps, at least 1.
    pub snap_retain: usize,
    /// The ensemble that the directory must belong to; `None` skips the check.
    pub ensemble_id: Option<String>,
    /// The server that the directory must belong to; `None` skips the check.
    pub server_id: Option<Sid>,
    /// Create missing directories (`zookeeper.datadir.autocreate`).
    pub autocreate: bool,
    /// A learner gets what the log has rather than a snapshot, as long as that is at most this part
    /// of the newest snapshot's size (`zookeeper.snapshotSizeFactor`); `None`: always a snapshot.
    pub diff_factor: Option<f64>,
    /// Trust an empty directory without the file `initialize` (`zookeeper.db.autocreate`).
    pub db_autocreate: bool,
}

impl StorageConfig {
    /// Apache's defaults, everything in one directory.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            log_dir: data_dir.clone(),
            data_dir,
            prealloc_bytes: 64 << 20,
            snap_retain: 3,
            ensemble_id: None,
            server_id: None,
            autocreate: true,
            diff_factor: Some(DIFF_FACTOR),
            db_autocreate: true,
        }
    }
}
