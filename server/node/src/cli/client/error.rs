//! Why a call of the client did not succeed.

use std::path::PathBuf;

use thiserror::Error;
use zk_wire::DecodeError;
use zk_wire::client::ErrorCode;

/// Error numbers that only the client side uses (`KeeperException.Code`).
pub mod code {
    /// The connection went before the reply came; whether a write was done is unknown.
    pub const CONNECTION_LOSS: i32 = -4;
    /// No reply in time.
    pub const OPERATION_TIMEOUT: i32 = -7;
}

/// A call that failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server's answer, or one of [`code`].
    #[error("{}", keeper_message(*.0, None))]
    Code(i32),
    /// A path that must not be sent.
    #[error("{0}")]
    Path(String),
    /// The session is over: closed, expired or refused.
    #[error("Not connected")]
    Closed,
    /// Bytes that are no reply.
    #[error("the server sent something that is no reply: {0}")]
    Reply(#[from] DecodeError),
    /// A connect string that names no servers.
    #[error("{text:?} is no list of servers: {why}; write for example 127.0.0.1:2181")]
    Address {
        /// As given.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A certificate or key that cannot be used.
    #[error("{}: {why}", file.display())]
    Tls {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl ClientError {
    /// The error number, when the server or the connection gave one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Path(_)
            | Self::Closed
            | Self::Reply(_)
            | Self::Address { .. }
            | Self::Tls { .. } => None,
        }
    }

    /// Whether it is this answer of the server.
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code.to_wire())
    }
}

/// The text of an error number, as Apache's exceptions have it.
#[must_use]
pub fn keeper_message(code: i32, path: Option<&str>) -> String {
    let name = match code {
        0 => "ok",
        -1 => "SystemError",
        -2 => "RuntimeInconsistency",
        -3 => "DataInconsistency",
        code::CONNECTION_LOSS => "ConnectionLoss",
        -5 => "MarshallingError",
        -6 => "Unimplemented",
        code::OPERATION_TIMEOUT => "OperationTimeout",
        -8 => "BadArguments",
        -13 => "NewConfigNoQuorum",
        -14 => "ReconfigInProgress",
        -100 => "APIError",
        -101 => "NoNode",
        -102 => "NoAuth",
        -103 => "BadVersion",
        -108 => "NoChildrenForEphemerals",
        -110 => "NodeExists",
        -111 => "Directory not empty",
        -112 => "Session expired",
        -113 => "Invalid callback",
        -114 => "InvalidACL",
        -115 => "AuthFailed",
        -118 => "Session moved",
        -119 => "Not a read-only call",
        -120 => "Ephemeral node on local session",
        -121 => "No such watcher",
        -122 => "Unknown error REQUESTTIMEOUT",
        -123 => "Reconfig is disabled",
        -124 => "Session closed because client failed to authenticate",
        -125 => "Quota has exceeded",
        -127 => "Op throttled due to high load",
        _ => return format!("Unknown error {code}"),
    };
    match path {
        Some(path) => format!("KeeperErrorCode = {name} for {path}"),
        None => format!("KeeperErrorCode = {name}"),
    }
}
