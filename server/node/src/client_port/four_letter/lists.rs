//! `dump`, `wchs`, `wchc`, `wchp`, `hash`: what only the core knows.
//!
//! Source: `DumpCommand`, `WatchCommand`, `DigestCommand`, `SessionTrackerImpl.dumpSessions`,
//! `ExpiryQueue.dump`, `WatchesReport` of Apache ZooKeeper 3.9.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use zk_core::report::SessionReport;
use zk_wire::SessionId;

use crate::calendar::java_date;
use crate::monitor::Monitor;

/// What is said when the server goes down meanwhile.
const GOING_DOWN: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Sessions, ephemerals, connections.
pub(super) async fn dump(monitor: &Monitor, asker: SocketAddr) -> String {
    let lists = monitor
        .queries
        .ask(|peer| (peer.session_report(), peer.ephemeral_report()));
    let Some((sessions, ephemerals)) = lists.await else {
        return GOING_DOWN.into();
    };
    let mut out = String::from("SessionTracker dump:\n");
    sessions_text(monitor, &sessions, &mut out);
    out.push_str("ephemeral nodes dump:\n");
    let count = ephemerals.len();
    out.push_str(&format!("Sessions with Ephemerals ({count}):\n"));
    for (session, paths) in ephemerals {
        out.push_str(&format!("{:#x}:\n", session.0));
        for path in paths {
            out.push_str(&format!("\t{path}\n"));
        }
    }
    connections_text(monitor, asker, &mut out);
    out
}

fn sessions_text(monitor: &Monitor, sessions: &SessionReport, out: &mut String) {
    match sessions {
        SessionReport::ByDeadline(buckets) => {
            let count: usize = buckets.iter().map(|(_, ids)| ids.len()).sum();
            out.push_str(&format!("Session Sets ({})/({count}):\n", buckets.len()));
            for (at, ids) in buckets {
                let date = java_date(monitor.clock.wall_ms_at(*at));
                out.push_str(&format!("{} expire at {date}:\n", ids.len()));
                for id in ids {
                    out.push_str(&format!("\t{:#x}\n", id.0));
                }
            }
        }
        SessionReport::ByTimeout(sessions) => {
            out.push_str(&format!("Global Sessions({}):\n", sessions.len()));
            for (id, timeout_ms) in sessions {
                out.push_str(&format!("{:#x}\t{timeout_ms}ms\n", id.0));
            }
        }
    }
}

/// Connections by the time at which they would be closed for silence, in steps of ten seconds.
fn connections_text(monitor: &Monitor, asker: SocketAddr, out: &mut String) {
    const STEP_MS: u64 = 10_000;
    let now_ms = monitor.clock.elapsed_ms();
    let end = |silence_ms: u64, since_ms: u64| ((since_ms + silence_ms) / STEP_MS + 1) * STEP_MS;
    let mut buckets: BTreeMap<u64, Vec<(SocketAddr, i64)>> = BTreeMap::new();
    for client in monitor.clients() {
        let p = client.stats.picture();
        let (session, timeout_ms) = p.session.unwrap_or((0, 10_000));
        let silence_ms = u64::try_from(timeout_ms).unwrap_or(0);
        let at = end(
            silence_ms,
            p.last_response_ms.max(now_ms.saturating_sub(silence_ms)),
        );
        buckets
            .entry(at)
            .or_default()
            .push((client.address, session));
    }
    let silence = monitor.in_force().settings.sessionless_timeout;
    let silence_ms = u64::try_from(silence.as_millis()).unwrap_or(0);
    buckets
        .entry(end(silence_ms, now_ms))
        .or_default()
        .push((asker, 0));
    let count: usize = buckets.values().map(Vec::len).sum();
    out.push_str("Connections dump:\n");
    out.push_str(&format!(
        "Connections Sets ({})/({count}):\n",
        buckets.len()
    ));
    for (at_ms, connections) in buckets {
        let at = zk_core::Mono::from_ms(at_ms);
        let date = java_date(monitor.clock.wall_ms_at(at));
        out.push_str(&format!("{} expire at {date}:\n", connections.len()));
        for (address, session) in connections {
            out.push_str(&format!("\tip: /{address} sessionId: {session:#x}\n"));
        }
    }
}

async fn watches(monitor: &Monitor) -> Option<BTreeMap<SessionId, Vec<String>>> {
    // A second is far more than a core that serves takes for it.
    let asked = monitor.queries.ask(zk_core::Peer::watch_report);
    tokio::time::timeout(Duration::from_secs(10), asked)
        .await
        .ok()
        .flatten()
}

/// How many watch how much.
pub(super) async fn watch_summary(monitor: &Monitor) -> String {
    let Some(watches) = watches(monitor).await else {
        return GOING_DOWN.into();
    };
    let paths = by_path(&watches).len();
    let total: usize = watches.values().map(Vec::len).sum();
    let connections = watches.len();
    format!("{connections} connections watching {paths} paths\nTotal watches:{total}\n")
}

/// Paths by session.
pub(super) async fn watches_by_session(monitor: &Monitor) -> String {
    let Some(watches) = watches(monitor).await else {
        return GOING_DOWN.into();
    };
    let block = |(session, paths): (SessionId, Vec<String>)| {
        let paths: String = paths.iter().map(|path| format!("\t{path}\n")).collect();
        format!("{:#x}\n{paths}", session.0)
    };
    format!("{}\n", watches.into_iter().map(block).collect::<String>())
}

/// Sessions by path.
pub(super) async fn watches_by_path(monitor: &Monitor) -> String {
    let Some(watches) = watches(monitor).await else {
        return GOING_DOWN.into();
    };
    let block = |(path, sessions): (&str, Vec<SessionId>)| {
        let ids: String = sessions
            .iter()
            .map(|id| format!("\t{:#x}\n", id.0))
            .collect();
        format!("{path}\n{ids}")
    };
    let paths = by_path(&watches);
    format!("{}\n", paths.into_iter().map(block).collect::<String>())
}

/// The same watches the other way round.
pub(crate) fn by_path(
    watches: &BTreeMap<SessionId, Vec<String>>,
) -> BTreeMap<&str, Vec<SessionId>> {
    let mut out: BTreeMap<&str, Vec<SessionId>> = BTreeMap::new();
    for (session, paths) in watches {
        for path in paths {
            out.entry(path).or_default().push(*session);
        }
    }
    out
}

/// Digests at some transactions.
pub(super) async fn digests(monitor: &Monitor) -> String {
    let Some(digests) = monitor.queries.ask(zk_core::Peer::digest_report).await else {
        return GOING_DOWN.trim_end().into();
    };
    let line = |(zxid, digest): (zk_wire::Zxid, u64)| format!("{:x}: {digest}\n", zxid.as_u64());
    digests.into_iter().map(line).collect()
}
