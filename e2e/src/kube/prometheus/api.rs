//! The HTTP API of Prometheus.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use url::form_urlencoded;

use crate::plain_http;

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

fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    plain_http::body(address, request, LIMIT, ANSWER_LEN_MAX)
}
