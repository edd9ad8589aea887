//! Keeps what a member must not forget: transaction log, snapshots, epochs, identity. Decides
//! nothing.
//!
//! # Directory
//! ```text
//! <data>/quorate.identity                   whose directory this is
//! <data>/version-2/snapshot.<hex zxid>      whole trees
//! <data>/version-2/acceptedEpoch, currentEpoch
//! <log>/version-2/log.<hex zxid>            transactions
//! <data>/version-2/quorate*                 steps that a crash may interrupt, see `install`
//! ```
//! Layouts are those of Apache ZooKeeper 3.9, which can go on with the same directory.
//!
//! # Durability
//! - [`Storage::append`] promises nothing; after [`Storage::flush`] everything appended is durable,
//!   its file's name included.
//! - Epochs, installed snapshots and truncations are durable when their call returns. A crash in the
//!   middle leaves what was before or what was asked for.
//! - A failed write or fsync ends the use of a [`Storage`]: what the disk holds is unknown, and a
//!   second fsync that succeeds proves nothing.
//!
//! # Recovery
//! [`Storage::recover`] folds the newest snapshot that is whole and the log behind it into a
//! [`RecoverySink`]. Readers never repair. Only when everything was read without doubt, the torn end
//! of the log is cut off; doubt is an error, and then nothing was changed.
//!
//! What is left out: compressed snapshots are read, not written.

mod config;
mod durable;
mod epochs;
mod error;
mod files;
mod fs;
mod identity;
pub mod inspect;
mod install;
mod job;
mod recovery;
mod retention;
mod snapshot;
mod storage;
mod truncate;
mod txnlog;

pub use config::{DIFF_FACTOR, StorageConfig};
pub use error::StorageError;
pub use fs::{Fs, FsFile, StdFs};
pub use job::{SnapshotJob, SnapshotOutcome};
pub use recovery::Recovered;
pub use snapshot::writer::file as snapshot_file;
pub use storage::{Storage, TxnIter};
pub use truncate::TruncOutcome;
pub use txnlog::recover::TornTail;
pub use zk_wire::recovery::RecoverySink;

#[cfg(test)]
mod tests;
