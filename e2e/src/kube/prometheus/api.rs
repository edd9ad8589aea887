//! The HTTP API of Prometheus.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use url::form_urlencoded;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 16 << 20;

/// Fetches a page.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<String> {
    exchange(address, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// Sends an expression, to be evaluated now.
pub(super) fn query(address: SocketAddr, expression: &str) -> Result<String> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", expression)
        .finish();
    let head = format!(
        "POST /api/v1/query HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(address, &format!("{head}{body}")).with_context(|| expression.to_owned())
}

/// The body of the answer to a request of HTTP/1.0: the connection ends with it.
fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        bail!("Prometheus answered {first:?}: {body}");
    }
    Ok(body.to_owned())
}
