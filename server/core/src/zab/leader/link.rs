//! One learner as its leader sees it (`LearnerHandler`).

use zk_wire::{Sid, Zxid};

use super::lag::Lag;
use crate::status::SyncKind;
use crate::time::Mono;

/// What the learner must send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// FOLLOWERINFO or OBSERVERINFO.
    ExpectInfo,
    /// Nothing: the epoch is not fixed yet.
    AwaitEpoch,
    /// ACKEPOCH.
    ExpectAckEpoch,
    /// Nothing: the quorum of epoch acknowledgements is not complete.
    AwaitEpochAcks {
        /// The last zxid that it has.
        last_zxid: Zxid,
    },
    /// Nothing: the log on disk is being read for it.
    AwaitLog {
        /// The last zxid that it has.
        last_zxid: Zxid,
    },
    /// The acknowledgement of NEWLEADER.
    ExpectNewLeaderAck,
    /// Nothing: the quorum of NEWLEADER acknowledgements is not complete.
    AwaitActivation,
    /// Anything of the broadcast phase.
    Serving,
}

/// A learner's connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) sid: Option<Sid>,
    pub(crate) observer: bool,
    /// Whether it understands how the lead is passed on.
    pub(crate) hands_over: bool,
    /// Whether it is about to stop.
    pub(crate) leaves: bool,
    /// Whether it was told that it may.
    pub(crate) let_go: bool,
    pub(crate) state: LinkState,
    /// When silence becomes too long.
    pub(crate) silent_at: Mono,
    /// One proposal that it has not acknowledged, and since when.
    pub(crate) oldest_unacked: Option<(Zxid, Mono)>,
    /// How it is being brought level, until it is.
    pub(crate) sync: Option<SyncKind>,
    pub(crate) lag: Lag,
}

impl Link {
    pub(crate) fn new(silent_at: Mono, now: Mono) -> Self {
        Self {
            sid: None,
            observer: false,
            hands_over: false,
            leaves: false,
            let_go: false,
            state: LinkState::ExpectInfo,
            silent_at,
            oldest_unacked: None,
            sync: None,
            lag: Lag::new(now),
        }
    }

    /// Whether live traffic goes to it: from the moment its history is queued.
    pub(crate) fn stream_open(&self) -> bool {
        matches!(
            self.state,
            LinkState::ExpectNewLeaderAck | LinkState::AwaitActivation | LinkState::Serving
        )
    }
}
