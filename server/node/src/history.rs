//! What happened lately, in bounded memory: elections, and how long the disk took.
//!
//! For people who look at the page of the admin port after something went wrong. Counters tell how often,
//! this tells when.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Elections that are remembered.
const ELECTIONS_MAX: usize = 100;

/// Slow flushes that are remembered.
const SLOW_MAX: usize = 50;

/// Minutes whose slowest flush is remembered.
const MINUTES_MAX: usize = 60;

const MINUTE_MS: i64 = 60_000;

/// The last of many; what is older is forgotten.
#[derive(Debug)]
struct Ring<T> {
    items: VecDeque<T>,
    len_max: usize,
}

impl<T: Clone> Ring<T> {
    fn new(len_max: usize) -> Self {
        Self {
            items: VecDeque::new(),
            len_max,
        }
    }

    fn push(&mut self, item: T) {
        if self.items.len() >= self.len_max {
            self.items.pop_front();
        }
        self.items.push_back(item);
    }

    /// Newest first.
    fn newest_first(&self) -> Vec<T> {
        self.items.iter().rev().cloned().collect()
    }
}

/// An election that this server took part in, or a lead that was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Election {
    /// When it ended, epoch ms.
    pub at_ms: i64,
    /// Who leads since then.
    pub leader: i64,
    /// Why there was one.
    pub cause: &'static str,
    /// How long this server looked for a leader, ms.
    pub took_ms: u64,
}

/// A flush of the log that took long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowFsync {
    /// When it ended, epoch ms.
    pub at_ms: i64,
    /// How long it took, ms.
    pub took_ms: u64,
}

/// The flushes of a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FsyncMinute {
    /// When it began, epoch ms.
    pub at_ms: i64,
    /// The slowest, µs.
    pub max_us: u64,
    /// How many there were.
    pub count: u64,
}

#[derive(Debug)]
struct Fsyncs {
    slow: Ring<SlowFsync>,
    minutes: Ring<FsyncMinute>,
}

impl Fsyncs {
    fn note(&mut self, at_ms: i64, took: Duration, is_slow: bool) {
        if is_slow {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.slow.push(SlowFsync { at_ms, took_ms });
        }
        let began_ms = at_ms - at_ms.rem_euclid(MINUTE_MS);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match self.minutes.items.back_mut() {
            // A clock that went back counts for the minute that is there.
            Some(minute) if minute.at_ms >= began_ms => {
                minute.max_us = minute.max_us.max(took_us);
                minute.count += 1;
            }
            _ => self.minutes.push(FsyncMinute {
                at_ms: began_ms,
                max_us: took_us,
                count: 1,
            }),
        }
    }
}

/// All that is remembered.
#[derive(Debug)]
pub struct History {
    elections: Mutex<Ring<Election>>,
    fsyncs: Mutex<Fsyncs>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            elections: Mutex::new(Ring::new(ELECTIONS_MAX)),
            fsyncs: Mutex::new(Fsyncs {
                slow: Ring::new(SLOW_MAX),
                minutes: Ring::new(MINUTES_MAX),
            }),
        }
    }
}

impl History {
    /// Notes the end of an election.
    pub fn elected(&self, election: Election) {
        locked(&self.elections).push(election);
    }

    /// Notes a flush of the log that ended at `at_ms` (epoch ms).
    pub fn flushed(&self, at_ms: i64, took: Duration, is_slow: bool) {
        locked(&self.fsyncs).note(at_ms, took, is_slow);
    }

    /// Elections, newest first.
    #[must_use]
    pub fn elections(&self) -> Vec<Election> {
        locked(&self.elections).newest_first()
    }

    /// Slow flushes, newest first.
    #[must_use]
    pub fn slow_fsyncs(&self) -> Vec<SlowFsync> {
        locked(&self.fsyncs).slow.newest_first()
    }

    /// Minutes in which there were flushes, newest first.
    #[must_use]
    pub fn fsync_minutes(&self) -> Vec<FsyncMinute> {
        locked(&self.fsyncs).minutes.newest_first()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_last_elections_are_kept_newest_first() {
        let history = History::default();
        assert!(history.elections().is_empty());
        for n in 0..250_u64 {
            history.elected(Election {
                at_ms: i64::try_from(n).unwrap(),
                leader: 1,
                cause: "start",
                took_ms: n,
            });
        }
        let took: Vec<u64> = history.elections().iter().map(|e| e.took_ms).collect();
        let expected: Vec<u64> = (150..250).rev().collect();
        assert_eq!(took, expected);
    }

    #[test]
    fn only_slow_flushes_are_listed_one_by_one() {
        let history = History::default();
        history.flushed(5, MS, false);
        for n in 0..60 {
            history.flushed(10 + n, 70 * MS, true);
        }
        let slow = history.slow_fsyncs();
        assert_eq!(slow.len(), SLOW_MAX);
        assert_eq!(
            slow[0],
            SlowFsync {
                at_ms: 69,
                took_ms: 70
            }
        );
    }

    #[test]
    fn a_minute_has_its_slowest_flush() {
        let history = History::default();
        for (at_ms, took) in [
            (MINUTE_MS + 1, 3 * MS),
            (2 * MINUTE_MS - 1, MS),
            (3 * MINUTE_MS, 2 * MS),
            (MINUTE_MS, 9 * MS),
        ] {
            history.flushed(at_ms, took, false);
        }
        let minute = |n, max_us, count| FsyncMinute {
            at_ms: n * MINUTE_MS,
            max_us,
            count,
        };
        assert_eq!(
            history.fsync_minutes(),
            [minute(3, 9000, 2), minute(1, 3000, 2)]
        );
        for n in 4..200 {
            history.flushed(n * MINUTE_MS, MS, false);
        }
        assert_eq!(history.fsync_minutes().len(), MINUTES_MAX);
    }
}
