//! `quorate inspect`: prints and checks what lies on the disk, of our servers and of Apache's
//! (`TxnLogToolkit`, `SnapshotFormatter`, `SnapshotRecursiveSummary`, `SnapshotComparer`).
//!
//! Nothing that is there is ever changed; what is mended or chopped goes to a new file. Files are
//! read piece by piece. Damage is named with file, offset and remedy, and makes the exit code 1.

mod compare;
mod data_dir;
mod log;
mod print;
mod progress;
mod rewrite;
mod snapshot;
mod txn_text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use thiserror::Error;
use zk_storage::StorageError;

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum Inspect {
    /// Print the transactions of a log, and check it
    Log(log::LogArguments),
    /// Print the nodes of a snapshot, and check it
    Snapshot(snapshot::SnapshotArguments),
    /// Compare the subtrees of two snapshots by nodes and bytes
    Compare(compare::CompareArguments),
    /// Check a data directory as a start would, by replaying it
    DataDir(data_dir::DataDirArguments),
}

/// Something is wrong with a file, or it could not be looked at.
#[derive(Debug, Error)]
enum InspectError {
    /// As storage says it.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A file that could not be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Found and printed already.
    #[error("{0}")]
    Damage(String),
}

impl InspectError {
    fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Looks; the exit code is 0 when all is well.
#[must_use]
pub fn run(what: &Inspect) -> ExitCode {
    let outcome = match what {
        Inspect::Log(arguments) => log::run(arguments),
        Inspect::Snapshot(arguments) => snapshot::run(arguments),
        Inspect::Compare(arguments) => compare::run(arguments),
        Inspect::DataDir(arguments) => data_dir::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
