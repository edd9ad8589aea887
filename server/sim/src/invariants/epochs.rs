//! Epochs: promises do not go back, and a leader that begins has a quorum that knows its epoch.
//!
//! Zab, phases 1 and 2 (DSN 2011): a follower that acknowledged NEWEPOCH(e) follows no older one,
//! also after a crash; an epoch is established when a quorum has stored it as its current epoch.
//! An epoch that is acknowledged but not stored lets a later election prefer a shorter history.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::{Epoch, Zxid};

use super::configs::Configs;
use super::{Verdict, ensure};

const NAME: &str = "epochs";

/// The epoch files of all servers, as far as they are durable.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    accepted: BTreeMap<u8, Epoch>,
    current: BTreeMap<u8, Epoch>,
}

impl Epochs {
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

    /// The files of a server are gone.
    pub(crate) fn forget(&mut self, sid: u8) {
        self.accepted.remove(&sid);
        self.current.remove(&sid);
    }

    /// The history of a server is damaged, from which its current epoch may have followed; its
    /// promise is a file.
    pub(crate) fn forget_current(&mut self, sid: u8) {
        self.current.remove(&sid);
    }

    /// A leader begins to broadcast in `epoch`; of those in `lost` it is not known what they knew.
    pub(crate) fn established(
        &self,
        epoch: Epoch,
        lost: &BTreeSet<u8>,
        configs: &Configs,
    ) -> Verdict {
        let knowing = self.current.iter().filter(|(_, e)| **e >= epoch);
        let knowing = knowing.map(|(sid, _)| *sid).chain(lost.iter().copied());
        let knowing = knowing.collect();
        ensure(
            configs.is_quorum(Zxid::new(epoch, 0), &knowing),
            NAME,
            || {
                format!(
                    "epoch {epoch} is established, but the current epochs on the disks are {:?}",
                    self.current
                )
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_few_stored_is_found() {
        let (mut epochs, configs) = (Epochs::default(), Configs::new(3));
        epochs.current(1, Epoch(2)).unwrap();
        let lost = BTreeSet::new();
        assert!(epochs.established(Epoch(2), &lost, &configs).is_err());
        epochs.current(3, Epoch(2)).unwrap();
        assert!(epochs.established(Epoch(2), &lost, &configs).is_ok());
    }

    #[test]
    fn a_promise_that_goes_back_is_found() {
        let mut epochs = Epochs::default();
        epochs.accepted(1, Epoch(2)).unwrap();
        assert!(epochs.accepted(1, Epoch(1)).is_err());
        epochs.current(1, Epoch(2)).unwrap();
        assert!(epochs.current(1, Epoch(1)).is_err());
    }
}
