//! A vote and the order of votes.

use zk_wire::election::{Notification, ServerState, WireVote};
use zk_wire::{Epoch, Round, Sid, Zxid};

/// Who should lead, and the history that makes it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vote {
    /// `None`: a server that may not vote proposes nobody.
    pub(crate) leader: Option<Sid>,
    pub(crate) zxid: Option<Zxid>,
    pub(crate) epoch: Option<Epoch>,
}

impl Vote {
    /// A vote for nobody.
    pub(crate) const NOBODY: Self = Self {
        leader: None,
        zxid: None,
        epoch: None,
    };

    /// Whether this vote beats another: epoch, then zxid, then server id.
    pub(crate) fn beats(&self, other: &Self, ignore_zxid: bool) -> bool {
        let zxid = |vote: &Self| if ignore_zxid { None } else { vote.zxid };
        (self.epoch, zxid(self), self.leader) > (other.epoch, zxid(other), other.leader)
    }

    pub(crate) fn from_wire(vote: WireVote) -> Self {
        Self {
            leader: vote.leader,
            zxid: vote.zxid,
            epoch: vote.epoch,
        }
    }

    /// As a notification from a server in `state`.
    pub(crate) fn notify(self, state: ServerState, round: Round, config: &str) -> Notification {
        let vote = WireVote {
            leader: self.leader,
            zxid: self.zxid,
            epoch: self.epoch,
        };
        Notification {
            state,
            vote,
            round,
            config: Some(config.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_then_zxid_then_id() {
        let vote = |epoch, zxid, sid| Vote {
            leader: Some(Sid(sid)),
            zxid: Some(Zxid::from_u64(zxid)),
            epoch: Some(Epoch(epoch)),
        };
        assert!(vote(2, 0, 1).beats(&vote(1, 9, 9), false));
        assert!(vote(1, 5, 1).beats(&vote(1, 4, 9), false));
        assert!(vote(1, 5, 2).beats(&vote(1, 5, 1), false));
        assert!(!vote(1, 5, 1).beats(&vote(1, 5, 1), false));
        assert!(vote(0, 0, 1).beats(&Vote::NOBODY, false));
        assert!(vote(1, 4, 9).beats(&vote(1, 5, 1), true));
    }
}
