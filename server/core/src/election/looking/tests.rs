//! Stories of one looking server.

use zk_wire::membership::Membership;
use zk_wire::{Epoch, Zxid};

use super::*;

fn ensemble(voters: i64) -> Ensemble {
    let text: String = (1..=voters)
        .map(|n| format!("server.{n}=h{n}:2888:3888\n"))
        .collect();
    Ensemble::new(
        Membership::parse(&text).unwrap(),
        Sid(1),
        crate::Bugs::default(),
    )
}

fn vote(sid: i64, zxid: u64, epoch: u32) -> Vote {
    Vote {
        leader: Some(Sid(sid)),
        zxid: Some(Zxid::from_u64(zxid)),
        epoch: Some(Epoch(epoch)),
    }
}

struct Bench {
    ensemble: Ensemble,
    looking: Looking,
    out: Outputs,
}

impl Bench {
    fn new(voters: i64, own: Vote) -> Self {
        let ensemble = ensemble(voters);
        let mut out = Outputs::new();
        let me = Sid(1);
        let looking = Looking::new(
            me,
            own,
            Round(0),
            &ensemble,
            Mono::from_ms(0),
            false,
            &mut out,
        );
        Self {
            ensemble,
            looking,
            out,
        }
    }

    fn hear(&mut self, from: i64, state: ServerState, vote: Vote, round: i64) -> Option<Outcome> {
        let n = vote.notify(state, Round(round), "");
        let now = Mono::from_ms(10);
        self.looking
            .notification(Sid(from), &n, &self.ensemble, now, &mut self.out)
    }

    fn leader(outcome: Option<Outcome>) -> Option<i64> {
        outcome.map(|o| o.leader.0)
    }
}

#[test]
fn a_quorum_waits_for_a_better_vote_and_all_voters_do_not() {
    let mut b = Bench::new(3, vote(1, 5, 1));
    assert_eq!(b.hear(2, ServerState::Looking, vote(1, 5, 1), 1), None);
    let at = b.looking.deadline();
    assert_eq!(
        at,
        Mono::from_ms(200),
        "the first message is sent again before the wait ends"
    );
    let now = Mono::from_ms(210);
    let elected = b.looking.tick(&b.ensemble, now, &mut b.out);
    assert_eq!(Bench::leader(elected), Some(1));

    let mut b = Bench::new(3, vote(1, 5, 1));
    b.hear(2, ServerState::Looking, vote(1, 5, 1), 1);
    let elected = b.hear(3, ServerState::Looking, vote(1, 5, 1), 1);
    assert_eq!(Bench::leader(elected), Some(1));
}

#[test]
fn a_longer_history_wins_over_a_larger_id() {
    let mut b = Bench::new(3, vote(1, 5, 1));
    b.hear(3, ServerState::Looking, vote(3, 4, 1), 1);
    assert_eq!(b.looking.proposal(), vote(1, 5, 1));
    b.hear(2, ServerState::Looking, vote(2, 6, 1), 1);
    assert_eq!(b.looking.proposal(), vote(2, 6, 1));
    b.hear(3, ServerState::Looking, vote(3, 0, 2), 1);
    assert_eq!(b.looking.proposal(), vote(3, 0, 2));
}

#[test]
fn a_newer_round_forgets_the_votes_of_the_old_one() {
    let mut b = Bench::new(3, vote(1, 5, 1));
    b.hear(2, ServerState::Looking, vote(2, 6, 1), 1);
    b.hear(3, ServerState::Looking, vote(3, 1, 1), 4);
    assert_eq!(
        (b.looking.round(), b.looking.proposal()),
        (Round(4), vote(1, 5, 1))
    );
    assert_eq!(b.hear(2, ServerState::Looking, vote(2, 6, 1), 1), None);
    assert_eq!(b.looking.proposal(), vote(1, 5, 1));
}

#[test]
fn a_joiner_follows_only_a_leader_that_says_so_itself() {
    let mut b = Bench::new(5, vote(1, 0, 0));
    let settled = vote(5, 9, 3);
    assert_eq!(b.hear(2, ServerState::Following, settled, 7), None);
    assert_eq!(b.hear(3, ServerState::Following, settled, 7), None);
    assert_eq!(b.hear(4, ServerState::Following, settled, 8), None);
    let outcome = b.hear(5, ServerState::Leading, settled, 7);
    assert_eq!(Bench::leader(outcome), Some(5));
}

#[test]
fn votes_for_strangers_and_unknown_histories_do_not_count() {
    let mut b = Bench::new(3, vote(1, 5, 1));
    b.hear(2, ServerState::Looking, vote(9, 50, 9), 1);
    let unknown = Vote {
        leader: Some(Sid(2)),
        zxid: None,
        epoch: Some(Epoch(9)),
    };
    b.hear(2, ServerState::Looking, unknown, 1);
    assert_eq!(b.looking.proposal(), vote(1, 5, 1));
    assert_eq!(b.looking.finalize_at, None);
}

#[test]
fn one_voter_needs_nobody() {
    let mut b = Bench::new(1, vote(1, 0, 0));
    let outcome = b.looking.start(&b.ensemble, Mono::from_ms(0));
    assert_eq!(Bench::leader(outcome), Some(1));
}
