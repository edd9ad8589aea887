//! Leadership: an epoch has one leader, and a leader's history has everything that is committed.
//!
//! Zab, "primary integrity" (DSN 2011): what was committed before a primary began is in its history.
//! TLA+ of Apache ZooKeeper: `LeaderInBroadcasting`, `Leadership1`, `PrimaryIntegrity`.

use std::collections::BTreeMap;

use zk_wire::Epoch;

use super::agreement::History;
use super::{Verdict, ensure};

const NAME: &str = "leadership";

/// Who led which epoch.
#[derive(Debug, Default)]
pub(crate) struct Leadership {
    announced: BTreeMap<Epoch, u8>,
    activated: BTreeMap<Epoch, u8>,
}

impl Leadership {
    /// A leader sends NEWLEADER: it is the only one of this epoch.
    pub(crate) fn announces(&mut self, epoch: Epoch, sid: u8) -> Verdict {
        let first = *self.announced.entry(epoch).or_insert(sid);
        ensure(first == sid, NAME, || {
            format!("servers {first} and {sid} both announce epoch {epoch}")
        })
    }

    /// A leader begins to broadcast.
    pub(crate) fn activates(&mut self, epoch: Epoch, sid: u8, history: &History) -> Verdict {
        let first = *self.activated.entry(epoch).or_insert(sid);
        ensure(first == sid, NAME, || {
            format!("servers {first} and {sid} both lead epoch {epoch}")
        })?;
        // Those who acknowledged the epoch may have gone on to a later one since then: what comes of
        // that is not for this leader, which commits nothing without them.
        let (end, committed) = (history.log_end(sid), history.last_committed_before(epoch));
        ensure(history.contains(end, committed), NAME, || {
            format!(
                "server {sid} leads epoch {epoch} with a log that ends with {end} and lacks \
                 {committed}, which is committed"
            )
        })
    }

    /// The newest epoch that was activated.
    pub(crate) fn newest(&self) -> Option<Epoch> {
        self.activated.last_key_value().map(|(epoch, _)| *epoch)
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Zxid;

    use super::*;
    use crate::invariants::agreement::tests::history;
    use crate::oracle::Oracle;

    #[test]
    fn two_leaders_of_one_epoch_are_found() {
        let mut leadership = Leadership::default();
        let history = history(0);
        leadership.activates(Epoch(1), 1, &history).unwrap();
        leadership.activates(Epoch(2), 2, &history).unwrap();
        assert!(leadership.activates(Epoch(1), 2, &history).is_err());
        leadership.announces(Epoch(3), 1).unwrap();
        assert!(leadership.announces(Epoch(3), 2).is_err());
    }

    #[test]
    fn a_leader_without_a_committed_write_is_found() {
        let mut history = history(3);
        let last = Zxid::new(Epoch(1), 3);
        history.commit(last, &mut Oracle::default()).unwrap();
        history.set_log_end(2, Zxid::new(Epoch(1), 2));
        let mut leadership = Leadership::default();
        assert!(leadership.activates(Epoch(2), 2, &history).is_err());
        assert!(leadership.activates(Epoch(3), 1, &history).is_ok());
    }
}
