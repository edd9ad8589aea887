//! Metrics that Apache has of the stages of its pipeline, where they have a meaning here.

use super::{Counter, Summary};

/// Counts and times between the stages.
#[derive(Debug, Default)]
pub struct Stages {
    /// As leader of an ensemble: transactions proposed.
    pub proposals: Counter,
    /// As leader of an ensemble: transactions committed.
    pub commits: Counter,
    /// As follower: proposals received.
    pub learner_proposals: Counter,
    /// As learner: commits received.
    pub learner_commits: Counter,
    /// As leader: sessions that learners asked about.
    pub revalidations: Counter,
    /// Watch events sent, bytes.
    pub watch_bytes: Counter,
    /// As follower: from the proposal, by the leader's clock, to its receipt, ms.
    pub proposal_latency: Summary,
    /// From the proposal, by the leader's clock, to its being applied here, ms.
    pub propagation_latency: Summary,
    /// As learner: from the proposal, by the leader's clock, to the receipt of its commit, ms.
    pub commit_propagation_latency: Summary,
    /// As leader: from the proposal to a quorum that has it, ms.
    pub quorum_ack_latency: Summary,
    /// From the commit of what was asked here to its being applied: at once, 0 ms.
    pub local_write_committed: Summary,
    /// The same for what was asked elsewhere.
    pub server_write_committed: Summary,
    /// From the end of a role to serving again, ms.
    pub unavailable: Summary,
    /// The same where this server leads then.
    pub leader_unavailable: Summary,
    /// As follower: from the agreement on an epoch to serving, ms.
    pub follower_sync: Summary,
    /// As observer: the same.
    pub observer_sync: Summary,
    /// As leader: learners being brought level by a snapshot, when one begins or is done.
    pub inflight_snap: Summary,
    /// The same without a snapshot.
    pub inflight_diff: Summary,
    /// Disk operations that waited when the storage thread came for more.
    pub log_queue: Summary,
    /// Messages of clients that waited when the core came for more.
    pub core_queue: Summary,
    /// Reading the snapshot at the start, ms.
    pub startup_snapshot: Summary,
    /// Reading the log at the start, ms.
    pub startup_log: Summary,
    /// Transactions read from the log at the start.
    pub startup_txns: Summary,
    /// Reading all at the start, ms.
    pub startup: Summary,
    /// Connections told of a node that appeared, for each event.
    pub node_created: Summary,
    /// The same of one that went.
    pub node_deleted: Summary,
    /// The same of one whose data was set.
    pub node_changed: Summary,
    /// The same of one whose children changed.
    pub node_children: Summary,
}
