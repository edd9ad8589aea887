//! How fast new connections may come: a bucket of tokens, and dropping by chance on top.
//!
//! Source: `BlueThrottle` of Apache ZooKeeper 3.9, which is BLUE, "a new class of active queue
//! management algorithms" (Feng, Kandlur, Saha, Shin 1999): while the bucket is empty the chance of
//! a drop rises step by step, while it is full it falls. Pure: time and chance come as arguments.

use crate::config::ConnectionThrottle;

/// What a connect request asks for, which decides what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// A new session that the whole ensemble knows.
    Global,
    /// A new session that only this server knows.
    Local,
    /// A session that it had before.
    Renewal,
}

/// The state of the throttle.
#[derive(Debug)]
pub(super) struct Pace {
    rules: ConnectionThrottle,
    /// Size of the bucket; `None`: off.
    size: Option<u64>,
    fill_count: u64,
    tokens: u64,
    filled_at_ms: u64,
    frozen_at_ms: u64,
    drop_chance: f64,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(rules: &ConnectionThrottle, now_ms: u64) -> Self {
        // With weights the settings keep their meaning: so many new sessions.
        let weight = rules.weights.map_or(1, |weights| weights.global);
        let size = rules.tokens.map(|tokens| tokens.saturating_mul(weight));
        Self {
            size,
            fill_count: rules.fill_count.saturating_mul(weight),
            tokens: size.unwrap_or(0),
            filled_at_ms: now_ms,
            frozen_at_ms: now_ms,
            drop_chance: 0.0,
            rules: rules.clone(),
        }
    }

    /// Whether one more may come; `chance` is evenly distributed from 0 to below 1.
    pub(super) fn admits(&mut self, asks: Asks, now_ms: u64, chance: f64) -> bool {
        let Some(size) = self.size else {
            return true;
        };
        let passed = now_ms.saturating_sub(self.filled_at_ms);
        if passed > self.rules.fill_time_ms {
            let fill = passed.saturating_mul(self.fill_count) / self.rules.fill_time_ms.max(1);
            self.tokens = self.tokens.saturating_add(fill).min(size);
            self.filled_at_ms = now_ms;
        }
        if let Some(freeze_ms) = self.rules.freeze_time_ms
            && self.drops(size, freeze_ms, now_ms, chance)
        {
            return false;
        }
        let cost = self.rules.weights.map_or(1, |weights| match asks {
            Asks::Global => weights.global,
            Asks::Local => weights.local,
            Asks::Renewal => weights.renew,
        });
        let left = self.tokens.checked_sub(cost);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "Apache compares with a rounded product of a ratio"
    )]
    fn drops(&mut self, size: u64, freeze_ms: u64, now_ms: u64, chance: f64) -> bool {
        if now_ms.saturating_sub(self.frozen_at_ms) > freeze_ms {
            let missing = size - self.tokens;
            let nearly_full = (size as f64 * self.rules.decrease_ratio).round();
            if missing == size {
                self.drop_chance = (self.drop_chance + self.rules.drop_increase).min(1.0);
            } else if missing as f64 <= nearly_full {
                self.drop_chance = (self.drop_chance - self.rules.drop_decrease).max(0.0);
            }
            self.frozen_at_ms = now_ms;
        }
        chance < self.drop_chance
    }

    /// Tokens that are missing in the bucket.
    pub(super) fn deficit(&self) -> u64 {
        self.size.unwrap_or(0) - self.tokens
    }

    /// The chance of a drop, in millionths.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1, times a million"
    )]
    pub(super) fn drop_millionths(&self) -> u64 {
        (self.drop_chance * 1e6).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SessionWeights;

    fn rules(tokens: u64) -> ConnectionThrottle {
        ConnectionThrottle {
            tokens: Some(tokens).filter(|n| *n != 0),
            fill_time_ms: 100,
            fill_count: 2,
            freeze_time_ms: None,
            drop_increase: 0.25,
            drop_decrease: 0.125,
            decrease_ratio: 0.5,
            weights: None,
        }
    }

    #[test]
    fn the_bucket_empties_and_fills_with_time() {
        let mut pace = Pace::new(&rules(3), 0);
        for (now_ms, expected) in [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (100, false),
            (101, true),
            (101, true),
            (101, false),
            (10_000, true),
        ] {
            assert_eq!(pace.admits(Asks::Global, now_ms, 0.0), expected, "{now_ms}");
        }
        assert_eq!(pace.deficit(), 1);
    }

    #[test]
    fn no_tokens_means_no_throttle() {
        let mut pace = Pace::new(&rules(0), 0);
        assert!((0..1000).all(|_| pace.admits(Asks::Global, 0, 0.0)));
    }

    #[test]
    fn weights_make_renewals_and_local_sessions_cheaper() {
        let weights = Some(SessionWeights {
            global: 3,
            local: 1,
            renew: 2,
        });
        let mut pace = Pace::new(
            &ConnectionThrottle {
                weights,
                ..rules(2)
            },
            0,
        );
        for (asks, deficit) in [(Asks::Global, 3), (Asks::Renewal, 5), (Asks::Local, 6)] {
            assert!(pace.admits(asks, 0, 0.0));
            assert_eq!(pace.deficit(), deficit, "{asks:?}");
        }
        assert!(!pace.admits(Asks::Local, 0, 0.0));
        assert!(
            pace.admits(Asks::Global, 101, 0.0),
            "4 tokens of global weight came"
        );
    }

    #[test]
    fn the_chance_of_a_drop_rises_while_empty_and_falls_while_full() {
        let freeze_time_ms = Some(10);
        let mut pace = Pace::new(
            &ConnectionThrottle {
                freeze_time_ms,
                ..rules(1)
            },
            0,
        );
        assert!(pace.admits(Asks::Global, 0, 0.0));
        for (now_ms, millionths) in [(11, 250_000), (15, 250_000), (22, 500_000)] {
            assert!(!pace.admits(Asks::Global, now_ms, 0.0));
            assert_eq!(pace.drop_millionths(), millionths, "{now_ms}");
        }
        assert!(
            !pace.admits(Asks::Global, 500, 0.3),
            "dropped though the bucket is full"
        );
        assert_eq!(pace.drop_millionths(), 375_000);
        assert!(pace.admits(Asks::Global, 500, 0.9));
    }
}
