//! `/commands/*` of the admin port: names, dispatch and the frame around every answer.
//!
//! Source: `JettyAdminServer`, `Commands`, `JsonOutputter` of Apache ZooKeeper 3.9. Errors of a
//! command are answered with status 200 and a text in `error`, as there.

mod connections;
mod lists;
mod members;
mod server;
mod snapshot;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Router, routing};

use super::json::Json;
use crate::client_port::NOT_SERVING;
use crate::monitor::Monitor;

use snapshot::Limiter;
pub(super) use snapshot::{Refusal, authorize, identities, require_super};

/// Name and other names of each command.
const COMMANDS: [(&str, &[&str]); 28] = [
    ("configuration", &["conf", "config"]),
    ("connection_stat_reset", &["crst"]),
    ("connections", &["cons"]),
    ("dirs", &[]),
    ("dump", &[]),
    ("environment", &["env", "envi"]),
    ("get_trace_mask", &["gtmk"]),
    ("hash", &[]),
    ("initial_configuration", &["icfg"]),
    ("is_read_only", &["isro"]),
    ("last_snapshot", &["lsnp"]),
    ("leader", &["lead"]),
    ("monitor", &["mntr"]),
    ("observer_connection_stat_reset", &["orst"]),
    ("observers", &["obsr"]),
    ("restore", &["rest"]),
    ("ruok", &[]),
    ("server_stats", &["srvr"]),
    ("set_trace_mask", &["stmk"]),
    ("snapshot", &["snap"]),
    ("stat_reset", &["srst"]),
    ("stats", &["stat"]),
    ("system_properties", &["sysp"]),
    ("voting_view", &[]),
    ("watch_summary", &["wchs"]),
    ("watches", &["wchc"]),
    ("watches_by_path", &["wchp"]),
    ("zabstate", &[]),
];

/// Commands that do not need a server that serves.
const ALWAYS: [&str; 6] = [
    "environment",
    "get_trace_mask",
    "monitor",
    "set_trace_mask",
    "system_properties",
    "zabstate",
];

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    monitor: Arc<Monitor>,
    limiter: Arc<Limiter>,
}

/// The routes below `admin.commandURL`.
pub(super) fn routes(monitor: &Arc<Monitor>, url: &str) -> Router {
    let shared = Shared {
        monitor: monitor.clone(),
        limiter: Arc::default(),
    };
    let list = url.to_owned();
    let index = move || std::future::ready(index(&list));
    Router::new()
        .route(url, routing::get(index.clone()))
        .route(&format!("{url}/"), routing::get(index))
        .route(
            &format!("{url}/{{command}}"),
            routing::get(command).post(posted),
        )
        .with_state(shared)
}

fn index(url: &str) -> Html<String> {
    let line =
        |(name, _): &(&str, &[&str])| format!("<a href=\"{url}/{name}\">{name}</a>\n<br/>\n");
    Html(COMMANDS.iter().map(line).collect())
}

fn primary(name: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|(primary, others)| *primary == name || others.contains(&name))
        .map(|(primary, _)| *primary)
}

/// The members of an answer; `error` comes last, after `command`, unless the command set it.
pub(super) type Members = Vec<(String, Json)>;

fn answer(status: StatusCode, mut members: Members, name: &str, error: Option<&str>) -> Response {
    let is_set = members.iter().any(|(key, _)| key == "error");
    members.push(("command".into(), Json::text(name)));
    if !is_set {
        members.push(("error".into(), error.map_or(Json::Null, Json::text)));
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, Json::Object(members).print()).into_response()
}

fn refused(name: &str, error: &str) -> Response {
    answer(StatusCode::OK, Vec::new(), name, Some(error))
}

async fn command(
    State(shared): State<Shared>,
    Path(asked): Path<String>,
    Query(arguments): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(name) = primary(&asked) else {
        return refused(&asked, &format!("Unknown command: {asked}"));
    };
    let monitor = &shared.monitor;
    let published = monitor.published();
    let serving = published.status.serving || published.status.read_only;
    if !ALWAYS.contains(&name) && !serving {
        return refused(&asked, NOT_SERVING);
    }
    match name {
        "snapshot" => snapshot::take(monitor, &shared.limiter, &headers, &arguments).await,
        "restore" => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => match members(monitor, name, &arguments).await {
            Some(members) => answer(StatusCode::OK, members, name, None),
            None => refused(name, NOT_SERVING),
        },
    }
}

/// Only a restore is posted; other commands only read.
async fn posted(
    State(shared): State<Shared>,
    Path(asked): Path<String>,
    headers: HeaderMap,
) -> Response {
    match primary(&asked) {
        Some("restore") => snapshot::restore(&shared.monitor, &headers).await,
        Some(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        None => refused(&asked, &format!("Unknown command: {asked}")),
    }
}

/// What a command says; `None` when the core does not answer any more.
async fn members(
    monitor: &Monitor,
    name: &str,
    arguments: &HashMap<String, String>,
) -> Option<Members> {
    Some(match name {
        "configuration" => server::configuration(monitor),
        "connection_stat_reset" => {
            monitor.reset_connections();
            Members::new()
        }
        "connections" => connections::all(monitor),
        "dirs" => server::dirs(monitor).await,
        "dump" => lists::dump(monitor).await?,
        "environment" => server::environment(),
        "get_trace_mask" => server::trace_mask(monitor),
        "hash" => lists::digests(monitor).await?,
        "initial_configuration" => server::initial_configuration(monitor),
        "is_read_only" => {
            let read_only = monitor.published().status.read_only;
            vec![("read_only".into(), Json::Bool(read_only))]
        }
        "last_snapshot" => server::last_snapshot(monitor),
        "leader" => members::leader(monitor),
        "monitor" => server::metrics(monitor),
        "observers" => members::observers(monitor),
        "server_stats" => server::stats(monitor).await,
        "set_trace_mask" => server::set_trace_mask(monitor, arguments),
        "stat_reset" => {
            monitor.reset_server();
            Members::new()
        }
        "stats" => {
            let mut members = server::stats(monitor).await;
            members.extend(connections::brief(monitor));
            members
        }
        "system_properties" => server::system_properties(monitor),
        "voting_view" => members::voting_view(monitor),
        "watch_summary" => lists::watch_summary(monitor).await?,
        "watches" => lists::watches(monitor).await?,
        "watches_by_path" => lists::watches_by_path(monitor).await?,
        "zabstate" => members::zab_state(monitor),
        // `ruok` and `observer_connection_stat_reset` say nothing more.
        _ => Members::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_known_by_all_their_names() {
        assert!(COMMANDS.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(primary("mntr"), Some("monitor"));
        assert_eq!(primary("env"), Some("environment"));
        assert_eq!(primary("nosuch"), None);
        assert!(
            index("/commands")
                .0
                .starts_with("<a href=\"/commands/configuration\">configuration</a>\n<br/>\n")
        );
    }
}
