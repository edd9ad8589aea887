//! The only place of this crate that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zk_core::{Mono, Now};

/// Measures from the start of the process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// What the core gets with an input.
    #[must_use]
    pub fn now(self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono: Mono::from_ms(self.elapsed_ms()),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn elapsed_ms(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time since the start, as fine as the system has it.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.start.elapsed()
    }

    /// The moment `at` as the runtime's timers want it.
    #[must_use]
    pub fn instant(self, at: Mono) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + Duration::from_millis(at.as_ms()))
    }

    /// The wall's time now, epoch ms.
    #[must_use]
    pub fn wall_ms(self) -> i64 {
        self.now().wall_ms
    }

    /// The wall's time at `at` as far as it can be foreseen, epoch ms.
    #[must_use]
    pub fn wall_ms_at(self, at: Mono) -> i64 {
        let now = self.now();
        let signed = |mono: Mono| i64::try_from(mono.as_ms()).unwrap_or(i64::MAX);
        let ahead = signed(at).saturating_sub(signed(now.mono));
        now.wall_ms.saturating_add(ahead)
    }

    /// A number that differs from one start to the next, for jitter and session ids.
    #[must_use]
    pub fn seed(self) -> u64 {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mix = u64::try_from(wall.as_nanos() & u128::from(u64::MAX)).unwrap_or(1);
        mix ^ (u64::from(std::process::id()) << 40)
    }
}
