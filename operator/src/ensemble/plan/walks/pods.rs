//! The pods of the simulated cluster.

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) uid: u64,
    pub(super) template: u32,
    pub(super) created: i64,
    pub(super) running: bool,
    pub(super) ready_since: Option<i64>,
    pub(super) unready_since: i64,
    pub(super) ends_at: Option<i64>,
}

impl Pod {
    /// One that was just made.
    pub(super) fn new(uid: u64, template: u32, now: i64) -> Self {
        Self {
            uid,
            template,
            created: now,
            running: false,
            ready_since: None,
            unready_since: now,
            ends_at: None,
        }
    }

    /// The kubelet looks whether its server serves; of one that does it may hear later.
    pub(super) fn probe(&mut self, serves: bool, now: i64, hears: bool) {
        match self.ready_since {
            None if serves && hears => self.ready_since = Some(now),
            Some(_) if !serves => {
                self.ready_since = None;
                self.unready_since = now;
            }
            _ => {}
        }
    }
}
