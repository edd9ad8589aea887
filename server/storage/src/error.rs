//! What can go wrong between this crate and its directory.

use std::io;
use std::path::{Path, PathBuf};

use zk_wire::Zxid;

/// Why an operation on the data directory failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused; nothing more may be done with this [`crate::Storage`].
    #[error("cannot {op} {}: {source}; {}", path.display(), remedy(source))]
    Io {
        /// On what.
        path: PathBuf,
        /// Doing what.
        op: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A file holds what no server can have written, or lacks what it must hold. Nothing was changed.
    #[error("{} is damaged at offset {offset}: {why}", file.display())]
    Corrupt {
        /// Which.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// In which way.
        why: String,
    },
    /// Something that must be there is not. Nothing was changed.
    #[error("{} is missing: {why}", path.display())]
    Missing {
        /// What.
        path: PathBuf,
        /// Why it is needed, and what to do.
        why: String,
    },
    /// A data file lies in the wrong one of the two directories. Nothing was changed.
    #[error(
        "{} does not belong here: {why}", file.display()
    )]
    Misplaced {
        /// Which.
        file: PathBuf,
        /// Where it should be.
        why: String,
    },
    /// The directory belongs to another ensemble or server. Nothing was changed.
    #[error(
        "{} says that this directory belongs to {what} {found}, but the configuration says \
         {configured}; correct the configuration, or give this server an empty directory",
        file.display()
    )]
    Identity {
        /// The identity file.
        file: PathBuf,
        /// `ensemble` or `server`.
        what: &'static str,
        /// What the file says.
        found: String,
        /// What the configuration says.
        configured: String,
    },
    /// Another process uses the directory. Nothing was changed.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// Which directory.
        path: PathBuf,
    },
    /// An epoch file cannot be right. Nothing was changed.
    #[error("{}: {why}", file.display())]
    Epochs {
        /// Which.
        file: PathBuf,
        /// In which way.
        why: String,
    },
    /// The settings make no sense.
    #[error("storage settings: {0}")]
    Config(String),
    /// The caller appends something that does not follow what is in the log.
    #[error("{zxid} cannot be logged after {last}")]
    OutOfOrder {
        /// What was to be appended.
        zxid: Zxid,
        /// The end of the log.
        last: Zxid,
    },
    /// [`crate::Storage::recover`] must come first.
    #[error("the directory was not recovered yet")]
    NotRecovered,
    /// An earlier write or fsync failed: what the disk holds is unknown until the next start.
    #[error("an earlier write failed; the process must restart")]
    Poisoned,
}

/// What a person can do about an error of the system.
fn remedy(error: &io::Error) -> &'static str {
    let is = |kinds: [io::ErrorKind; 2]| kinds.contains(&error.kind());
    if is([io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        "make room on the disk and start the server again"
    } else if is([
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
    ]) {
        "make the directory writable for this server"
    } else {
        "check the disk, then start the server again or give it another one"
    }
}

impl StorageError {
    /// Whether what the directory holds is bad, rather than the disk or the settings: a leader's
    /// state could replace it ([`crate::Storage::go_on_without`]).
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. } | Self::Missing { .. } | Self::Epochs { .. }
        )
    }

    /// Whether trying with an older file could help: the content is bad, the disk works.
    pub(crate) fn is_content(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, why: impl Into<String>) -> Self {
        Self::Corrupt {
            file: file.to_owned(),
            offset,
            why: why.into(),
        }
    }
}

/// Adds path and operation to an error of the system.
pub(crate) trait IoContext<T> {
    fn on(self, op: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn on(self, op: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io {
            path: path.to_owned(),
            op,
            source,
        })
    }
}
