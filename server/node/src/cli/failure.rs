//! Why a command failed, in the words of zkCli (`org.apache.zookeeper.cli.CliWrapperException`).

use serde_json::{Value, json};

use super::client::{ClientError, keeper_message};

/// Exit code of a command that failed.
const FAILED: u8 = 1;

/// Exit code when there is no such command, as in shells.
const NOT_FOUND: u8 = 127;

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    code: Option<i32>,
    exit_code: u8,
}

impl Failure {
    /// Because of what was typed.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: None,
            exit_code: FAILED,
        }
    }

    /// Because there is no command of this name.
    #[must_use]
    pub fn not_found(name: &str) -> Self {
        Self {
            exit_code: NOT_FOUND,
            ..Self::new(format!("Command not found: {name}"))
        }
    }

    /// The exit code of the process when this was the last command.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Because of something that was printed already.
    pub fn told() -> Self {
        Self::new("")
    }

    /// Because of the server or the connection.
    #[must_use]
    pub fn of(error: &ClientError, path: Option<&str>) -> Self {
        let Some(code) = error.code() else {
            return Self::new(error.to_string());
        };
        let at = path.unwrap_or("null");
        let message = match code {
            -101 => format!("Node does not exist: {at}"),
            -108 => format!("Ephemerals cannot have children: {at}"),
            -110 => format!("Node already exists: {at}"),
            -111 => format!("Node not empty: {at}"),
            -119 => format!("Not a read-only call: {at}"),
            -114 => format!("Acl is not valid : {at}"),
            -102 => format!("Insufficient permission : {at}"),
            -8 => format!("Arguments are not valid : {at}"),
            -103 => format!("version No is not valid : {at}"),
            -14 => "Another reconfiguration is in progress -- concurrent reconfigs not supported \
                    (yet)"
                .to_owned(),
            -13 => "No quorum of new config is connected and up-to-date with the leader of last \
                    commmitted config - try invoking reconfiguration after new servers are \
                    connected and synced"
                .to_owned(),
            -125 => format!("Quota has exceeded : {at}"),
            code => keeper_message(code, path),
        };
        Self {
            message,
            code: Some(code),
            exit_code: FAILED,
        }
    }

    /// For people; empty when they were told already.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For programs: `code` is the server's number or null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }
}

/// Puts the path of a command into the failure of its request.
pub trait AtPath<T> {
    /// The failure of a request about `path`.
    ///
    /// # Errors
    /// The same outcome in the words of zkCli.
    fn at(self, path: &str) -> Result<T, Failure>;
}

impl<T> AtPath<T> for Result<T, ClientError> {
    fn at(self, path: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::of(&e, Some(path)))
    }
}
