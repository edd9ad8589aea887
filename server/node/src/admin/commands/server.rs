//! The commands about this server alone.
//!
//! Source: `Commands` and its inner classes, `ServerStats`, `ZooKeeperServerConf` of Apache
//! ZooKeeper 3.9.

use std::collections::{BTreeMap, HashMap};

use zk_wire::election::ServerState;

use super::Members;
use crate::admin::json::Json;
use crate::client_port::{self, directory_sizes};
use crate::config::Mode;
use crate::metrics::{self, Sizes};
use crate::monitor::Monitor;

/// The settings.
pub(super) fn configuration(monitor: &Monitor) -> Members {
    let s = &monitor.settings;
    let port = i64::from(client_port::conf_port(s.client.as_ref()));
    let server_id = match &s.mode {
        Mode::Standalone => 0,
        Mode::Ensemble { sid, .. } => sid.0,
    };
    let directory =
        |path: &std::path::Path| Json::text(path.join("version-2").display().to_string());
    let per_ip = monitor
        .in_force()
        .settings
        .connections_per_ip_max
        .unwrap_or(0) as u64;
    vec![
        ("client_port".into(), Json::Int(port)),
        ("data_dir".into(), directory(&s.data_dir)),
        ("data_log_dir".into(), directory(&s.data_log_dir)),
        ("tick_time".into(), Json::count(s.tick_ms)),
        ("max_client_cnxns".into(), Json::count(per_ip)),
        (
            "min_session_timeout".into(),
            Json::Int(i64::from(s.sessions.timeout_min_ms)),
        ),
        (
            "max_session_timeout".into(),
            Json::Int(i64::from(s.sessions.timeout_max_ms)),
        ),
        ("server_id".into(), Json::Int(server_id)),
        (
            "client_port_listen_backlog".into(),
            Json::Number(s.client_backlog_text()),
        ),
    ]
}

/// Bytes in the two directories.
pub(super) async fn dirs(monitor: &Monitor) -> Members {
    let [data, log] = directory_sizes(monitor).await;
    vec![
        ("datadir_size".into(), Json::count(data)),
        ("logdir_size".into(), Json::count(log)),
    ]
}

/// Where the server runs.
pub(super) fn environment() -> Members {
    let lines = client_port::environment().into_iter();
    lines
        .map(|(key, value)| (key.to_owned(), Json::Text(value)))
        .collect()
}

/// What a Java server tells about its machine: here the definitions that this server was given, and
/// where it runs.
pub(super) fn system_properties(monitor: &Monitor) -> Members {
    let mut properties: BTreeMap<String, String> = client_port::environment()
        .into_iter()
        .filter(|(key, _)| !key.starts_with("zookeeper.") && !key.starts_with("os.memory"))
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    for (key, value) in &monitor.settings.properties {
        properties.insert(key.clone(), value.clone());
    }
    properties
        .into_iter()
        .map(|(key, value)| (key, Json::Text(value)))
        .collect()
}

/// The mask.
pub(super) fn trace_mask(monitor: &Monitor) -> Members {
    vec![("tracemask".into(), Json::Int(monitor.trace_mask()))]
}

/// Sets the mask.
pub(super) fn set_trace_mask(monitor: &Monitor, arguments: &HashMap<String, String>) -> Members {
    match arguments.get("traceMask").map(|text| text.parse::<i64>()) {
        Some(Ok(mask)) => {
            monitor.set_trace_mask(mask);
            trace_mask(monitor)
        }
        Some(Err(_)) | None => {
            let error = Json::text("setTraceMask requires long traceMask argument");
            vec![("error".into(), error)]
        }
    }
}

/// The text of the file that the server began with.
pub(super) fn initial_configuration(monitor: &Monitor) -> Members {
    let text = match &monitor.settings.mode {
        Mode::Standalone => Json::text(monitor.settings.text.clone()),
        Mode::Ensemble { .. } => Json::Null,
    };
    vec![("initial_configuration".into(), text)]
}

/// The last snapshot: its zxid, and when, in seconds.
pub(super) fn last_snapshot(monitor: &Monitor) -> Members {
    let (zxid, wall_ms) = monitor.last_snapshot();
    vec![
        ("zxid".into(), Json::text(format!("{:x}", zxid.as_u64()))),
        ("timestamp".into(), Json::Int(wall_ms / 1000)),
    ]
}

/// All metrics.
pub(super) fn metrics(monitor: &Monitor) -> Members {
    let published = monitor.published();
    let mode = Monitor::mode_name(&published.status).unwrap_or("looking");
    let mut members: Members = vec![
        ("version".into(), Json::text(client_port::version())),
        ("server_state".into(), Json::text(mode)),
    ];
    if let Some(state) = Monitor::peer_state(&published.status) {
        members.push(("peer_state".into(), Json::Text(state)));
    }
    let lines = metrics::values(monitor).into_iter();
    members.extend(lines.map(|(key, value)| match value.as_str() {
        "NaN" => (key, Json::Text(value)),
        _ => (key, Json::Number(value)),
    }));
    members
}

fn sizes(sizes: &Sizes) -> Json {
    let [last, min, max] = sizes.values();
    Json::object([
        ("last_buffer_size", Json::Int(last)),
        ("min_buffer_size", Json::Int(min)),
        ("max_buffer_size", Json::Int(max)),
    ])
}

/// `server_stats`.
pub(super) async fn stats(monitor: &Monitor) -> Members {
    let [data, log] = directory_sizes(monitor).await;
    let published = monitor.published();
    let (s, m) = (&published.status, &monitor.metrics);
    let mode = Monitor::mode_name(s).unwrap_or("looking");
    let inner = Json::object([
        ("packets_sent", Json::count(m.packets_sent.value())),
        ("packets_received", Json::count(m.packets_received.value())),
        (
            "fsync_threshold_exceed_count",
            Json::count(m.fsync_slow.value()),
        ),
        ("client_response_stats", sizes(&m.response_sizes)),
        ("data_dir_size", Json::count(data)),
        ("log_dir_size", Json::count(log)),
        ("provider_null", Json::Bool(false)),
        ("last_processed_zxid", Json::Int(s.zxid_applied.to_wire())),
        ("outstanding_requests", Json::count(s.outstanding)),
        ("server_state", Json::text(mode)),
        ("avg_latency", Json::Number(m.latency.mean_text())),
        ("max_latency", Json::count(m.latency.max())),
        ("min_latency", Json::count(m.latency.min())),
        (
            "num_alive_client_connections",
            Json::count(monitor.connections()),
        ),
        ("uptime", Json::count(published.role_ms)),
        ("auth_failed_count", Json::Int(0)),
        ("non_mtlsremote_conn_count", Json::Int(0)),
        ("non_mtlslocal_conn_count", Json::Int(0)),
    ]);
    let mut members: Members = vec![
        ("version".into(), Json::text(client_port::version())),
        ("read_only".into(), Json::Bool(s.read_only)),
        ("server_stats".into(), inner),
        ("client_response".into(), sizes(&m.response_sizes)),
    ];
    if s.state == ServerState::Leading && !s.standalone {
        members.push(("proposal_stats".into(), sizes(&m.proposal_sizes)));
    }
    members.push(("node_count".into(), Json::count(s.nodes)));
    members
}
