//! Counts and times of this process, and how they are shown.
//!
//! Names and meanings are those of Apache ZooKeeper 3.9, so that dashboards and alerts go on working;
//! own metrics begin with `zk_`. One list of samples feeds both `/metrics` and `mntr`.

mod families;
mod quantiles;
mod samples;
mod text;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use zk_core::{ElectionCause, HoldEnd};

use quantiles::Quantiles;
pub use text::{mntr_lines, prometheus_text, values};

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

    /// Begins at zero again.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Counters of the kinds of something, each with its name.
#[derive(Debug)]
pub struct ByKind<const N: usize>([(&'static str, Counter); N]);

impl<const N: usize> ByKind<N> {
    /// Counts one of a kind.
    pub fn count(&self, name: &str) {
        for (kind, counter) in &self.0 {
            if kind.ends_with(&format!("_{name}_total")) {
                counter.inc();
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        self.0.iter().map(|(name, counter)| (*name, counter))
    }
}

impl Default for ByKind<{ ElectionCause::ALL.len() }> {
    fn default() -> Self {
        Self(
            [
                "zk_elections_start_total",
                "zk_elections_leader_lost_total",
                "zk_elections_quorum_lost_total",
                "zk_elections_hand_over_total",
                "zk_elections_roll_over_total",
                "zk_elections_reconfig_total",
            ]
            .map(|name| (name, Counter::default())),
        )
    }
}

impl Default for ByKind<{ HoldEnd::ALL.len() }> {
    fn default() -> Self {
        Self(
            [
                "zk_holds_ended_time_total",
                "zk_holds_ended_requests_total",
                "zk_holds_ended_bytes_total",
                "zk_holds_ended_unknowable_total",
                "zk_holds_ended_session_gone_total",
            ]
            .map(|name| (name, Counter::default())),
        )
    }
}

/// The last, the smallest and the largest size.
#[derive(Debug, Default)]
pub struct Sizes {
    /// All one more than they are; 0: none yet.
    last: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Sizes {
    /// Observes a size; by one thread at a time, or the smallest may be missed.
    pub fn observe(&self, size: u64) {
        let shifted = size.saturating_add(1);
        self.last.store(shifted, Relaxed);
        self.max.fetch_max(shifted, Relaxed);
        let min = self.min.load(Relaxed);
        if min == 0 || shifted < min {
            self.min.store(shifted, Relaxed);
        }
    }

    /// Last, smallest and largest; -1 before the first.
    #[must_use]
    pub fn values(&self) -> [i64; 3] {
        [&self.last, &self.min, &self.max]
            .map(|n| i64::try_from(n.load(Relaxed)).unwrap_or(i64::MAX) - 1)
    }

    /// Begins again.
    pub fn reset(&self) {
        for n in [&self.last, &self.min, &self.max] {
            n.store(0, Relaxed);
        }
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
    quantiles: Quantiles,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            quantiles: Quantiles::default(),
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
        self.quantiles.observe(value);
    }

    /// The value below which `per_mille` of a thousand are, about; 0 before the first.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        self.quantiles.at(per_mille)
    }

    /// Begins again.
    pub fn reset(&self) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
        self.quantiles.reset();
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
    /// The same by their causes.
    pub elections_by_cause: ByKind<{ ElectionCause::ALL.len() }>,
    /// Times that this server passed on the lead.
    pub hand_overs: Counter,
    /// Times that it could not.
    pub hand_overs_failed: Counter,
    /// Connections that were held between two leaders and went on.
    pub held_connections: Counter,
    /// Requests that were held.
    pub held_requests: Counter,
    /// Requests that the next leader was asked again.
    pub resubmitted_requests: Counter,
    /// Connections that were held and closed, by what ended them.
    pub holds_ended: ByKind<{ HoldEnd::ALL.len() }>,
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
    /// Those that read.
    pub read_latency: Summary,
    /// Those that write.
    pub update_latency: Summary,
    /// Replies to clients, bytes.
    pub response_sizes: Sizes,
    /// Transactions handed to the log, bytes.
    pub proposal_sizes: Sizes,
    /// Flushes that took longer than `fsync.warningthresholdms`.
    pub fsync_slow: Counter,
    /// Snapshots that were asked for too soon.
    pub snapshot_rate_limited: Counter,
    /// fsync of the log, ms.
    pub fsync: Summary,
    /// Disk operations per flush.
    pub batch_size: Summary,
    /// Writing snapshots, ms.
    pub snapshot: Summary,
    /// Looking for a leader, ms.
    pub election_time: Summary,
}

impl Metrics {
    /// What belongs to the server and not to the metrics provider begins at zero again.
    pub fn reset_server(&self) {
        self.packets_received.reset();
        self.packets_sent.reset();
        self.latency.reset();
        self.response_sizes.reset();
        self.proposal_sizes.reset();
    }

    /// Every counter and summary begins at zero again.
    pub fn reset_provider(&self) {
        for sample in samples::of_process(self) {
            sample.reset();
        }
    }
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
    fn sizes_are_minus_one_until_there_is_one() {
        let sizes = Sizes::default();
        assert_eq!(sizes.values(), [-1, -1, -1]);
        for size in [5, 0, 3] {
            sizes.observe(size);
        }
        assert_eq!(sizes.values(), [3, 0, 5]);
        sizes.reset();
        assert_eq!(sizes.values(), [-1, -1, -1]);
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
