//! The status page of this project's server: `GET /v1/status` on the admin port.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::wait_for;
use crate::plain_http;

/// How long the page may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// What of the status the tests look at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its id.
    pub server_id: i64,
    /// leader, follower, observer, looking or standalone.
    pub role: String,
    /// Its current epoch.
    pub epoch: u32,
    /// Whether clients are served.
    pub serving: bool,
    /// The last transaction in the tree.
    pub zxid_applied: String,
    /// Digest of the tree as of that transaction.
    pub digest: String,
    /// The members, as it knows them.
    pub config: Config,
}

/// The members that a server runs with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Ids of the voters, in order.
    pub voters: Vec<i64>,
}

/// Tells the server to pass on the lead, to `target` or to whom it likes, and returns its answer.
///
/// # Errors
/// When the server does not listen.
pub fn transfer(address: SocketAddr, target: Option<u8>) -> Result<String> {
    let query = target.map_or_else(String::new, |id| format!("?target={id}"));
    let head = format!(
        "POST /v1/leader/transfer{query} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    );
    plain_http::answer(address, &head, LIMIT, ANSWER_LEN_MAX)
}

/// Tells `leader` to pass on the lead to `successor` until that one leads and serves. Who has just followed a
/// new leader is not level yet and refuses, and a busy leader may not hear in time that it was done.
///
/// # Errors
/// When it does not within `limit`.
pub fn pass_on(leader: SocketAddr, id: u8, successor: SocketAddr, limit: Duration) -> Result<()> {
    wait_for("the lead to be passed on", limit, || {
        let answer = transfer(leader, Some(id)).map_err(|e| e.to_string())?;
        let status = status(successor).map_err(|e| e.to_string())?;
        if status.role == "leader" && status.serving {
            return Ok(());
        }
        Err(format!("server {id} is {}: {answer}", status.role))
    })
}

/// Fetches the status.
///
/// # Errors
/// When the server does not listen, or answers something else.
pub fn status(address: SocketAddr) -> Result<Status> {
    let request = "GET /v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let body = plain_http::body(address, request, LIMIT, ANSWER_LEN_MAX)?;
    serde_json::from_str(&body).with_context(|| format!("not a status: {body}"))
}
