//! Who may change what an ensemble is: someone on the same machine, or super.

use std::net::SocketAddr;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::commands;
use crate::monitor::Monitor;

/// Why something was not done.
#[derive(Debug, Serialize)]
struct Failure {
    error: String,
}

/// An answer that says why something was not done.
pub(super) fn failure(status: StatusCode, error: impl Into<String>) -> Response {
    let error = error.into();
    (status, Json(Failure { error })).into_response()
}

/// Checks who asks; the answer for one who may not: 401 without a good header, 403 for one who is not
/// super.
pub(super) fn check(
    monitor: &Monitor,
    from: SocketAddr,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    if from.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    commands::require_super(monitor, headers)
        .map_err(|(status, why)| Box::new(failure(status, why)))
}
