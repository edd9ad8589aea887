//! Votes received, and whether enough of them agree.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::election::ServerState;
use zk_wire::{Round, Sid};

use super::vote::Vote;
use crate::ensemble::Ensemble;

/// A vote with what is needed to compare it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    pub(super) vote: Vote,
    pub(super) round: Round,
    pub(super) state: ServerState,
}

impl Cast {
    /// Votes of looking servers agree when all of them is equal; settled ones when leader and epoch
    /// are, for zxid and round stay those of an election that others did not take part in.
    fn agrees(&self, other: &Self) -> bool {
        let looking = [self.state, other.state].contains(&ServerState::Looking);
        if looking {
            self.vote == other.vote && self.round == other.round
        } else {
            self.vote.leader == other.vote.leader && self.vote.epoch == other.vote.epoch
        }
    }
}

/// The last vote of each server.
#[derive(Debug, Default)]
pub(super) struct Tally {
    casts: BTreeMap<Sid, Cast>,
}

impl Tally {
    pub(super) fn put(&mut self, sid: Sid, cast: Cast) {
        self.casts.insert(sid, cast);
    }

    /// Whether this is what a server said last.
    pub(super) fn has(&self, sid: Sid, cast: Cast) -> bool {
        let last = self.casts.get(&sid);
        last.is_some_and(|last| last.agrees(&cast))
    }

    pub(super) fn clear(&mut self) {
        self.casts.clear();
    }

    fn agreeing(&self, with: Cast) -> impl Iterator<Item = Sid> + '_ {
        self.casts
            .iter()
            .filter(move |(_, c)| c.agrees(&with))
            .map(|(sid, _)| *sid)
    }

    /// Whether a quorum agrees with a vote.
    pub(super) fn has_quorum(&self, ensemble: &Ensemble, with: Cast) -> bool {
        ensemble.is_quorum(self.agreeing(with))
    }

    /// Whether every voter agrees with a vote, whatever `but` thinks.
    pub(super) fn is_unanimous(&self, ensemble: &Ensemble, with: Cast, but: Option<Sid>) -> bool {
        let agreed: BTreeSet<Sid> = self.agreeing(with).chain(but).collect();
        ensemble.voters().all(|sid| agreed.contains(&sid))
    }

    /// Whether the server said of itself that it leads.
    pub(super) fn says_it_leads(&self, leader: Sid) -> bool {
        self.casts
            .get(&leader)
            .is_some_and(|c| c.state == ServerState::Leading)
    }
}
