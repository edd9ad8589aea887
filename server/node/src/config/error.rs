//! What can be wrong with the configuration, always with the place and the remedy.

use std::path::PathBuf;

use thiserror::Error;

/// A configuration that the server does not start with.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file cannot be read or written.
    #[error("{}: {op}: {source}; check the path, its permissions and the disk", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        op: &'static str,
        /// As the system says it.
        source: std::io::Error,
    },
    /// A value that cannot be used.
    #[error("{}:{line}: {key}={value}: {why}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The value as written.
        value: String,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// A value of a `-D` definition that cannot be used.
    #[error("{variable}: -D{name}={value}: {why}")]
    BadFlag {
        /// The environment variable.
        variable: &'static str,
        /// The property as written.
        name: String,
        /// The value as written; hidden when it may be a secret.
        value: String,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// A JAAS file that is no use.
    #[error("{}:{line}: {why}", path.display())]
    Jaas {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// A key that must be there is not.
    #[error("{}: {key} is not set; {remedy}", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// Which.
        key: &'static str,
        /// What to write.
        remedy: &'static str,
    },
    /// Keys that contradict each other.
    #[error("{}: {why}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Which, and what to do.
        why: String,
    },
    /// The file of the members is no use.
    #[error("{source}; copy {} from another member: it is the same on all", path.display())]
    Members {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
    /// The file that `quorate.members.file` names is no use.
    #[error("{}: {why}; remove the file, and the server lines of zoo.cfg count", path.display())]
    MembersFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `--pod-host` is no host.
    #[error(
        "--pod-host {host:?} is neither a host name nor an address; give the DNS name of this pod"
    )]
    PodHost {
        /// The beginning of it.
        host: String,
    },
    /// `myid` is absent, unreadable or another server's.
    #[error("{}: {why}", path.display())]
    MyId {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// The own id has no `server.N` line.
    #[error("{}: no server.{sid} line for the id in {}; {remedy}", path.display(), myid.display())]
    NotAMember {
        /// The file with the server lines.
        path: PathBuf,
        /// The id.
        sid: i64,
        /// Where the id comes from.
        myid: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
}

impl ConfigError {
    /// The exit code that Apache ZooKeeper uses for this.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NotAMember { .. } => 1,
            Self::Members { source, .. } => source.exit_code(),
            Self::Io { .. }
            | Self::BadValue { .. }
            | Self::BadFlag { .. }
            | Self::Jaas { .. }
            | Self::MissingKey { .. }
            | Self::Contradiction { .. }
            | Self::MembersFile { .. }
            | Self::PodHost { .. }
            | Self::MyId { .. } => 2,
        }
    }
}
