//! Epochs: promises do not go back, and a leader that begins has a quorum that knows its epoch.
//!
//! Zab, phases 1 and 2 (DSN 2011): a follower that acknowledged NEWEPOCH(e) follows no older one,
//! also after a crash; an epoch is established when a quorum has stored it as its current epoch.
//! An epoch that is acknowledged but not stored lets a later election prefer a shorter history.

use std::collections::BTreeMap;

use zk_wire::Epoch;

use super::{Verdict, ensure};

const NAME: &str = "epochs";

/// The epoch files of all servers, as far as they are durable.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    servers: usize,
    accepted: BTreeMap<u8, Epoch>,
    current: BTreeMap<u8, Epoch>,
}

impl Epochs {
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            servers,
            ..Self::default()
        }
    }

    /// `acceptedEpoch` is durable.
    pub(crate) fn accepted(&mut self, sid: u8, epoch: Epoch) -> Verdict {
        let before = self.accepted.insert(sid, epoch).unwrap_or_default();
        ensure(before <= epoch, NAME, || {
            format!("server {sid} goes back from accepted epoch {before} to {epoch}")
        })
    }

    /// `currentEpoch` is durable.
    pub(crate) fn current(&mut self, sid: u8, epoch: Epoch) -> Verdict {
        let before = self.current.insert(sid, epoch).unwrap_or_default();
        ensure(before <= epoch, NAME, || {
            format!("server {sid} goes back from current epoch {before} to {epoch}")
        })
    }

    /// A leader begins to broadcast in `epoch`.
    pub(crate) fn established(&self, epoch: Epoch) -> Verdict {
        let knowing = self.current.values().filter(|e| **e >= epoch).count();
        ensure(knowing * 2 > self.servers, NAME, || {
            format!(
                "epoch {epoch} is established, but the current epochs on the disks are {:?}",
                self.current
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_few_stored_is_found() {
        let mut epochs = Epochs::new(3);
        epochs.current(1, Epoch(2)).unwrap();
        assert!(epochs.established(Epoch(2)).is_err());
        epochs.current(3, Epoch(2)).unwrap();
        assert!(epochs.established(Epoch(2)).is_ok());
    }

    #[test]
    fn a_promise_that_goes_back_is_found() {
        let mut epochs = Epochs::new(3);
        epochs.accepted(1, Epoch(2)).unwrap();
        assert!(epochs.accepted(1, Epoch(1)).is_err());
        epochs.current(1, Epoch(2)).unwrap();
        assert!(epochs.current(1, Epoch(1)).is_err());
    }
}
