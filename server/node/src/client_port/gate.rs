//! How many requests may be under way: per connection, and on the whole server.
//!
//! A connection that is at its limit is not read, so that TCP holds the client back
//! (`globalOutstandingLimit`). One request per connection always passes, so that nobody starves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

/// Requests of one connection that may wait for their answers.
///
/// Enough to keep a pipelining client busy across a group commit; a library that sends more is held
/// back and notices nothing but the pace.
const UNANSWERED_MAX: usize = 256;

/// The gate of one connection.
#[derive(Debug)]
pub struct Gate {
    own: Semaphore,
    shared: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When each unanswered request came, oldest first.
    since: VecDeque<Duration>,
    shared_held: usize,
}

impl Gate {
    /// A gate with a share in `shared`.
    #[must_use]
    pub fn new(shared: Arc<Semaphore>) -> Self {
        Self {
            own: Semaphore::new(UNANSWERED_MAX),
            shared,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request may come in; `now` is when it came.
    pub async fn admit(&self, now: Duration) {
        // The semaphores are never closed.
        if let Ok(permit) = self.own.acquire().await {
            permit.forget();
        }
        if self.unanswered() > 0
            && let Ok(permit) = self.shared.acquire().await
        {
            permit.forget();
            self.lock().shared_held += 1;
        }
        self.lock().since.push_back(now);
    }

    /// Notes an answer; returns when its request came.
    pub fn answered(&self) -> Option<Duration> {
        let mut state = self.lock();
        let since = state.since.pop_front()?;
        self.own.add_permits(1);
        if state.shared_held > 0 {
            state.shared_held -= 1;
            self.shared.add_permits(1);
        }
        Some(since)
    }

    /// Requests without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.lock().since.len()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let held = self.lock().shared_held;
        self.shared.add_permits(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_request_always_passes_and_what_was_held_comes_back() {
        let shared = Arc::new(Semaphore::new(1));
        let (a, b) = (Gate::new(shared.clone()), Gate::new(shared.clone()));
        a.admit(Duration::ZERO).await;
        a.admit(Duration::ZERO).await;
        assert_eq!(shared.available_permits(), 0);
        b.admit(Duration::ZERO).await;
        let blocked = tokio::time::timeout(Duration::from_millis(10), b.admit(Duration::ZERO));
        assert!(blocked.await.is_err());
        assert_eq!(a.answered(), Some(Duration::ZERO));
        assert_eq!(shared.available_permits(), 1);
        drop(a);
        b.admit(Duration::ZERO).await;
        drop(b);
        assert_eq!(shared.available_permits(), 1);
    }
}
