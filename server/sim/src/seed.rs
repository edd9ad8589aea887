//! Everything random of a run, drawn from one `u64`, and the parameters that follow from it.
//!
//! ChaCha is used because its stream is the same on every platform and in every version: a seed
//! that was written down once replays the same run.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use zk_core::Bugs;

/// The only source of chance in a run.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        debug_assert!(low <= high, "{low}..={high}");
        low + self.0.next_u64() % (high - low + 1)
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0.next_u64() % n).unwrap_or(0)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.0.next_u64() % 100 < percent
    }

    /// True `n` times in a thousand.
    pub(crate) fn per_mille(&mut self, n: u64) -> bool {
        self.0.next_u64() % 1000 < n
    }

    /// One of `items`; `None` when there are none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.get(self.below(items.len())).copied()
    }
}

/// What the caller asks of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunConfig {
    /// Decides everything else.
    pub seed: u64,
    /// 3 or 5; `None` lets the seed decide.
    pub servers: Option<u8>,
    /// Whether the members change; `None` lets the seed decide.
    pub reconfigs: Option<bool>,
    /// Events until the faults end.
    pub steps: u64,
    /// Mistakes to make.
    pub bugs: Bugs,
    /// Whether to print every event.
    pub trace: bool,
    /// Leaves out the checks of durability on a quorum and of established epochs: a broken promise
    /// must then be found by what follows from it.
    pub effects_only: bool,
}

/// Events until the faults end, when nobody says otherwise: some fifteen virtual seconds.
pub const STEPS_DEFAULT: u64 = 15_000;

/// Makes the dice that decide about kinds of sessions other ones than those of the rest.
const SESSION_KINDS: u64 = 0x7365_7373_696f_6e73;

/// Stream of whether clients number anew.
const NUMBERS: u64 = 0x6e75_6d62_6572_7321;

/// Stream of whether observers follow followers.
const MASTERS: u64 = 0x6d61_7374_6572_7321;

/// The same for what servers differ in, and for stories of several faults. The pinned seeds of before
/// (`tests/it`) have nothing of it.
const STORIES: u64 = 0x7374_6f72_6965_1ad0;

/// The same for faults of disks.
const DISK_FAULTS: u64 = 0x6469_736b_7320_6c6f;

/// Ranges of one run. Each seed favours other faults, so that some runs are nearly quiet and others
/// are dominated by one kind of fault.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub servers: u8,
    pub clients: u8,
    pub tick_ms: u64,
    pub snap_count: u64,
    /// Client pause between operations, upper bound, us.
    pub think_us: u64,
    /// One-way network delay, us.
    pub delay_us: (u64, u64),
    /// Duration of a write plus sync, us.
    pub disk_us: (u64, u64),
    /// Pause between two faults, us.
    pub fault_gap_us: (u64, u64),
    /// Weights of the faults, in the order of [`crate::faults::Fault::ALL`].
    pub fault_weights: Vec<u64>,
    /// Whether the members change.
    pub reconfigs: bool,
    /// Servers that are no members at first.
    pub spares: u8,
    /// Whether the first leader gives the config a version.
    pub first_version: bool,
    /// Whether sessions begin as local ones.
    pub local_sessions: bool,
    /// Whether clients number their requests anew with each connection.
    pub numbers_anew: bool,
    /// Counter at which a new epoch begins in place.
    pub roll_over_at: u32,
    /// How long connections are held without a leader, ms; 0: not at all.
    pub hold_ms: u64,
    /// Whether servers serve reads without a quorum, and clients ask for that.
    pub read_only: bool,
    /// Applied transactions that are kept in memory.
    pub history_len: usize,
    /// Whether disks are emptied and damaged; then no empty disk is trusted without a word.
    pub disk_faults: bool,
    /// Servers that observe from the beginning.
    pub observers: u8,
    /// Whether observers follow followers.
    pub observer_masters: bool,
    /// ms that pass in a second by the clock of a server, where it is not 1,000.
    pub clock_rates: BTreeMap<u8, u64>,
    /// Servers that know nothing of passing on the lead, as Apache's do not.
    pub without_hand_over: BTreeSet<u8>,
    /// Whether servers lose their clients to others and come back as the leader goes.
    pub stories: bool,
    /// Whether clients set ACLs, use containers, and watch for good.
    pub wide_workload: bool,
    /// Whether learners get what the log has; else a snapshot where memory lacks something.
    pub log_diffs: bool,
}

impl Parameters {
    /// Dice that decide about faults of disks, and about nothing else.
    pub(crate) fn disk_dice(seed: u64) -> Dice {
        Dice::new(seed ^ DISK_FAULTS)
    }

    /// Dice that decide about stories of several faults, and about nothing else.
    pub(crate) fn story_dice(seed: u64) -> Dice {
        Dice::new(seed ^ STORIES)
    }

    /// All machines, members or not.
    pub(crate) fn all_servers(&self) -> u8 {
        self.servers + self.observers + self.spares
    }

    /// Some servers of the first `all` that differ from the others.
    fn some_servers(dice: &mut Dice, all: u8, percent: u64) -> BTreeSet<u8> {
        (1..=all).filter(|_| dice.percent(percent)).collect()
    }

    pub(crate) fn draw(config: &RunConfig, dice: &mut Dice) -> Self {
        let servers = config
            .servers
            .unwrap_or(if dice.percent(70) { 3 } else { 5 });
        let slow_net = dice.percent(20);
        let slow_disk = dice.percent(20);
        // Chance of its own: what came later does not change what a seed did before.
        let mut kinds = Dice::new(config.seed ^ SESSION_KINDS);
        let (local_sessions, read_only) = (kinds.percent(40), kinds.percent(40));
        let history_len = kinds.pick(&[5, 40, 500]).unwrap_or(500);
        let reconfigs = config.reconfigs.unwrap_or(kinds.percent(40));
        let spares = u8::try_from(kinds.between(0, 2)).unwrap_or(0);
        let mut stories = Self::story_dice(config.seed);
        let observes = stories.percent(25);
        let observers = u8::from(observes && !reconfigs);
        let drifts = stories.percent(40);
        let clock_rates = (1..=9).filter(|_| drifts);
        let clock_rates = clock_rates.map(|sid| (sid, stories.between(920, 1_080)));
        let clock_rates = clock_rates.collect();
        let without_hand_over = match stories.percent(20) {
            true => Self::some_servers(&mut stories, 9, 40),
            false => BTreeSet::new(),
        };
        let tells = stories.percent(40);
        let wide_workload = stories.percent(60);
        let log_diffs = !tells || stories.percent(50);
        // Without the log, what memory lacks takes a snapshot.
        let history_len = if log_diffs { history_len } else { 5 };
        let gap = dice.pick(&[150_000, 400_000, 1_000_000]).unwrap_or(400_000);
        Self {
            servers,
            clients: u8::try_from(dice.between(2, 4)).unwrap_or(2),
            tick_ms: 100,
            snap_count: dice.between(8, 120),
            think_us: dice.pick(&[20_000, 60_000, 200_000]).unwrap_or(60_000),
            delay_us: if slow_net {
                (500, 40_000)
            } else {
                (100, 3_000)
            },
            disk_us: if slow_disk {
                (1_000, 80_000)
            } else {
                (200, 6_000)
            },
            fault_gap_us: (gap / 4, gap * 2),
            fault_weights: crate::faults::Fault::ALL
                .iter()
                .map(|_| dice.pick(&[0, 1, 1, 2, 5]).unwrap_or(1))
                .collect(),
            local_sessions,
            numbers_anew: Dice::new(config.seed ^ NUMBERS).percent(25),
            read_only,
            history_len,
            // A disk that is lost costs a vote, which a small ensemble of them may not have to spare.
            disk_faults: !reconfigs && Self::disk_dice(config.seed).percent(30),
            reconfigs,
            spares: if reconfigs { spares } else { 0 },
            first_version: reconfigs && kinds.percent(50),
            roll_over_at: kinds.pick(&[u32::MAX, 30, 200]).unwrap_or(u32::MAX),
            observers,
            observer_masters: Dice::new(config.seed ^ MASTERS).percent(50),
            clock_rates,
            without_hand_over,
            stories: tells,
            wide_workload,
            log_diffs,
            hold_ms: kinds.pick(&[0, 300, 5_000, 5_000, 5_000]).unwrap_or(5_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..32).map(|_| dice.between(3, 900)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().all(|n| (3..=900).contains(n)));
    }
}
