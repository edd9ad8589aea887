//! What a member tells about itself, for the admin port, metrics and the log.

use zk_wire::client::EventKind;
use zk_wire::election::ServerState;
use zk_wire::{Epoch, SessionId, Sid, Zxid};

use crate::audit::Audited;
use crate::db::Trust;
use crate::io::Configs;
use crate::time::Mono;

/// Phase of a role (`QuorumPeer.ZabState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking for a leader.
    Election,
    /// Agreeing on an epoch.
    Discovery,
    /// Bringing histories level.
    Synchronization,
    /// Serving.
    Broadcast,
}

impl Phase {
    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Election => "election",
            Self::Discovery => "discovery",
            Self::Synchronization => "synchronization",
            Self::Broadcast => "broadcast",
        }
    }
}

/// A learner as its leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerStatus {
    /// Who.
    pub sid: Sid,
    /// Whether its acknowledgements count.
    pub voter: bool,
    /// Whether it finished synchronization.
    pub synced: bool,
    /// Proposals that are not committed and that it has not acknowledged; 0 for observers.
    pub lag: u64,
    /// Transactions that it is not known to have: what a follower has not acknowledged, what an observer
    /// had not received when it answered last; as far as they are of this epoch.
    pub lag_txns: u64,
    /// How late an observer that is behind was with its last answer, ms.
    pub late_ms: u64,
    /// When the oldest was sent that it has not confirmed; while it is being synchronized, when it
    /// connected. `None`: nothing is overdue.
    pub waits_since: Option<Mono>,
}

impl LearnerStatus {
    /// The age of the oldest that it is not known to have, ms; 0 when it is level.
    #[must_use]
    pub fn lag_ms(&self, now: Mono) -> u64 {
        let age = self.waits_since.map_or(0, |at| now.since(at).as_millis());
        u64::try_from(age).unwrap_or(u64::MAX).max(self.late_ms)
    }
}

/// How a learner is brought level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    /// By what it lacks, or by cutting what it has too much.
    Diff,
    /// By the whole state.
    Snap,
}

/// A picture of the member at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// Own id.
    pub sid: Sid,
    /// Whether there is an ensemble at all.
    pub standalone: bool,
    /// Role.
    pub state: ServerState,
    /// Phase of the role.
    pub phase: Phase,
    /// Whether clients are served.
    pub serving: bool,
    /// Whether clients that asked for it may read, without a quorum.
    pub read_only: bool,
    /// Whether its voice counts in elections; not while its history may be incomplete.
    pub has_vote: bool,
    /// Whether it has all that it ever acknowledged.
    pub history: Trust,
    /// Whether it is in no config that is in force: it follows without a vote.
    pub joining: bool,
    /// The leader that is followed, or that this is.
    pub leader: Option<Sid>,
    /// currentEpoch.
    pub epoch: Epoch,
    /// Last transaction handed to the log.
    pub zxid_logged: Zxid,
    /// Last transaction known to be committed.
    pub zxid_committed: Zxid,
    /// Last transaction applied to the tree.
    pub zxid_applied: Zxid,
    /// Digest of the tree at `zxid_applied`.
    pub digest: u64,
    /// Number of znodes as Apache counts them: the root counts twice.
    pub nodes: u64,
    /// Sum of path and data lengths, bytes.
    pub approximate_data_bytes: u64,
    /// Number of ephemerals.
    pub ephemerals: u64,
    /// Number of global sessions.
    pub sessions: u64,
    /// Number of sessions that only this server knows.
    pub local_sessions: u64,
    /// Client connections with a session here.
    pub connections: u64,
    /// Watches here.
    pub watches: u64,
    /// Client requests that wait for an answer here.
    pub outstanding: u64,
    /// As leader: proposals that are not committed.
    pub proposals_outstanding: u64,
    /// As leader: syncs of clients that wait for a commit.
    pub pending_syncs: u64,
    /// Transactions since a snapshot was begun, or since the start.
    pub txns_since_snapshot: u64,
    /// As leader: the learners.
    pub learners: Vec<LearnerStatus>,
    /// Transactions whose digest did not match the tree after applying them.
    pub digest_mismatches: u64,
    /// The configs that it knows; `None` when there is no ensemble.
    pub configs: Option<Configs>,
}

/// Why a connection that was held while there was no leader closed at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// There was no leader for too long.
    Time,
    /// More requests than may be held.
    Requests,
    /// More bytes of requests than may be held.
    Bytes,
    /// Nobody can tell what came of a write, or which events were missed.
    Unknowable,
    /// The next leader does not know the session.
    SessionGone,
}

impl HoldEnd {
    /// All, for counters.
    pub const ALL: [Self; 5] = [
        Self::Time,
        Self::Requests,
        Self::Bytes,
        Self::Unknowable,
        Self::SessionGone,
    ];

    /// For the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Time => "without a leader for too long",
            Self::Requests => "too many requests are held",
            Self::Bytes => "too many bytes of requests are held",
            Self::Unknowable => "what came of its requests without a leader cannot be known",
            Self::SessionGone => "the next leader does not know the session",
        }
    }

    /// For metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Unknowable => "unknowable",
            Self::SessionGone => "session_gone",
        }
    }
}

/// Why there was an election, or a leader without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionCause {
    /// This server started.
    Start,
    /// It lost its leader.
    LeaderLost,
    /// It led, and lost its followers.
    QuorumLost,
    /// The lead was passed on.
    HandOver,
    /// The zxids of an epoch were used up.
    RollOver,
    /// A change of the membership.
    Reconfig,
}

impl ElectionCause {
    /// All, for counters.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::LeaderLost,
        Self::QuorumLost,
        Self::HandOver,
        Self::RollOver,
        Self::Reconfig,
    ];

    /// For metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::LeaderLost => "leader_lost",
            Self::QuorumLost => "quorum_lost",
            Self::HandOver => "hand_over",
            Self::RollOver => "roll_over",
            Self::Reconfig => "reconfig",
        }
    }
}

/// Something that an operator may want to see in the log or counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// A role or phase began.
    Phase {
        /// Role.
        state: ServerState,
        /// Phase.
        phase: Phase,
        /// Leader, if known.
        leader: Option<Sid>,
    },
    /// An election ended after so many ms.
    Elected {
        /// Whom.
        leader: Sid,
        /// Time spent looking, ms.
        took_ms: u64,
        /// Why there was one.
        cause: ElectionCause,
    },
    /// A role ended.
    RoleLost {
        /// Which.
        state: ServerState,
        /// Why.
        why: String,
    },
    /// A learner was brought level.
    Synchronized {
        /// Whom.
        sid: Sid,
        /// "DIFF", "DIFF from the log", "TRUNC" or "SNAP".
        how: &'static str,
    },
    /// So many learners are being brought level in this way: said when one begins, and when one is.
    SyncsUnderWay {
        /// How.
        kind: SyncKind,
        /// Learners.
        count: u64,
    },
    /// An event was sent to those who watch for it.
    WatchesFired {
        /// Which.
        kind: EventKind,
        /// Connections that are told.
        count: u64,
    },
    /// A session timed out.
    SessionExpired {
        /// Which.
        session: SessionId,
    },
    /// A session that only this server knew timed out.
    LocalSessionExpired {
        /// Which.
        session: SessionId,
    },
    /// This leader passed on the lead.
    HandedOver {
        /// To whom.
        to: Sid,
    },
    /// A hand-over did not come to be; the leader is the same.
    HandOverFailed {
        /// Why.
        why: &'static str,
    },
    /// A hand-over that was asked for cannot be.
    HandOverRefused {
        /// Why.
        why: String,
    },
    /// The empty directory of this server is vouched for, durably: its vote counts.
    Formed,
    /// This server's directory cannot be vouched for.
    FormRefused {
        /// Why.
        why: String,
    },
    /// A quorum follows the leader without this server, which is about to stop.
    MayLeave,
    /// A connection that was held without a leader closed.
    HoldEnded {
        /// Why.
        why: HoldEnd,
    },
    /// A connection that was held goes on under the next leader.
    WentOn {
        /// Whose session.
        session: SessionId,
        /// Its time-out, ms.
        timeout_ms: i32,
        /// Requests that were asked again.
        again: u64,
        /// Requests that came in the meantime.
        held: u64,
    },
    /// Clients that asked for it may read without a quorum, or no longer.
    ReadOnly {
        /// Whether they may.
        serving: bool,
    },
    /// The tree is not what the leader said it would be after this transaction.
    DigestMismatch {
        /// Which.
        zxid: Zxid,
        /// Leader's.
        expected: u64,
        /// Ours.
        found: u64,
    },
    /// A config of the ensemble is in force.
    ConfigInForce {
        /// Its version.
        version: i64,
        /// Its members.
        members: String,
    },
    /// Something for the audit log; said where that was asked for only.
    Audited(Box<Audited>),
    /// A transaction was applied.
    Applied {
        /// Which.
        zxid: Zxid,
        /// Digest of the tree after it.
        digest: u64,
        /// When it was proposed by the leader's wall clock, ms since the Unix epoch; `None` when it came
        /// with the history of a leader and not by live traffic.
        proposed_ms: Option<i64>,
        /// Whether a client of this server asked for it.
        asked_here: bool,
    },
}
