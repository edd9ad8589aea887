//! `POST /v1/leader/transfer`: passes on the lead.
//!
//! Query: `target`, a server id; `deadlineMs`, after which the leader keeps the lead. Whoever asks is
//! on this machine, or may do everything at the root (as for `snapshot`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use zk_wire::Sid;

use super::commands;
use crate::monitor::Monitor;
use crate::transfer;

/// Deadline when none is asked for, ms.
const DEADLINE_MS: u64 = 2_000;

/// Longest deadline: clients are held meanwhile.
const DEADLINE_MAX_MS: u64 = 10_000;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    target: Option<i64>,
    deadline_ms: Option<u64>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// Who leads now; `None`: as before.
    leader: Option<i64>,
    /// Why not.
    error: Option<String>,
}

/// Handles the request.
pub(super) async fn post(
    State(monitor): State<Arc<Monitor>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if !from.ip().to_canonical().is_loopback()
        && let Err((status, why)) = commands::authorize(&monitor, &headers).await
    {
        return (status, why).into_response();
    }
    let deadline_ms = asked
        .deadline_ms
        .unwrap_or(DEADLINE_MS)
        .min(DEADLINE_MAX_MS);
    let patience = Duration::from_millis(deadline_ms);
    let outcome = transfer::pass_on(&monitor, asked.target.map(Sid), patience).await;
    let status = if outcome.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::CONFLICT
    };
    let outcome = Outcome {
        leader: outcome.as_ref().ok().map(|sid| sid.0),
        error: outcome.err(),
    };
    (status, Json(outcome)).into_response()
}
