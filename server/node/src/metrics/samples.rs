//! What is shown, with names and meanings of Apache ZooKeeper 3.9; own metrics begin with `zk_`.

use zk_wire::election::ServerState;

use super::values::ratio_text;
use super::{ByKind, Counter, Histogram, Kind, Metrics, Stages, Summary, families};
use crate::monitor::Monitor;

/// How many quantiles a summary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The median.
    Basic,
    /// More.
    Advanced,
}

/// One of several values of a metric.
pub(super) struct Series {
    pub(super) labels: Vec<(&'static str, String)>,
    /// As it is printed.
    pub(super) value: String,
}

impl Series {
    pub(super) fn new(labels: &[(&'static str, &str)], value: impl ToString) -> Self {
        let labels = labels.iter();
        Self {
            labels: labels.map(|(name, v)| (*name, (*v).to_owned())).collect(),
            value: value.to_string(),
        }
    }
}

/// One line or family.
pub(super) enum Sample<'a> {
    Gauge(&'static str, i64),
    /// A gauge as it is printed.
    Text(&'static str, String),
    Counter(&'static str, &'a Counter),
    /// Counters of one metric, by the values of a label.
    Counters(&'static str, &'static str, Vec<(&'static str, &'a Counter)>),
    /// A counter of time, ms.
    Seconds(&'static str, u64),
    /// Gauges of one metric by their labels; there may be none.
    Gauges(&'static str, Vec<Series>),
    Histogram(&'static str, &'a Histogram),
    /// A counter that nothing increments.
    Zero(&'static str),
    Summary(&'static str, Detail, Option<&'a Summary>),
}

impl Sample<'_> {
    /// Begins again, where that is the provider's to do.
    pub(super) fn reset(&self) {
        match self {
            Self::Counter(_, counter) => counter.reset(),
            Self::Counters(_, _, kinds) => kinds.iter().for_each(|(_, counter)| counter.reset()),
            Self::Summary(_, _, Some(summary)) => summary.reset(),
            // Shown to Prometheus only, which wants no steps back.
            Self::Histogram(..) | Self::Seconds(..) => {}
            Self::Gauges(..)
            | Self::Gauge(..)
            | Self::Text(..)
            | Self::Zero(_)
            | Self::Summary(_, _, None) => {}
        }
    }
}

pub(super) fn gauge(name: &'static str, value: u64) -> Sample<'static> {
    Sample::Gauge(name, i64::try_from(value).unwrap_or(i64::MAX))
}

fn by_kind<'a, K: Kind>(name: &'static str, kinds: &'a ByKind<K>) -> Sample<'a> {
    Sample::Counters(name, K::LABEL, kinds.iter().collect())
}

/// Names of the counters of held connections, in the order of their kinds.
const HOLDS_ENDED: [&str; 5] = [
    "zk_holds_ended_time_total",
    "zk_holds_ended_requests_total",
    "zk_holds_ended_bytes_total",
    "zk_holds_ended_unknowable_total",
    "zk_holds_ended_session_gone_total",
];

fn of_stages(m: &Stages) -> Vec<Sample<'_>> {
    use Detail::{Advanced, Basic};
    use Sample::{Counter, Summary};
    vec![
        Counter("proposal_count", &m.proposals),
        Counter("commit_count", &m.commits),
        Counter("learner_proposal_received_count", &m.learner_proposals),
        Counter("learner_commit_received_count", &m.learner_commits),
        Counter("revalidate_count", &m.revalidations),
        Counter("watch_bytes", &m.watch_bytes),
        Summary("proposal_latency", Advanced, Some(&m.proposal_latency)),
        Summary(
            "propagation_latency",
            Advanced,
            Some(&m.propagation_latency),
        ),
        Summary(
            "commit_propagation_latency",
            Advanced,
            Some(&m.commit_propagation_latency),
        ),
        Summary("quorum_ack_latency", Advanced, Some(&m.quorum_ack_latency)),
        Summary(
            "local_write_committed_time_ms",
            Advanced,
            Some(&m.local_write_committed),
        ),
        Summary(
            "server_write_committed_time_ms",
            Advanced,
            Some(&m.server_write_committed),
        ),
        Summary("unavailable_time", Basic, Some(&m.unavailable)),
        Summary(
            "leader_unavailable_time",
            Basic,
            Some(&m.leader_unavailable),
        ),
        Summary("follower_sync_time", Basic, Some(&m.follower_sync)),
        Summary("observer_sync_time", Basic, Some(&m.observer_sync)),
        Summary("inflight_snap_count", Basic, Some(&m.inflight_snap)),
        Summary("inflight_diff_count", Basic, Some(&m.inflight_diff)),
        Summary("sync_processor_queue_size", Basic, Some(&m.log_queue)),
        Summary("prep_processor_queue_size", Basic, Some(&m.core_queue)),
        Summary("startup_snap_load_time", Basic, Some(&m.startup_snapshot)),
        Summary("startup_txns_load_time", Basic, Some(&m.startup_log)),
        Summary("startup_txns_loaded", Basic, Some(&m.startup_txns)),
        Summary("dbinittime", Basic, Some(&m.startup)),
        Summary("node_created_watch_count", Basic, Some(&m.node_created)),
        Summary("node_deleted_watch_count", Basic, Some(&m.node_deleted)),
        Summary("node_changed_watch_count", Basic, Some(&m.node_changed)),
        Summary("node_children_watch_count", Basic, Some(&m.node_children)),
    ]
}

fn of_own(m: &Metrics) -> Vec<Sample<'_>> {
    use Sample::{Counter, Histogram};
    let mut out = vec![
        Counter("zk_tls_plain_refused_total", &m.tls_plain_refused),
        Counter("zk_tls_reloads_total", &m.tls_reloads),
        Counter("zk_tls_reload_failures_total", &m.tls_reload_failures),
        Counter("zk_settings_applied_total", &m.settings_applied),
        Counter("zk_settings_refused_total", &m.settings_refused),
        Counter("zk_audit_lines_total", &m.audit.written),
        Counter("zk_audit_lines_lost_total", &m.audit.lost),
        Counter("zk_traced_requests_total", &m.traces.made),
        Counter("zk_traced_requests_lost_total", &m.traces.lost),
        Counter("zk_slow_clients_closed_total", &m.slow_clients_closed),
        by_kind("zk_elections_total", &m.elections),
        by_kind("zk_limit_reached_total", &m.limits),
        Counter("zk_sessions_expired_total", &m.sessions_expired),
        Histogram("zk_election_duration_seconds", &m.election_duration),
        Histogram("zk_fsync_duration_seconds", &m.fsync_duration),
        Histogram("zk_commit_duration_seconds", &m.commit_duration),
        Histogram("zk_propagation_duration_seconds", &m.propagation_duration),
        Counter("zk_hand_overs_total", &m.hand_overs),
        Counter("zk_hand_overs_failed_total", &m.hand_overs_failed),
        Counter("zk_held_connections_total", &m.held_connections),
        Counter("zk_held_requests_total", &m.held_requests),
        Counter("zk_resubmitted_requests_total", &m.resubmitted_requests),
        Counter("zk_fsync_threshold_exceeded_total", &m.fsync_slow),
    ];
    let ends = HOLDS_ENDED.into_iter().zip(m.holds_ended.iter());
    out.extend(ends.map(|(name, (_, counter))| Counter(name, counter)));
    out
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
        Summary("fsynctime", Basic, Some(&m.fsync)),
        Summary("sync_processor_batch_size", Basic, Some(&m.batch_size)),
        Summary("snapshottime", Basic, Some(&m.snapshot)),
        Summary("election_time", Basic, Some(&m.election_time)),
        Summary("readlatency", Advanced, Some(&m.read_latency)),
        Summary("updatelatency", Advanced, Some(&m.update_latency)),
    ];
    out.extend(of_own(m));
    out.extend(of_stages(&m.stages));
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
        gauge("auth_failed_count", m.tls_auth_failed.value()),
        gauge("non_mtls_local_conn_count", 0),
        gauge("non_mtls_remote_conn_count", 0),
        Sample::Text(
            "connection_drop_probability",
            ratio_text(m.connection_drop_millionths.value()),
        ),
    ];
    if !s.standalone {
        let observers = s.learners.iter().filter(|l| l.synced && !l.voter);
        out.push(gauge("synced_observers", observers.count() as u64));
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
    let followers = s.learners.iter().filter(|l| l.synced && l.voter);
    let [last, min, max] = monitor.metrics.proposal_sizes.values();
    vec![
        gauge("leader_uptime", published.role_ms),
        gauge("learners", s.learners.len() as u64),
        gauge("synced_followers", followers.count() as u64),
        gauge("synced_non_voting_followers", 0),
        gauge("pending_syncs", s.pending_syncs),
        Sample::Gauge("last_proposal_size", last),
        Sample::Gauge("min_proposal_size", min),
        Sample::Gauge("max_proposal_size", max),
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
