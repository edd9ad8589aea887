//! What to do about a Lease: take it, renew it, or wait (client-go's leader election, which other
//! operators follow, too).
//!
//! Nobody's clock is compared with anybody else's: a holder is taken for gone when its record has not
//! changed for as long as the Lease lasts, by the clock of whoever waits. A holder takes itself for
//! gone earlier than that, counted from before its last renewal was sent.

use std::time::Duration;

/// How long a record stands for its holder.
pub(super) const LASTS: Duration = Duration::from_secs(15);

/// How long after it sent its last successful renewal a holder works on.
pub(super) const WORKS_FOR: Duration = Duration::from_secs(10);

/// Pace of renewals, and of looks at a Lease that somebody else holds.
pub(super) const PACE: Duration = Duration::from_secs(2);

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; `None`: it was given back.
    pub holder: Option<String>,
    /// When its holder says that it renewed it: only ever compared for being another one.
    pub renewed: Option<String>,
    /// How often it changed hands.
    pub transitions: i32,
    /// How long it lasts, as its holder says.
    pub lasts: Option<Duration>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Write oneself into it, as the holder number `transitions`.
    Take {
        /// For the record.
        transitions: i32,
    },
    /// Renew it.
    Renew {
        /// For the record.
        transitions: i32,
    },
    /// Look again later.
    Wait,
}

/// One of those who want the Lease. Times are of any clock that only goes forward.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    /// The record of another holder, and when it was seen first.
    seen: Option<(Record, Duration)>,
    /// When the last renewal that succeeded was sent.
    renewed: Option<Duration>,
}

impl Candidate {
    /// A candidate of this name, which no other process ever has.
    pub fn new(me: String) -> Self {
        Self {
            me,
            seen: None,
            renewed: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// The Lease was read; `None`: there is none.
    pub fn sees(&mut self, record: Option<Record>, now: Duration) -> Turn {
        let Some(record) = record else {
            self.seen = None;
            return Turn::Take { transitions: 0 };
        };
        let next = record.transitions.saturating_add(1);
        match &record.holder {
            Some(holder) if *holder == self.me => {
                self.seen = None;
                Turn::Renew {
                    transitions: record.transitions,
                }
            }
            Some(_) => {
                self.renewed = None;
                let lasts = record.lasts.unwrap_or(LASTS).max(LASTS);
                match &self.seen {
                    Some((seen, since)) if *seen == record => {
                        if now.saturating_sub(*since) >= lasts {
                            Turn::Take { transitions: next }
                        } else {
                            Turn::Wait
                        }
                    }
                    Some(_) | None => {
                        self.seen = Some((record, now));
                        Turn::Wait
                    }
                }
            }
            None => {
                self.seen = None;
                Turn::Take { transitions: next }
            }
        }
    }

    /// A take or a renewal that was sent at `sent` succeeded.
    pub fn wrote(&mut self, sent: Duration) {
        self.renewed = Some(sent);
        self.seen = None;
    }

    /// Whether nobody else can hold the Lease now.
    pub fn holds(&self, now: Duration) -> bool {
        self.renewed
            .is_some_and(|sent| now.saturating_sub(sent) < WORKS_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn record(holder: &str, renewed: u64, transitions: i32) -> Record {
        Record {
            holder: (!holder.is_empty()).then(|| holder.to_owned()),
            renewed: Some(renewed.to_string()),
            transitions,
            lasts: Some(LASTS),
        }
    }

    #[test]
    fn a_free_lease_is_taken_and_a_foreign_one_only_when_it_stood_still() {
        let mut a = Candidate::new("a".into());
        assert_eq!(a.sees(None, s(0)), Turn::Take { transitions: 0 });
        assert_eq!(
            a.sees(Some(record("", 1, 4)), s(0)),
            Turn::Take { transitions: 5 }
        );
        assert_eq!(a.sees(Some(record("b", 1, 4)), s(0)), Turn::Wait);
        assert_eq!(a.sees(Some(record("b", 1, 4)), s(14)), Turn::Wait);
        // It moved: its time begins anew.
        assert_eq!(a.sees(Some(record("b", 2, 4)), s(15)), Turn::Wait);
        assert_eq!(a.sees(Some(record("b", 2, 4)), s(29)), Turn::Wait);
        assert_eq!(
            a.sees(Some(record("b", 2, 4)), s(30)),
            Turn::Take { transitions: 5 }
        );
    }

    #[test]
    fn a_holder_counts_from_before_its_renewal_was_sent_and_gives_up_at_once_for_another() {
        let mut a = Candidate::new("a".into());
        a.wrote(s(100));
        assert!(a.holds(s(109)) && !a.holds(s(110)));
        assert_eq!(
            a.sees(Some(record("a", 1, 0)), s(109)),
            Turn::Renew { transitions: 0 }
        );
        assert!(a.holds(s(109)));
        a.sees(Some(record("b", 1, 1)), s(109));
        assert!(!a.holds(s(109)));
    }

    /// A Lease in a cluster whose writes carry the version that was read.
    #[derive(Default)]
    struct Server {
        record: Option<Record>,
        version: u64,
    }

    /// Candidates with slow, lost and late calls: never two that take themselves for the holder, and
    /// always one again when the faults stop.
    #[test]
    fn no_two_hold_it_whatever_calls_take() {
        for seed in 1..=300_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut draw = move |bound: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % bound
            };
            let mut server = Server::default();
            let mut all: Vec<Candidate> = (0..3).map(|n| Candidate::new(format!("{n}"))).collect();
            // When each looks next; what it sent: arrival, sending, version, record; when it hears.
            let mut due = [0_u64; 3];
            let mut sent: [Option<(u64, u64, u64, Record)>; 3] = [None, None, None];
            let mut changes = 0;
            for ms in (0..400_000_u64).step_by(50) {
                let calm = ms > 300_000;
                let now = Duration::from_millis(ms);
                for n in 0..all.len() {
                    if let Some((arrival, sending, version, record)) = sent[n].clone() {
                        if arrival > ms {
                            continue;
                        }
                        sent[n] = None;
                        if server.version == version {
                            server.version += 1;
                            server.record = Some(record);
                            // The answer may be lost.
                            if calm || draw(10) > 0 {
                                all[n].wrote(Duration::from_millis(sending));
                            }
                        }
                        due[n] = ms + 2_000;
                    }
                    if due[n] > ms {
                        continue;
                    }
                    due[n] = ms + 2_000;
                    if !calm && draw(12) == 0 {
                        // It stands still for a while.
                        due[n] = ms + draw(40_000);
                        continue;
                    }
                    let turn = all[n].sees(server.record.clone(), now);
                    let transitions = match turn {
                        Turn::Take { transitions } => {
                            changes += 1;
                            transitions
                        }
                        Turn::Renew { transitions } => transitions,
                        Turn::Wait => continue,
                    };
                    let mut next = record(&n.to_string(), ms, transitions);
                    next.renewed = Some(ms.to_string());
                    let delay = if calm { 50 } else { 50 + draw(9_000) };
                    sent[n] = Some((ms + delay, ms, server.version, next));
                }
                let holders = all.iter().filter(|c| c.holds(now)).count();
                assert!(holders <= 1, "seed {seed}: {holders} hold it at {ms} ms");
            }
            let end = Duration::from_secs(400);
            assert!(all.iter().any(|c| c.holds(end)), "seed {seed}: nobody");
            assert!(changes > 1, "seed {seed}: nothing happened");
        }
    }
}
