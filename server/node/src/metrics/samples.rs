//! What is shown, with names and meanings of Apache ZooKeeper 3.9; own metrics begin with `zk_`.

use zk_wire::election::ServerState;

use super::{Counter, Metrics, Summary, families, ratio_text};
use crate::monitor::Monitor;

/// How many quantiles a summary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The median.
    Basic,
    /// More.
    Advanced,
}

/// One line or family.
pub(super) enum Sample<'a> {
    Gauge(&'static str, i64),
    /// A gauge as it is printed.
    Text(&'static str, String),
    Counter(&'static str, &'a Counter),
    /// A counter that nothing increments.
    Zero(&'static str),
    Summary(&'static str, Detail, Option<&'a Summary>),
}

impl Sample<'_> {
    /// Begins again, where that is the provider's to do.
    pub(super) fn reset(&self) {
        match self {
            Self::Counter(_, counter) => counter.reset(),
            Self::Summary(_, _, Some(summary)) => summary.reset(),
            Self::Gauge(..) | Self::Text(..) | Self::Zero(_) | Self::Summary(_, _, None) => {}
        }
    }
}

fn gauge(name: &'static str, value: u64) -> Sample<'static> {
    Sample::Gauge(name, i64::try_from(value).unwrap_or(i64::MAX))
}

/// Counts and times of the process, whatever its role.
pub(super) fn of_process(m: &Metrics) -> Vec<Sample<'_>> {
    use Detail::{Advanced, Basic};
    use Sample::{Counter, Summary, Zero};
    let mut out = vec![
        Counter("bytes_received_count", &m.bytes_received),
        Counter("response_bytes", &m.response_bytes),
        Counter("connection_rejected", &m.connection_rejected),
        Counter("connection_request_count", &m.connection_request),
        Counter("connection_revalidate_count", &m.connection_revalidate),
        Counter("connection_drop_count", &m.connection_drop),
        Counter("sessionless_connections_expired", &m.sessionless_expired),
        gauge(
            "outstanding_tls_handshake",
            m.tls_handshakes_begun
                .value()
                .saturating_sub(m.tls_handshakes_ended.value()),
        ),
        Counter("tls_handshake_exceeded", &m.tls_handshake_exceeded),
        Counter("unsuccessful_handshake", &m.unsuccessful_handshake),
        Counter("zk_tls_plain_refused_total", &m.tls_plain_refused),
        Counter("zk_tls_reloads_total", &m.tls_reloads),
        Counter("zk_tls_reload_failures_total", &m.tls_reload_failures),
        Counter("looking_count", &m.looking),
        Counter("diff_count", &m.diff),
        Counter("snap_count", &m.snap),
        Counter("stale_sessions_expired", &m.stale_sessions_expired),
        Counter("digest_mismatches_count", &m.digest_mismatches),
        Counter("snapshot_rate_limited_count", &m.snapshot_rate_limited),
        Counter("large_requests_rejected", &m.large_requests_rejected),
        Counter(
            "request_throttle_wait_count",
            &m.request_throttle_wait_count,
        ),
        Counter("throttled_ops", &m.throttled_ops),
        Counter("stale_requests", &m.stale_requests),
        Counter("stale_requests_dropped", &m.stale_requests_dropped),
        Counter("zk_slow_clients_closed_total", &m.slow_clients_closed),
        Summary(
            "request_throttle_queue_time_ms",
            Advanced,
            Some(&m.request_throttle_queue_time),
        ),
        Summary(
            "connection_token_deficit",
            Basic,
            Some(&m.connection_token_deficit),
        ),
        Counter("zk_elections_total", &m.elections),
        Counter("zk_hand_overs_total", &m.hand_overs),
        Counter("zk_hand_overs_failed_total", &m.hand_overs_failed),
        Counter("zk_held_connections_total", &m.held_connections),
        Counter("zk_held_requests_total", &m.held_requests),
        Counter("zk_resubmitted_requests_total", &m.resubmitted_requests),
        Counter("zk_fsync_threshold_exceeded_total", &m.fsync_slow),
        Summary("fsynctime", Basic, Some(&m.fsync)),
        Summary("sync_processor_batch_size", Basic, Some(&m.batch_size)),
        Summary("snapshottime", Basic, Some(&m.snapshot)),
        Summary("election_time", Basic, Some(&m.election_time)),
        Summary("readlatency", Advanced, Some(&m.read_latency)),
        Summary("updatelatency", Advanced, Some(&m.update_latency)),
    ];
    let causes = m.elections_by_cause.iter();
    out.extend(causes.map(|(name, counter)| Counter(name, counter)));
    let ends = m.holds_ended.iter();
    out.extend(ends.map(|(name, counter)| Counter(name, counter)));
    out.extend(families::COUNTERS.map(Zero));
    out.extend(families::BASIC.map(|name| Summary(name, Basic, None)));
    out.extend(families::ADVANCED.map(|name| Summary(name, Advanced, None)));
    out
}

/// Gauges of a server that serves; they vanish while it does not, as in Apache, because alerts
/// count on it (`count(leader_uptime) == 0` means that there is no leader).
pub(super) fn while_serving(monitor: &Monitor) -> Vec<Sample<'static>> {
    let published = monitor.published();
    let s = &published.status;
    if !(s.serving || s.read_only) {
        return Vec::new();
    }
    let m = &monitor.metrics;
    let [last, min, max] = m.response_sizes.values();
    let [open_files, max_files] = file_descriptors();
    let mut out = vec![
        Sample::Text("avg_latency", m.latency.mean_text()),
        gauge("min_latency", m.latency.min()),
        gauge("max_latency", m.latency.max()),
        gauge("packets_received", m.packets_received.value()),
        gauge("packets_sent", m.packets_sent.value()),
        gauge("znode_count", s.nodes),
        gauge("watch_count", s.watches),
        gauge("ephemerals_count", s.ephemerals),
        gauge("approximate_data_size", s.approximate_data_bytes),
        gauge("outstanding_requests", s.outstanding),
        gauge("global_sessions", s.sessions),
        gauge("local_sessions", s.local_sessions),
        gauge("num_alive_connections", monitor.connections()),
        gauge("uptime", published.role_ms),
        gauge("open_file_descriptor_count", open_files),
        gauge("max_file_descriptor_count", max_files),
        Sample::Gauge("last_client_response_size", last),
        Sample::Gauge("min_client_response_size", min),
        Sample::Gauge("max_client_response_size", max),
        gauge("auth_failed_count", 0),
        gauge("non_mtls_local_conn_count", 0),
        gauge("non_mtls_remote_conn_count", 0),
        Sample::Text(
            "connection_drop_probability",
            ratio_text(m.connection_drop_millionths.value()),
        ),
    ];
    if !s.standalone {
        out.push(gauge("quorum_size", monitor.voters()));
    }
    if s.state == ServerState::Leading && !s.standalone {
        out.extend(while_leading(monitor));
    }
    out
}

fn while_leading(monitor: &Monitor) -> Vec<Sample<'static>> {
    let published = monitor.published();
    let s = &published.status;
    let synced = |voter| {
        let learners = s.learners.iter();
        learners.filter(|l| l.synced && l.voter == voter).count() as u64
    };
    let [last, min, max] = monitor.metrics.proposal_sizes.values();
    vec![
        gauge("leader_uptime", published.role_ms),
        gauge("learners", s.learners.len() as u64),
        gauge("synced_followers", synced(true)),
        gauge("synced_observers", synced(false)),
        gauge("synced_non_voting_followers", 0),
        gauge("pending_syncs", 0),
        Sample::Gauge("last_proposal_size", last),
        Sample::Gauge("min_proposal_size", min),
        Sample::Gauge("max_proposal_size", max),
        gauge("zk_proposals_outstanding", s.proposals_outstanding),
    ]
}

/// Position and state of the member, under own names.
pub(super) fn of_member(monitor: &Monitor) -> Vec<Sample<'static>> {
    let published = monitor.published();
    let s = &published.status;
    vec![
        gauge("zk_serving", u64::from(s.serving)),
        gauge("zk_epoch", u64::from(s.epoch.0)),
        gauge("zk_zxid_logged", s.zxid_logged.as_u64()),
        gauge("zk_zxid_committed", s.zxid_committed.as_u64()),
        gauge("zk_zxid_applied", s.zxid_applied.as_u64()),
    ]
}

/// Open files of this process, and how many it may open.
fn file_descriptors() -> [u64; 2] {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_whitespace().next());
    [open, soft.and_then(|n| n.parse().ok()).unwrap_or(0)]
}
