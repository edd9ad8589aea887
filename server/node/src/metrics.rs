//! Counts and times of this process, and how they are shown.
//!
//! Names and meanings are those of Apache ZooKeeper 3.9, so that dashboards and alerts go on working;
//! own metrics begin with `zk_`. One list of samples feeds both `/metrics` and `mntr`.

mod families;
mod histogram;
mod limits;
mod members;
mod own;
mod quantiles;
mod samples;
mod space;
mod stages;
mod text;
mod values;

use std::sync::Arc;

use zk_core::{ElectionCause, HoldEnd};

use crate::audit::AuditLines;
use crate::traces::TraceCounts;

pub use histogram::Histogram;
pub use limits::Limit;
pub use space::watch as watch_space;
pub use stages::Stages;
pub use text::{mntr_lines, prometheus_text, values};
pub use values::{Absence, ByKind, Counter, Gauge, Kind, Sizes, Summary};

impl Kind for ElectionCause {
    const LABEL: &'static str = "cause";
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Kind for HoldEnd {
    const LABEL: &'static str = "cause";
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

/// When a certificate is good, in seconds since 1970; both 0: there is none.
#[derive(Debug, Default)]
pub struct Validity {
    /// Its first second.
    pub not_before: Gauge,
    /// Its last second.
    pub not_after: Gauge,
}

/// Room in a file system, bytes; both 0: it is not known.
#[derive(Debug, Default)]
pub struct Space {
    /// For this process to write.
    pub free: Gauge,
    /// In all.
    pub size: Gauge,
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
    /// Clients refused in a handshake for the certificate that they show, or for showing none.
    pub tls_auth_failed: Counter,
    /// Plain connections refused where only TLS is spoken.
    pub tls_plain_refused: Counter,
    /// Renewed certificates taken into use.
    pub tls_reloads: Counter,
    /// Renewed certificates that could not be used.
    pub tls_reload_failures: Counter,
    /// Times that changed settings were taken into use.
    pub settings_applied: Counter,
    /// Lines of the audit log.
    pub audit: Arc<AuditLines>,
    /// Requests that were traced.
    pub traces: Arc<TraceCounts>,
    /// Times that changed settings were refused.
    pub settings_refused: Counter,
    /// Times that this member began to look for a leader.
    pub looking: Counter,
    /// Elections that ended with a leader, by what they were held for.
    pub elections: ByKind<ElectionCause>,
    /// How long they took.
    pub election_duration: Histogram,
    /// Times in which this server served under no leader.
    pub leaderless: Absence,
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
    pub holds_ended: ByKind<HoldEnd>,
    /// Learners synchronized by DIFF or TRUNC.
    pub diff: Counter,
    /// Learners synchronized by SNAP.
    pub snap: Counter,
    /// Sessions expired.
    pub stale_sessions_expired: Counter,
    /// Sessions expired, local ones included.
    pub sessions_expired: Counter,
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
    /// fsync of the log.
    pub fsync_duration: Histogram,
    /// As leader, from the proposal of a transaction to its commit.
    pub commit_duration: Histogram,
    /// From the proposal of a transaction, by the leader's clock, to its being applied here.
    pub propagation_duration: Histogram,
    /// Limits that were reached.
    pub limits: ByKind<Limit>,
    /// The certificate of the client port.
    pub client_certificate: Validity,
    /// The certificate for other servers.
    pub quorum_certificate: Validity,
    /// The file system of `dataDir`.
    pub data_space: Space,
    /// The file system of `dataLogDir`.
    pub log_space: Space,
    /// When the last snapshot was durable, s since 1970; 0: there is none.
    pub snapshot_at: Gauge,
    /// Metrics that Apache has of its stages and that have a meaning here.
    pub stages: Stages,
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
