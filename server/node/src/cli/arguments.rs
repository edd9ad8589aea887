//! The command line of `quorate cli`: options with one dash or two, then maybe one command
//! (`ZooKeeperMain.MyCommandOptions.parseOptions`).

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::client::TlsFiles;

/// Wanted time-out of the session when none is given, ms; zkCli's.
const TIMEOUT_MS_DEFAULT: u64 = 30_000;

/// Where to connect when nothing says so.
const SERVER_DEFAULT: &str = "localhost:2181";

/// Names the servers when `-server` is not given.
pub const SERVER_VARIABLE: &str = "QUORATE_SERVER";

/// What `quorate cli --help` prints.
pub const HELP: &str = "\
A client for the command line: the commands of zkCli, typed one by one or given with the call.

Usage: quorate cli [OPTIONS] [COMMAND [ARGS]..]

Options, with one dash or two:
  -server HOST:PORT[,HOST:PORT..][/CHROOT]
                       Servers to connect to [env: QUORATE_SERVER] [default: localhost:2181]
  -timeout MS          Wanted time-out of the session [default: 30000]
  -r                   Connect to a server that only reads, too
  -waitforconnection   Wait for the connection before the first command; fail without one
  --json               Print one JSON object for each command and each event
  --tls-ca FILE        Talk TLS with servers whose certificate comes from here (PEM)
  --tls-cert FILE      Present this certificate (PEM), with
  --tls-key FILE       this key
  -h, --help           Print this

`quorate cli help` lists the commands.";

/// A command line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgumentError {
    /// An option that there is not.
    #[error("unknown option {0}; quorate cli --help lists them")]
    Unknown(String),
    /// The value is not there.
    #[error("Error: no argument found for option {0}")]
    Missing(String),
    /// A time-out that is no number.
    #[error("-timeout {0:?} is no number of milliseconds")]
    Timeout(String),
}

/// A command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The connect string.
    pub server: String,
    /// Wanted time-out of the session.
    pub timeout: Duration,
    /// Whether a server that only reads will do.
    pub read_only: bool,
    /// Whether the first command waits for the connection, and nothing is done without one.
    pub wait: bool,
    /// Whether to print for programs.
    pub json: bool,
    /// Print how to use it, and nothing else.
    pub help: bool,
    /// For TLS.
    pub tls: TlsFiles,
    /// The command; empty to read commands from standard input.
    pub command: Vec<String>,
}

impl Arguments {
    /// Reads the words behind `quorate cli`; `server` is the content of [`SERVER_VARIABLE`].
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn parse(words: Vec<String>, server: Option<String>) -> Result<Self, ArgumentError> {
        let mut arguments = Self {
            server: server.unwrap_or_else(|| SERVER_DEFAULT.to_owned()),
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
            read_only: false,
            wait: false,
            json: false,
            help: false,
            tls: TlsFiles::default(),
            command: Vec::new(),
        };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next_if(|word| word.starts_with('-')) {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || {
                let value = attached.clone().or_else(|| words.next());
                value.ok_or_else(|| ArgumentError::Missing(name.clone()))
            };
            match name.trim_start_matches('-') {
                "server" => arguments.server = value()?,
                "timeout" => {
                    let text = value()?;
                    let ms = text.parse().map_err(|_| ArgumentError::Timeout(text))?;
                    arguments.timeout = Duration::from_millis(ms);
                }
                "r" => arguments.read_only = true,
                "waitforconnection" => arguments.wait = true,
                "json" => arguments.json = true,
                "tls-ca" => arguments.tls.ca = Some(PathBuf::from(value()?)),
                "tls-cert" => arguments.tls.cert = Some(PathBuf::from(value()?)),
                "tls-key" => arguments.tls.key = Some(PathBuf::from(value()?)),
                "h" | "help" => arguments.help = true,
                _ => return Err(ArgumentError::Unknown(name)),
            }
        }
        arguments.command = words.collect();
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentError> {
        let words = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(words, None)
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let parsed = parse("-server a:1 --timeout=50 -r --json ls -R /").unwrap();
        assert_eq!(parsed.server, "a:1");
        assert_eq!(parsed.timeout, Duration::from_millis(50));
        assert!(parsed.read_only && parsed.json && !parsed.wait);
        assert_eq!(parsed.command, ["ls", "-R", "/"]);
        assert_eq!(parse("").unwrap().server, "localhost:2181");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(parse("-server"), Err(ArgumentError::Missing(_))));
        assert!(matches!(parse("-x ls"), Err(ArgumentError::Unknown(_))));
        assert!(matches!(
            parse("-timeout x"),
            Err(ArgumentError::Timeout(_))
        ));
    }
}
