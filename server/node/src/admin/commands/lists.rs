//! `dump`, `hash` and the watches: what only the core knows.
//!
//! Source: `Commands.DumpCommand`, `DigestCommand`, `WatchCommand` and their kin of Apache ZooKeeper
//! 3.9.

use std::collections::BTreeMap;

use zk_core::report::SessionReport;
use zk_wire::SessionId;
use zk_wire::txn::DIGEST_VERSION;

use super::Members;
use crate::admin::json::Json;
use crate::client_port::by_path;
use crate::monitor::Monitor;

/// Sessions by their ends, and ephemerals by their sessions.
pub(super) async fn dump(monitor: &Monitor) -> Option<Members> {
    let (sessions, ephemerals) = monitor
        .queries
        .ask(|peer| (peer.session_report(), peer.ephemeral_report()))
        .await?;
    let expiry: Vec<(String, Json)> = match sessions {
        SessionReport::ByDeadline(buckets) => buckets
            .into_iter()
            .map(|(at, ids)| (monitor.clock.wall_ms_at(at).to_string(), list(&ids)))
            .collect(),
        SessionReport::ByTimeout(_) => Vec::new(),
    };
    let paths = ephemerals
        .into_iter()
        .map(|(id, paths)| (id.0.to_string(), Json::texts(paths)));
    Some(vec![
        ("expiry_time_to_session_ids".into(), Json::Object(expiry)),
        (
            "session_id_to_ephemeral_paths".into(),
            Json::Object(paths.collect()),
        ),
    ])
}

fn list(ids: &[SessionId]) -> Json {
    Json::List(ids.iter().map(|id| Json::Int(id.0)).collect())
}

/// Digests at some transactions.
pub(super) async fn digests(monitor: &Monitor) -> Option<Members> {
    let digests = monitor.queries.ask(zk_core::Peer::digest_report).await?;
    let rows = digests.into_iter().map(|(zxid, digest)| {
        Json::object([
            ("zxid", Json::Int(zxid.to_wire())),
            ("digest", Json::Number(digest.to_string())),
            ("digest_version", Json::Int(i64::from(DIGEST_VERSION))),
        ])
    });
    Some(vec![("digests".into(), Json::List(rows.collect()))])
}

async fn ask(monitor: &Monitor) -> Option<BTreeMap<SessionId, Vec<String>>> {
    monitor.queries.ask(zk_core::Peer::watch_report).await
}

/// How many watch how much.
pub(super) async fn watch_summary(monitor: &Monitor) -> Option<Members> {
    let watches = ask(monitor).await?;
    let total: usize = watches.values().map(Vec::len).sum();
    Some(vec![
        ("num_connections".into(), Json::count(watches.len() as u64)),
        (
            "num_paths".into(),
            Json::count(by_path(&watches).len() as u64),
        ),
        ("num_total_watches".into(), Json::count(total as u64)),
    ])
}

/// Paths by session.
pub(super) async fn watches(monitor: &Monitor) -> Option<Members> {
    let watches = ask(monitor).await?;
    let rows = watches
        .into_iter()
        .map(|(id, paths)| (id.0.to_string(), Json::texts(paths)));
    let rows = Json::Object(rows.collect());
    Some(vec![("session_id_to_watched_paths".into(), rows)])
}

/// Sessions by path.
pub(super) async fn watches_by_path(monitor: &Monitor) -> Option<Members> {
    let watches = ask(monitor).await?;
    let rows = by_path(&watches)
        .into_iter()
        .map(|(path, ids)| (path.to_owned(), list(&ids)));
    let rows = Json::Object(rows.collect());
    Some(vec![("path_to_session_ids".into(), rows)])
}
