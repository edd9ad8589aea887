//! Progress lines on standard error, each with the time since the start, so that a first run of
//! many minutes shows that it lives. Standard output stays free for results.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at while waiting for it.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often a wait says that it is still going on.
const REPEAT_INTERVAL: Duration = Duration::from_secs(15);

/// A running job, as the person at the terminal sees it.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
}

/// What one look at a condition found.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Done(T),
    /// Not yet; the text says how far it is.
    Waiting(String),
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Progress {
    /// Says what is done next.
    pub fn say(&self, text: impl AsRef<str>) {
        eprintln!(
            "[{:6.1}s] {}",
            self.started.elapsed().as_secs_f32(),
            text.as_ref()
        );
    }

    /// Looks again and again until the condition holds, and says each time when the answer changed.
    ///
    /// # Errors
    /// When `look` fails, or the condition does not hold within `limit`.
    pub fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<Look<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        let mut said: Option<(String, Instant)> = None;
        loop {
            let detail = match look()? {
                Look::Done(value) => return Ok(value),
                Look::Waiting(detail) => detail,
            };
            if began.elapsed() > limit {
                bail!("{what}: not within {} s ({detail})", limit.as_secs());
            }
            let repeat = match &said {
                None => true,
                Some((last, at)) => *last != detail || at.elapsed() > REPEAT_INTERVAL,
            };
            if repeat {
                self.say(format!("{what}: {detail}"));
                said = Some((detail, Instant::now()));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
