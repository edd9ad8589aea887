//! How many bytes of large requests may be under way at once.
//!
//! Source: `largeRequestThreshold` and `largeRequestMaxBytes` of Apache ZooKeeper 3.9. Apache counts
//! a request once it is complete; here it counts from its length on, so that the memory of
//! half-received ones has the same bound.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::LargeRequests;

/// The sum of them.
#[derive(Debug)]
pub(super) struct LargeSum {
    rules: LargeRequests,
    bytes: Mutex<u64>,
}

/// One large request; it stops counting when dropped.
#[derive(Debug)]
pub(super) struct Large {
    sum: Arc<LargeSum>,
    len: u64,
}

/// There is no room for one more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl LargeSum {
    pub(super) fn new(rules: &LargeRequests) -> Arc<Self> {
        Arc::new(Self {
            rules: rules.clone(),
            bytes: Mutex::new(0),
        })
    }

    /// Enters a request of this length; `None` when it is not large.
    pub(super) fn enter(self: &Arc<Self>, len: u64) -> Result<Option<Large>, TooMuch> {
        if self
            .rules
            .threshold
            .is_none_or(|threshold| len <= threshold)
        {
            return Ok(None);
        }
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = bytes.saturating_add(len);
        if sum > self.rules.max_bytes {
            return Err(TooMuch);
        }
        *bytes = sum;
        Ok(Some(Large {
            sum: self.clone(),
            len,
        }))
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        let mut bytes = self
            .sum
            .bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *bytes -= self.len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_share_a_sum_and_small_ones_do_not_count() {
        let rules = LargeRequests {
            threshold: Some(100),
            max_bytes: 300,
        };
        let sum = LargeSum::new(&rules);
        assert!(sum.enter(100).unwrap().is_none());
        let first = sum.enter(200).unwrap();
        assert_eq!(sum.enter(101).unwrap_err(), TooMuch);
        assert!(sum.enter(100).unwrap().is_none());
        drop(first);
        assert!(sum.enter(300).unwrap().is_some());
        assert_eq!(sum.enter(301).unwrap_err(), TooMuch);
        let off = LargeSum::new(&LargeRequests {
            threshold: None,
            max_bytes: 1,
        });
        assert!(off.enter(1 << 40).unwrap().is_none());
    }
}
