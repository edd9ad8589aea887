//! `POST /v1/form`: whoever manages the ensemble says that this server's empty directory never held
//! anything, so that an ensemble can form although `db.autocreate` is off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zk_core::Input;

use super::privileged::{self, failure};
use crate::monitor::Monitor;

/// How long the word may take to the disk.
const DURABLE_MAX: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    ensemble_id: Option<String>,
    life: Option<String>,
}

/// The answer of a server that has its vote.
#[derive(Debug, Serialize)]
struct Done {
    formed: bool,
}

/// Handles the request.
pub(super) async fn post(
    State(monitor): State<Arc<Monitor>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = privileged::check(&monitor, from, &headers) {
        return *refusal;
    }
    let life = asked.life;
    let Some(asked) = asked.ensemble_id else {
        let why = "which ensemble? add ?ensembleId= with the quorate.ensembleId of zoo.cfg";
        return failure(StatusCode::BAD_REQUEST, why);
    };
    // Whoever means another ensemble knows nothing about this server's directory.
    if let Some(why) = other_ensemble(monitor.settings.ensemble_id.as_deref(), &asked) {
        return failure(StatusCode::CONFLICT, why);
    }
    // The directory that was seen empty may be gone with the process that had it.
    if life.is_some_and(|life| life != monitor.life) {
        let why = "this server has started again since its status was read; read it again";
        return failure(StatusCode::CONFLICT, why);
    }
    let mut outcomes = monitor.formed.subscribe();
    outcomes.mark_unchanged();
    if !monitor.queries.tell(Input::Form).await {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "the server is going down");
    }
    match timeout(DURABLE_MAX, outcomes.changed()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "the server is going down");
        }
        Err(_) => {
            let why =
                "the disk did not answer in time; whether it is written is unknown: ask again";
            return failure(StatusCode::GATEWAY_TIMEOUT, why);
        }
    }
    let outcome = outcomes.borrow().clone();
    match outcome {
        Some(Err(why)) => failure(StatusCode::CONFLICT, why),
        Some(Ok(())) | None => (StatusCode::OK, Json(Done { formed: true })).into_response(),
    }
}

/// Why the server is not of the ensemble that is meant; `None`: it is.
fn other_ensemble(own: Option<&str>, asked: &str) -> Option<String> {
    match own {
        None => Some(format!(
            "this server is of no named ensemble, {asked:?} is asked for; set quorate.ensembleId"
        )),
        Some(own) if own != asked => Some(format!(
            "this server is of ensemble {own:?}, {asked:?} is asked for"
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ensembles_are_named() {
        assert_eq!(other_ensemble(Some("a"), "a"), None);
        let why = other_ensemble(Some("a"), "b").unwrap();
        assert!(why.contains("\"a\"") && why.contains("\"b\""), "{why}");
        assert!(
            other_ensemble(None, "b")
                .unwrap()
                .contains("quorate.ensembleId")
        );
    }
}
