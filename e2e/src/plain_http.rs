//! Requests of HTTP/1.0 without TLS, for servers of this machine and its namespaces.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Sends a request, and reads the answer to the end of the connection: at most `len_max` bytes of it.
///
/// # Errors
/// When nobody listens, or nothing comes for `limit`.
pub fn answer(address: SocketAddr, request: &str, limit: Duration, len_max: u64) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(len_max).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// As [`answer`], the body of one that says 200.
///
/// # Errors
/// As there, and when it says something else.
pub fn body(address: SocketAddr, request: &str, limit: Duration, len_max: u64) -> Result<String> {
    let text = answer(address, request, limit, len_max)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        bail!("the answer is {first:?}: {body}");
    }
    Ok(body.to_owned())
}
