//! How many requests may be under way: per connection, and on the whole server.
//!
//! A connection that is at its limit is not read, so that TCP holds the client back
//! (`globalOutstandingLimit`). One request per connection always passes, so that nobody starves.
//! Behind that gate may be a second one (`request_throttle_max_requests`), at which all wait alike.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_port::large::Large;
use crate::metrics::{ByKind, Limit};

/// Requests of one connection that may wait for their answers.
///
/// Enough to keep a pipelining client busy across a group commit; a library that sends more is held
/// back and notices nothing but the pace.
const UNANSWERED_MAX: usize = 256;

/// The room that all connections share.
#[derive(Debug, Clone)]
pub struct Room {
    /// `globalOutstandingLimit`.
    outstanding: Arc<Semaphore>,
    /// `request_throttle_max_requests`.
    throttle: Option<Arc<Semaphore>>,
}

impl Room {
    /// Room for `outstanding` requests, and `throttled` of them behind the throttle, if there is one.
    #[must_use]
    pub fn new(outstanding: usize, throttled: Option<usize>) -> Self {
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Self {
            outstanding: semaphore(outstanding),
            throttle: throttled.map(semaphore),
        }
    }
}

/// The gate of one connection.
#[derive(Debug)]
pub struct Gate {
    own: Semaphore,
    room: Room,
    /// What each unanswered request holds, oldest first.
    admitted: Mutex<VecDeque<Admitted>>,
}

/// A request under way; what it holds is free again when it is dropped.
#[derive(Debug)]
struct Admitted {
    since: Duration,
    _outstanding: Option<OwnedSemaphorePermit>,
    _throttle: Option<OwnedSemaphorePermit>,
    _large: Option<Large>,
}

impl Gate {
    /// A gate with a share in `room`.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self {
            own: Semaphore::new(UNANSWERED_MAX),
            room,
            admitted: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Admitted>> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request may come in; `since` is when it came. A limit that makes it wait is
    /// counted in `reached`.
    pub(super) async fn admit(
        &self,
        since: Duration,
        large: Option<Large>,
        reached: &ByKind<Limit>,
    ) {
        if self.own.available_permits() == 0 {
            reached.count(Limit::ConnectionRequests);
        }
        // The semaphores are never closed.
        if let Ok(permit) = self.own.acquire().await {
            permit.forget();
        }
        let outstanding = if self.unanswered() > 0 {
            let room = self.room.outstanding.clone();
            if room.available_permits() == 0 {
                reached.count(Limit::OutstandingRequests);
            }
            room.acquire_owned().await.ok()
        } else {
            None
        };
        self.lock().push_back(Admitted {
            since,
            _outstanding: outstanding,
            _throttle: None,
            _large: large,
        });
    }

    /// Whether the request that was admitted last has to wait at the throttle.
    pub(super) fn is_throttled(&self) -> bool {
        let Some(throttle) = &self.room.throttle else {
            return false;
        };
        let permit = throttle.clone().try_acquire_owned().ok();
        let must_wait = permit.is_none();
        self.hold(permit);
        must_wait
    }

    /// Waits until the throttle lets the request that was admitted last pass.
    pub(super) async fn pass_throttle(&self) {
        if let Some(throttle) = &self.room.throttle {
            let permit = throttle.clone().acquire_owned().await.ok();
            self.hold(permit);
        }
    }

    fn hold(&self, permit: Option<OwnedSemaphorePermit>) {
        // It was admitted and is not answered before it passed, so it is the last one.
        if let Some(last) = self.lock().back_mut() {
            last._throttle = permit;
        }
    }

    /// Notes an answer; returns when its request came.
    pub fn answered(&self) -> Option<Duration> {
        let admitted = self.lock().pop_front()?;
        self.own.add_permits(1);
        Some(admitted.since)
    }

    /// Requests without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_request_always_passes_and_what_was_held_comes_back() {
        let reached = ByKind::default();
        let room = Room::new(1, None);
        let shared = room.outstanding.clone();
        let (a, b) = (Gate::new(room.clone()), Gate::new(room));
        a.admit(Duration::ZERO, None, &reached).await;
        a.admit(Duration::ZERO, None, &reached).await;
        assert_eq!(shared.available_permits(), 0);
        b.admit(Duration::ZERO, None, &reached).await;
        let blocked = tokio::time::timeout(
            Duration::from_millis(10),
            b.admit(Duration::ZERO, None, &reached),
        );
        assert!(blocked.await.is_err());
        assert_eq!(a.answered(), Some(Duration::ZERO));
        assert_eq!(shared.available_permits(), 0, "the first needed none");
        drop(a);
        assert_eq!(shared.available_permits(), 1);
        b.admit(Duration::ZERO, None, &reached).await;
        drop(b);
        assert_eq!(shared.available_permits(), 1);
        let counts: Vec<_> = reached.iter().filter(|(_, n)| n.value() > 0).collect();
        assert_eq!(counts.len(), 1);
        assert_eq!(
            (counts[0].0, counts[0].1.value()),
            ("outstanding_requests", 1)
        );
    }

    #[tokio::test]
    async fn all_wait_at_the_throttle() {
        let reached = ByKind::default();
        let room = Room::new(1000, Some(1));
        let (a, b) = (Gate::new(room.clone()), Gate::new(room));
        a.admit(Duration::ZERO, None, &reached).await;
        assert!(!a.is_throttled());
        b.admit(Duration::ZERO, None, &reached).await;
        assert!(b.is_throttled());
        let blocked = tokio::time::timeout(Duration::from_millis(10), b.pass_throttle());
        assert!(blocked.await.is_err());
        assert!(a.answered().is_some());
        b.pass_throttle().await;
        assert!(b.answered().is_some());
        a.admit(Duration::ZERO, None, &reached).await;
        assert!(!a.is_throttled());
    }
}
