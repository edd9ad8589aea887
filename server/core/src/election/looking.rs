//! The LOOKING role: rounds, time-outs, outcome.

use zk_wire::election::{Notification, ServerState};
use zk_wire::{Round, Sid};

use super::tally::{Cast, Tally};
use super::vote::Vote;
use crate::ensemble::Ensemble;
use crate::io::{Output, Outputs};
use crate::time::Mono;

/// How long an agreed vote waits for a better one, ms (`finalizeWait`).
const FINALIZE_MS: u64 = 200;
/// First wait before a vote is sent again, ms (`minNotificationInterval`).
const RESEND_MIN_MS: u64 = 200;
/// Longest wait before a vote is sent again, ms. Apache goes up to a minute; a lost message would
/// then cost a minute, and one small message per peer and some seconds costs nothing.
const RESEND_MAX_MS: u64 = 3200;

/// How an election ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The vote that won.
    pub(crate) vote: Vote,
    /// Who leads.
    pub(crate) leader: Sid,
    /// In which round.
    pub(crate) round: Round,
}

/// How long a round may last in which nobody is elected, at first and at most.
const NEXT_ROUND_MIN_MS: u64 = 1_000;
const NEXT_ROUND_MAX_MS: u64 = 16_000;

/// Whether servers may be elected in this round that get their vote only by a config that is proposed.
///
/// Such a newcomer may have more than all others, and be needed for a quorum of that config: then nobody
/// else can lead. But those who have not heard of that config cannot elect it, and then somebody else has
/// to lead, whom the newcomers support. Nobody knows which of the two is the case, so the rounds take
/// turns. (Apache's newcomers name themselves in none, and such an ensemble stands still.)
fn newcomers_lead(round: Round) -> bool {
    round.0 % 2 == 0
}

/// The vote of this server for itself in a round.
fn own_in(round: Round, own: Vote, me: Sid, ensemble: &Ensemble) -> Vote {
    if ensemble.votes_now(me) || newcomers_lead(round) {
        own
    } else {
        Vote::NOBODY
    }
}

/// One run of the election.
#[derive(Debug)]
pub(crate) struct Looking {
    me: Sid,
    /// Own initial vote.
    own: Vote,
    proposal: Vote,
    round: Round,
    this_round: Tally,
    settled: Tally,
    resend_at: Mono,
    resend_ms: u64,
    /// When the agreed vote stands, if nothing better comes.
    finalize_at: Option<Mono>,
    /// When the next round begins although nobody is elected; only while newcomers may lead.
    next_round_at: Mono,
    next_round_ms: u64,
    pub(crate) since: Mono,
    ignore_zxid: bool,
    /// Whether this server has a vote. One without follows who is elected already, and supports
    /// nobody: Apache's servers whose last zxid is -1 do the same.
    votes: bool,
    /// The leader whose connection just ended: no vote of it is waited for.
    lost: Option<Sid>,
}

impl Looking {
    /// Begins a round after `last`; `own` is this server's vote for itself, or for nobody.
    pub(crate) fn new(
        me: Sid,
        own: Vote,
        last: Round,
        ensemble: &Ensemble,
        now: Mono,
        ignore_zxid: bool,
        out: &mut Outputs,
    ) -> Self {
        let round = Round(last.0.max(0) + 1);
        let mut looking = Self {
            me,
            own,
            proposal: own_in(round, own, me, ensemble),
            round,
            this_round: Tally::default(),
            settled: Tally::default(),
            resend_at: now.plus(RESEND_MIN_MS),
            resend_ms: RESEND_MIN_MS,
            finalize_at: None,
            next_round_at: now.plus(NEXT_ROUND_MIN_MS),
            next_round_ms: NEXT_ROUND_MIN_MS,
            since: now,
            ignore_zxid,
            votes: true,
            lost: None,
        };
        looking.broadcast(ensemble, out);
        looking
    }

    /// The connection to this leader just ended: its vote is not waited for.
    pub(crate) fn has_lost(&mut self, leader: Option<Sid>) {
        self.lost = leader;
    }

    /// This server may have lost what it acknowledged: it supports nobody. (One that is to become a voter
    /// supports others.)
    pub(crate) fn without_vote(&mut self) {
        self.votes = false;
    }

    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// The present proposal, for answers to others.
    pub(crate) fn proposal(&self) -> Vote {
        self.proposal
    }

    pub(crate) fn deadline(&self) -> Mono {
        let at = self.resend_at.min(self.next_round_at);
        self.finalize_at
            .map_or(at, |finalize_at| at.min(finalize_at))
    }

    /// Whether a vote of this round is worse than the present proposal, so that its server has to
    /// hear of that one: it may have begun to look after it was sent. Once for each vote: a server that
    /// cannot take the better one answers what it is told.
    pub(crate) fn knows_better(&self, from: Sid, n: &Notification) -> bool {
        let vote = Vote::from_wire(n.vote);
        let better = n.round == self.round && self.proposal.beats(&vote, self.ignore_zxid);
        better && !self.this_round.has(from, self.cast(vote))
    }

    fn own_in(&self, round: Round, ensemble: &Ensemble) -> Vote {
        own_in(round, self.own, self.me, ensemble)
    }

    fn cast(&self, vote: Vote) -> Cast {
        Cast {
            vote,
            round: self.round,
            state: ServerState::Looking,
        }
    }

    /// Tells all voters, and itself, what it proposes.
    fn broadcast(&mut self, ensemble: &Ensemble, out: &mut Outputs) {
        let notification = self
            .proposal
            .notify(ServerState::Looking, self.round, ensemble.text());
        for to in ensemble.voters().filter(|sid| *sid != self.me) {
            out.push(Output::Notify {
                to,
                notification: notification.clone(),
            });
        }
        if self.votes && ensemble.is_voter(self.me) {
            self.this_round.put(self.me, self.cast(self.proposal));
        }
    }

    /// Something changed in this round: is the proposal agreed, and does it wait?
    fn tally(&mut self, ensemble: &Ensemble, now: Mono) -> Option<Outcome> {
        let with = self.cast(self.proposal);
        let leader = self.proposal.leader?;
        let quorum = self.this_round.has_quorum(ensemble, with);
        if quorum && self.this_round.is_unanimous(ensemble, with, self.lost) {
            return Some(Outcome {
                vote: self.proposal,
                leader,
                round: self.round,
            });
        }
        if quorum {
            self.finalize_at.get_or_insert(now.plus(FINALIZE_MS));
        } else {
            self.finalize_at = None;
        }
        None
    }

    /// Begins: a server that is its own quorum needs nobody's vote.
    pub(crate) fn start(&mut self, ensemble: &Ensemble, now: Mono) -> Option<Outcome> {
        self.tally(ensemble, now)
    }

    /// Time passed.
    pub(crate) fn tick(
        &mut self,
        ensemble: &Ensemble,
        now: Mono,
        out: &mut Outputs,
    ) -> Option<Outcome> {
        if self.finalize_at.is_some_and(|at| at <= now) {
            let leader = self.proposal.leader?;
            return Some(Outcome {
                vote: self.proposal,
                leader,
                round: self.round,
            });
        }
        if self.next_round_at <= now {
            self.next_round_ms = (self.next_round_ms * 2).min(NEXT_ROUND_MAX_MS);
            self.next_round_at = now.plus(self.next_round_ms);
            if ensemble.has_newcomers() {
                let round = Round(self.round.0 + 1);
                let own = self.own_in(round, ensemble);
                self.enter_round(round, own, ensemble, now, out);
            }
        }
        if self.resend_at <= now {
            self.resend_ms = (self.resend_ms * 2).min(RESEND_MAX_MS);
            self.resend_at = now.plus(self.resend_ms);
            self.broadcast(ensemble, out);
        }
        None
    }

    /// A message of a voter.
    pub(crate) fn notification(
        &mut self,
        from: Sid,
        n: &Notification,
        ensemble: &Ensemble,
        now: Mono,
        out: &mut Outputs,
    ) -> Option<Outcome> {
        let vote = Vote::from_wire(n.vote);
        let is_looking = n.state == ServerState::Looking;
        let electable = |sid: Sid| {
            let newcomers = !is_looking || newcomers_lead(n.round);
            ensemble.votes_now(sid) || (newcomers && ensemble.is_voter(sid))
        };
        let leader = vote
            .leader
            .filter(|sid| electable(*sid) && ensemble.may_lead(*sid));
        // One for whom nobody votes, but whose support may be needed: it hears no earlier round.
        if leader.is_none() && is_looking && n.round > self.round {
            let own = self.own_in(n.round, ensemble);
            self.enter_round(n.round, own, ensemble, now, out);
        }
        let leader = leader?;
        match n.state {
            ServerState::Looking => self.looking_vote(from, vote, n.round, ensemble, now, out),
            ServerState::Observing => None,
            ServerState::Following | ServerState::Leading => {
                self.settled_vote(from, leader, vote, n, ensemble)
            }
        }
    }

    /// Joins a later round of the same election.
    fn enter_round(
        &mut self,
        round: Round,
        proposal: Vote,
        ensemble: &Ensemble,
        now: Mono,
        out: &mut Outputs,
    ) {
        self.next_round_at = now.plus(self.next_round_ms);
        self.round = round;
        self.this_round.clear();
        self.finalize_at = None;
        self.proposal = proposal;
        self.broadcast(ensemble, out);
    }

    fn looking_vote(
        &mut self,
        from: Sid,
        vote: Vote,
        round: Round,
        ensemble: &Ensemble,
        now: Mono,
        out: &mut Outputs,
    ) -> Option<Outcome> {
        // A history of unknown length takes no part.
        vote.zxid?;
        if !self.votes {
            return None;
        }
        if round < self.round {
            return None;
        }
        if round > self.round {
            let own = self.own_in(round, ensemble);
            let better = vote.beats(&own, self.ignore_zxid);
            let proposal = if better { vote } else { own };
            self.enter_round(round, proposal, ensemble, now, out);
        } else if vote.beats(&self.proposal, self.ignore_zxid) {
            self.proposal = vote;
            self.finalize_at = None;
            self.broadcast(ensemble, out);
        }
        self.this_round.put(from, self.cast(vote));
        self.tally(ensemble, now)
    }

    /// Someone has a leader: follow it when a quorum does and the leader says so itself.
    fn settled_vote(
        &mut self,
        from: Sid,
        leader: Sid,
        vote: Vote,
        n: &Notification,
        ensemble: &Ensemble,
    ) -> Option<Outcome> {
        let cast = Cast {
            vote,
            round: n.round,
            state: n.state,
        };
        let accepted = |tally: &Tally, me: Sid, round: Round| {
            let leads = if leader == me {
                round == n.round
            } else {
                tally.says_it_leads(leader)
            };
            leads && tally.has_quorum(ensemble, cast)
        };
        if n.round == self.round {
            self.this_round.put(from, cast);
            if accepted(&self.this_round, self.me, self.round) {
                return Some(Outcome {
                    vote,
                    leader,
                    round: self.round,
                });
            }
        }
        self.settled.put(from, cast);
        if accepted(&self.settled, self.me, self.round) {
            return Some(Outcome {
                vote,
                leader,
                round: n.round,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests;
