//! What goes wrong, and when: each fault is applied at a moment that the dice choose and undone a
//! while later.
//!
//! Some are single faults, some are little stories that lead to the states in which mistakes of
//! ensembles live: everything loses power right after an acknowledgement; a leader is cut off with
//! proposals that nobody else has, and rejoins; a server misses writes and is there when the others
//! come back late; an election takes longer than a session lives.

use crate::queue::Us;
use crate::seed::Dice;

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9 of one server.
    Kill,
    /// One machine loses power.
    PowerLoss,
    /// The leader's process or machine goes.
    LeaderLoss,
    /// All machines lose power at about the same time.
    Blackout,
    /// The same, right after the next acknowledged write.
    BlackoutAfterAck,
    /// kill -9 of all servers.
    KillAll,
    /// SIGSTOP of one server, SIGCONT later.
    Pause,
    /// One server is cut off from the others.
    Isolate,
    /// The leader is cut off from the others, its clients are not.
    IsolateLeader,
    /// The servers are split in two.
    Split,
    /// One direction between two servers.
    OneWay,
    /// One connection breaks.
    CutStream,
    /// A client is cut off from a server.
    CutClient,
    /// One disk becomes slow.
    SlowDisk,
    /// A server misses writes; then all lose power, and it comes back before one of the others.
    LagThenBlackout,
    /// The leader dies while the others cannot reach each other.
    LongElection,
    /// The leader is told to pass on the lead, to any or to a certain server.
    HandOver,
    /// The same, and one of the servers dies in the middle of it.
    BrokenHandOver,
}

impl Fault {
    /// All of them; the weights of a run are in this order.
    pub(crate) const ALL: [Self; 18] = [
        Self::Kill,
        Self::PowerLoss,
        Self::LeaderLoss,
        Self::Blackout,
        Self::BlackoutAfterAck,
        Self::KillAll,
        Self::Pause,
        Self::Isolate,
        Self::IsolateLeader,
        Self::Split,
        Self::OneWay,
        Self::CutStream,
        Self::CutClient,
        Self::SlowDisk,
        Self::LagThenBlackout,
        Self::LongElection,
        Self::HandOver,
        Self::BrokenHandOver,
    ];

    /// Draws one by `weights`.
    pub(crate) fn draw(dice: &mut Dice, weights: &[u64]) -> Self {
        let total: u64 = weights.iter().sum();
        let mut at = dice.between(0, total.max(1) - 1);
        for (fault, weight) in Self::ALL.into_iter().zip(weights) {
            if at < *weight {
                return fault;
            }
            at -= weight;
        }
        Self::Kill
    }
}

/// How long a server stays away: mostly shorter than anybody notices, sometimes for long.
pub(crate) fn absence_us(dice: &mut Dice) -> Us {
    match dice.between(0, 9) {
        0..=2 => dice.between(1_000, 40_000),
        3..=7 => dice.between(40_000, 800_000),
        _ => dice.between(800_000, 3_000_000),
    }
}

/// How long a partition lasts.
pub(crate) fn partition_us(dice: &mut Dice) -> Us {
    match dice.between(0, 9) {
        0..=3 => dice.between(5_000, 300_000),
        4..=7 => dice.between(300_000, 1_200_000),
        _ => dice.between(1_200_000, 3_500_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        let mut dice = Dice::new(1);
        let mut weights = [0; Fault::ALL.len()];
        weights[6] = 3;
        for _ in 0..50 {
            assert_eq!(Fault::draw(&mut dice, &weights), Fault::Pause);
        }
        assert_eq!(Fault::draw(&mut dice, &[0; 18]), Fault::Kill);
    }
}
