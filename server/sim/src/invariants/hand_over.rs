//! Hand-over: a lead is passed on when all of it is committed and on the disk of the successor, and
//! nothing is proposed in its epoch any more.
//!
//! docs/ARCHITECTURE.md, and quorum protocol, "OFFER": the successor has everything durably. An
//! election would repair what is passed on too early, at the price of the time that a hand-over is
//! there to save; so this is checked where it happens.

use std::collections::BTreeMap;

use zk_wire::{Epoch, Zxid};

use super::agreement::History;
use super::durability::Durability;
use super::{Verdict, ensure};

const NAME: &str = "hand-over";

/// The epochs whose lead was passed on, with their last transaction.
#[derive(Debug, Default)]
pub(crate) struct HandOvers {
    ended: BTreeMap<Epoch, Zxid>,
}

impl HandOvers {
    /// The leader `sid` of `epoch` leaves the lead to `to`.
    pub(crate) fn passed_on(
        &mut self,
        sid: u8,
        to: u8,
        epoch: Epoch,
        history: &History,
        disks: &Durability,
    ) -> Verdict {
        let end = history.log_end(sid);
        self.ended.insert(epoch, end);
        ensure(history.is_committed(end), NAME, || {
            format!("server {sid} passes on epoch {epoch}, but {end} is not committed")
        })?;
        // A disk that was lost meanwhile is nobody's mistake.
        let has_all =
            to == sid || disks.lost().contains(&to) || history.contains(disks.end(to), end);
        ensure(has_all, NAME, || {
            format!(
                "server {sid} passes epoch {epoch} on to {to}, which has {} on its disk, not {end}",
                disks.end(to)
            )
        })
    }

    /// A transaction goes into a log.
    pub(crate) fn appended(&self, sid: u8, zxid: Zxid) -> Verdict {
        let end = self.ended.get(&zxid.epoch());
        ensure(end.is_none_or(|end| zxid <= *end), NAME, || {
            format!(
                "server {sid} appends {zxid}, but the lead of that epoch was passed on at {end:?}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::agreement::tests::history;
    use crate::oracle::Oracle;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    #[test]
    fn a_lead_that_is_passed_on_too_early_is_found() {
        let (mut history, mut disks) = (history(3), Durability::default());
        let pass = |to, history: &History, disks: &Durability| {
            HandOvers::default().passed_on(1, to, Epoch(1), history, disks)
        };
        disks.synced(2, z(3));
        assert!(pass(2, &history, &disks).is_err(), "not committed");
        history.commit(z(3), &mut Oracle::default()).unwrap();
        assert!(pass(2, &history, &disks).is_ok());
        disks.synced(3, z(2));
        assert!(pass(3, &history, &disks).is_err(), "not on its disk");
        disks.disk_lost(3);
        assert!(pass(3, &history, &disks).is_ok());
    }

    #[test]
    fn a_proposal_after_the_end_is_found() {
        let (mut history, disks) = (history(2), Durability::default());
        history.commit(z(2), &mut Oracle::default()).unwrap();
        let mut leads = HandOvers::default();
        leads.passed_on(1, 1, Epoch(1), &history, &disks).unwrap();
        assert!(leads.appended(2, z(2)).is_ok());
        assert!(leads.appended(1, z(3)).is_err());
        assert!(leads.appended(1, Zxid::new(Epoch(2), 1)).is_ok());
    }
}
