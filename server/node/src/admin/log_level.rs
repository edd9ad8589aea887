//! `/v1/log/level`: what the log has, and other levels for a while.
//!
//! What is asked for here ends by itself, and with the process: `quorate.log.level` is for what is to stay.
//! Whoever asks is on this machine, or super.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use quorate_telemetry::{BadLevels, Levels};
use serde::{Deserialize, Serialize};

use super::privileged::{self, failure};
use crate::monitor::Monitor;

/// How long levels stay that are asked for without a time, s.
const SECONDS: u64 = 600;

/// The longest time, s.
const SECONDS_MAX: u64 = 86_400;

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    level: Option<String>,
    seconds: Option<u64>,
}

/// The levels in force.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    level: String,
    /// start, settings or request.
    source: &'static str,
    /// How long they stay; `None`: until there are others.
    seconds_left: Option<u64>,
}

/// Tells.
pub(super) async fn get(State(monitor): State<Arc<Monitor>>) -> Response {
    page(&monitor)
}

fn page(monitor: &Monitor) -> Response {
    let in_force = monitor.tellers.log.in_force();
    let page = Page {
        level: in_force.levels,
        source: in_force.source.name(),
        seconds_left: in_force.left.map(|left| left.as_secs()),
    };
    (StatusCode::OK, Json(page)).into_response()
}

/// Changes; without a level, what was asked for before ends.
pub(super) async fn post(
    State(monitor): State<Arc<Monitor>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = privileged::check(&monitor, from, &headers) {
        return *refusal;
    }
    let seconds = asked.seconds.unwrap_or(SECONDS);
    if !(1..=SECONDS_MAX).contains(&seconds) {
        let why = format!("seconds: {seconds} is not from 1 to {SECONDS_MAX}");
        return failure(StatusCode::BAD_REQUEST, why);
    }
    let Some(text) = asked.level else {
        monitor.tellers.log.end_all();
        return page(&monitor);
    };
    let levels: Levels = match text.parse() {
        Ok(levels) => levels,
        Err(e) => {
            let e: BadLevels = e;
            return failure(StatusCode::BAD_REQUEST, format!("level: {e}"));
        }
    };
    let time = Duration::from_secs(seconds);
    let number = monitor.tellers.log.ask(levels, time);
    let log = monitor.tellers.log.clone();
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        log.end(number);
    });
    page(&monitor)
}
