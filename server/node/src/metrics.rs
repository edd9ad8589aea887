//! Counts and times of this process, and how they are shown.
//!
//! Names and meanings are those of Apache ZooKeeper 3.9, so that dashboards and alerts go on working;
//! own metrics begin with `zk_`. One list of samples feeds both `/metrics` and `mntr`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use zk_wire::election::ServerState;

use crate::monitor::Monitor;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Number, sum and extremes of what was observed.
#[derive(Debug)]
pub struct Summary {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }
}

impl Summary {
    /// Observes a value.
    pub fn observe(&self, value: u64) {
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.min.fetch_min(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    /// Observes a duration, in ms.
    pub fn observe_ms(&self, took: Duration) {
        self.observe(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }

    /// How many were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// The smallest; 0 before the first.
    #[must_use]
    pub fn min(&self) -> u64 {
        Some(self.min.load(Relaxed))
            .filter(|n| *n != u64::MAX)
            .unwrap_or(0)
    }

    /// The largest; 0 before the first.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// Mean with at most four decimals and at least one, as Apache prints it.
    #[must_use]
    pub fn mean_text(&self) -> String {
        let (count, sum) = (u128::from(self.count()), u128::from(self.sum()));
        let scaled = (sum * 10_000 + count / 2).checked_div(count).unwrap_or(0);
        let text = format!("{}.{:04}", scaled / 10_000, scaled % 10_000);
        let short = text.trim_end_matches('0');
        if short.ends_with('.') {
            format!("{short}0")
        } else {
            short.to_owned()
        }
    }
}

/// Everything that the process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Frames from clients.
    pub packets_received: Counter,
    /// Frames to clients.
    pub packets_sent: Counter,
    /// Bytes from clients.
    pub bytes_received: Counter,
    /// Bytes to clients.
    pub response_bytes: Counter,
    /// Connections refused at accept.
    pub connection_rejected: Counter,
    /// Connect requests.
    pub connection_request: Counter,
    /// Connect requests with a session.
    pub connection_revalidate: Counter,
    /// Clients gone without closing their session.
    pub connection_drop: Counter,
    /// Connections that never asked for a session.
    pub sessionless_expired: Counter,
    /// Requests refused by `largeRequestMaxBytes`.
    pub large_requests_rejected: Counter,
    /// Requests that had to wait at the request throttle.
    pub request_throttle_wait_count: Counter,
    /// How long they waited, ms.
    pub request_throttle_queue_time: Summary,
    /// Requests answered with THROTTLEDOP.
    pub throttled_ops: Counter,
    /// Requests carried out though they were stale when the throttle let them pass.
    pub stale_requests: Counter,
    /// Stale requests dropped at the throttle.
    pub stale_requests_dropped: Counter,
    /// Tokens missing in the bucket of the connection throttle, seen by each connect request.
    pub connection_token_deficit: Summary,
    /// The connection throttle's chance of a drop, millionths.
    pub connection_drop_millionths: Gauge,
    /// Clients closed since they did not read their replies.
    pub slow_clients_closed: Counter,
    /// TLS handshakes refused for want of a place.
    pub tls_handshake_exceeded: Counter,
    /// TLS handshakes that failed.
    pub unsuccessful_handshake: Counter,
    /// TLS handshakes begun.
    pub tls_handshakes_begun: Counter,
    /// TLS handshakes ended, well or not.
    pub tls_handshakes_ended: Counter,
    /// Plain connections refused where only TLS is spoken.
    pub tls_plain_refused: Counter,
    /// Renewed certificates taken into use.
    pub tls_reloads: Counter,
    /// Renewed certificates that could not be used.
    pub tls_reload_failures: Counter,
    /// Times that this member began to look for a leader.
    pub looking: Counter,
    /// Elections that ended with a leader.
    pub elections: Counter,
    /// Learners synchronized by DIFF or TRUNC.
    pub diff: Counter,
    /// Learners synchronized by SNAP.
    pub snap: Counter,
    /// Sessions expired.
    pub stale_sessions_expired: Counter,
    /// Transactions after which the tree was not the leader's.
    pub digest_mismatches: Counter,
    /// Requests, receipt to reply, ms.
    pub latency: Summary,
    /// fsync of the log, ms.
    pub fsync: Summary,
    /// Disk operations per flush.
    pub batch_size: Summary,
    /// Writing snapshots, ms.
    pub snapshot: Summary,
    /// Looking for a leader, ms.
    pub election_time: Summary,
}

/// One line or family.
enum Sample<'a> {
    Gauge(&'static str, u64),
    Counter(&'static str, u64),
    Text(&'static str, String),
    Summary(&'static str, &'a Summary),
}

/// Millionths as a decimal number with at most six places and at least one.
fn ratio_text(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}

fn process_samples(m: &Metrics) -> Vec<Sample<'_>> {
    use Sample::{Counter, Gauge, Summary, Text};
    vec![
        Text("avg_latency", m.latency.mean_text()),
        Gauge("min_latency", m.latency.min()),
        Gauge("max_latency", m.latency.max()),
        Gauge("packets_received", m.packets_received.value()),
        Gauge("packets_sent", m.packets_sent.value()),
        Counter("bytes_received_count", m.bytes_received.value()),
        Counter("response_bytes", m.response_bytes.value()),
        Counter("connection_rejected", m.connection_rejected.value()),
        Counter("connection_request_count", m.connection_request.value()),
        Counter(
            "connection_revalidate_count",
            m.connection_revalidate.value(),
        ),
        Counter("connection_drop_count", m.connection_drop.value()),
        Counter(
            "sessionless_connections_expired",
            m.sessionless_expired.value(),
        ),
        Text(
            "connection_drop_probability",
            ratio_text(m.connection_drop_millionths.value()),
        ),
        Counter("large_requests_rejected", m.large_requests_rejected.value()),
        Counter(
            "request_throttle_wait_count",
            m.request_throttle_wait_count.value(),
        ),
        Counter("throttled_ops", m.throttled_ops.value()),
        Counter("stale_requests", m.stale_requests.value()),
        Counter("stale_requests_dropped", m.stale_requests_dropped.value()),
        Counter(
            "zk_slow_clients_closed_total",
            m.slow_clients_closed.value(),
        ),
        Summary(
            "request_throttle_queue_time_ms",
            &m.request_throttle_queue_time,
        ),
        Summary("connection_token_deficit", &m.connection_token_deficit),
        Gauge(
            "outstanding_tls_handshake",
            m.tls_handshakes_begun
                .value()
                .saturating_sub(m.tls_handshakes_ended.value()),
        ),
        Counter("tls_handshake_exceeded", m.tls_handshake_exceeded.value()),
        Counter("unsuccessful_handshake", m.unsuccessful_handshake.value()),
        Counter("zk_tls_plain_refused_total", m.tls_plain_refused.value()),
        Counter("zk_tls_reloads_total", m.tls_reloads.value()),
        Counter(
            "zk_tls_reload_failures_total",
            m.tls_reload_failures.value(),
        ),
        Counter("looking_count", m.looking.value()),
        Counter("diff_count", m.diff.value()),
        Counter("snap_count", m.snap.value()),
        Counter("stale_sessions_expired", m.stale_sessions_expired.value()),
        Counter("digest_mismatches_count", m.digest_mismatches.value()),
        Counter("zk_elections_total", m.elections.value()),
        Summary("fsynctime", &m.fsync),
        Summary("sync_processor_batch_size", &m.batch_size),
        Summary("snapshottime", &m.snapshot),
        Summary("election_time", &m.election_time),
    ]
}

/// Gauges of a server that serves; they vanish while it does not, as in Apache, because alerts
/// count on it (`count(leader_uptime) == 0` means that there is no leader).
fn serving_samples(monitor: &Monitor) -> Vec<Sample<'static>> {
    use Sample::Gauge;
    let published = monitor.published();
    let s = &published.status;
    if !s.serving {
        return Vec::new();
    }
    let mut out = vec![
        Gauge("znode_count", s.nodes),
        Gauge("watch_count", s.watches),
        Gauge("ephemerals_count", s.ephemerals),
        Gauge("approximate_data_size", s.approximate_data_bytes),
        Gauge("outstanding_requests", s.outstanding),
        Gauge("global_sessions", s.sessions),
        Gauge("num_alive_connections", monitor.connections()),
        Gauge("uptime", published.role_ms),
    ];
    if !s.standalone {
        out.push(Gauge("quorum_size", monitor.voters()));
    }
    if s.state == ServerState::Leading && !s.standalone {
        let synced = |voter| {
            s.learners
                .iter()
                .filter(|l| l.synced && l.voter == voter)
                .count() as u64
        };
        out.push(Gauge("leader_uptime", published.role_ms));
        out.push(Gauge("learners", s.learners.len() as u64));
        out.push(Gauge("synced_followers", synced(true)));
        out.push(Gauge("synced_observers", synced(false)));
        out.push(Gauge("zk_proposals_outstanding", s.proposals_outstanding));
    }
    out
}

/// Position and state of the member, under own names.
fn member_samples(monitor: &Monitor) -> Vec<Sample<'static>> {
    use Sample::Gauge;
    let published = monitor.published();
    let s = &published.status;
    vec![
        Gauge("zk_serving", u64::from(s.serving)),
        Gauge("zk_epoch", u64::from(s.epoch.0)),
        Gauge("zk_zxid_logged", s.zxid_logged.as_u64()),
        Gauge("zk_zxid_committed", s.zxid_committed.as_u64()),
        Gauge("zk_zxid_applied", s.zxid_applied.as_u64()),
    ]
}

/// The page `/metrics`, in the text format of Prometheus.
#[must_use]
pub fn prometheus_text(monitor: &Monitor) -> String {
    let mut out = String::with_capacity(8 * 1024);
    let process = process_samples(&monitor.metrics);
    for sample in process
        .iter()
        .chain(&serving_samples(monitor))
        .chain(&member_samples(monitor))
    {
        let outcome = match sample {
            Sample::Gauge(name, value) => write!(out, "# TYPE {name} gauge\n{name} {value}\n"),
            Sample::Text(name, value) => write!(out, "# TYPE {name} gauge\n{name} {value}\n"),
            Sample::Counter(name, value) => write!(out, "# TYPE {name} counter\n{name} {value}\n"),
            Sample::Summary(name, s) => write!(
                out,
                "# TYPE {name} summary\n{name}_count {}\n{name}_sum {}\n",
                s.count(),
                s.sum()
            ),
        };
        debug_assert!(outcome.is_ok(), "writing to a String");
    }
    out
}

/// The metric lines of `mntr`, in the form of Apache's default provider.
#[must_use]
pub fn mntr_lines(monitor: &Monitor) -> String {
    let mut out = String::with_capacity(4 * 1024);
    let process = process_samples(&monitor.metrics);
    for sample in serving_samples(monitor)
        .iter()
        .chain(&process)
        .chain(&member_samples(monitor))
    {
        let key = |name: &str| format!("zk_{}", name.strip_prefix("zk_").unwrap_or(name));
        let outcome = match sample {
            Sample::Gauge(name, value) | Sample::Counter(name, value) => {
                writeln!(out, "{}\t{value}", key(name))
            }
            Sample::Text(name, value) => writeln!(out, "{}\t{value}", key(name)),
            Sample::Summary(name, s) => writeln!(
                out,
                "zk_avg_{name}\t{}\nzk_min_{name}\t{}\nzk_max_{name}\t{}\nzk_cnt_{name}\t{}\n\
                 zk_sum_{name}\t{}",
                s.mean_text(),
                s.min(),
                s.max(),
                s.count(),
                s.sum()
            ),
        };
        debug_assert!(outcome.is_ok(), "writing to a String");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_decimal() {
        for (millionths, text) in [(0, "0.0"), (20_000, "0.02"), (1_000_000, "1.0")] {
            assert_eq!(ratio_text(millionths), text);
        }
    }

    #[test]
    fn means_are_printed_as_apache_does() {
        let summary = Summary::default();
        assert_eq!(summary.mean_text(), "0.0");
        for value in [1, 2, 2] {
            summary.observe(value);
        }
        assert_eq!(summary.mean_text(), "1.6667");
        summary.observe(3);
        assert_eq!(summary.mean_text(), "2.0");
        assert_eq!(
            (summary.min(), summary.max(), summary.count(), summary.sum()),
            (1, 3, 4, 8)
        );
    }
}
