//! `quorate status`: asks a running server's admin port.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use thiserror::Error;

/// A server that is there answers within this.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest answer that is taken, bytes.
const ANSWER_LEN_MAX: u64 = 1024 * 1024;

/// No status to be had.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The address is not understood.
    #[error("{0:?} is no admin address; write for example http://127.0.0.1:8080")]
    Address(String),
    /// No connection or no answer.
    #[error("{address}: {source}; is the server running, and is this its admin port?")]
    Io {
        /// Where.
        address: String,
        /// As the system says it.
        source: std::io::Error,
    },
    /// An answer that is no status.
    #[error("{address}: unexpected answer: {answer}")]
    Answer {
        /// Where.
        address: String,
        /// The beginning of it.
        answer: String,
    },
}

/// Prints the status as indented JSON.
///
/// # Errors
/// No status to be had.
pub fn print(admin: &str) -> Result<(), StatusError> {
    let page = fetch(admin)?;
    println!("{page:#}");
    Ok(())
}

/// Asks for `/v1/status`.
///
/// # Errors
/// No status to be had.
pub fn fetch(admin: &str) -> Result<serde_json::Value, StatusError> {
    let address = admin
        .strip_prefix("http://")
        .unwrap_or(admin)
        .trim_end_matches('/');
    let address = if address.starts_with("localhost:") {
        address.replacen("localhost", "127.0.0.1", 1)
    } else {
        address.to_owned()
    };
    // Addresses only: a static binary cannot use the C library's resolver.
    let socket: std::net::SocketAddr = address
        .parse()
        .map_err(|_| StatusError::Address(admin.to_owned()))?;
    let failed = |source| StatusError::Io {
        address: address.clone(),
        source,
    };
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&socket, ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        let host = &address;
        write!(
            stream,
            "GET /v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    let answer = ask().map_err(failed)?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body)
        .unwrap_or_default();
    serde_json::from_str(body).map_err(|_| StatusError::Answer {
        address: address.clone(),
        answer: answer.chars().take(200).collect(),
    })
}
