//! Lasting watches: each change that one covers is told, once, in order, and before anything that
//! reveals it, for as long as the connection lasts.
//!
//! Apache ZooKeeper 3.6, `addWatch` (ZOOKEEPER-1416): persistent watches tell of a node and of its
//! children's coming and going, recursive ones of everything below a path but not of children as such.
//! What happens while the client has no connection is not told.

use std::collections::BTreeMap;

use zk_wire::Zxid;
use zk_wire::client::request::PersistentWatches;

use super::{Verdict, ensure};
use crate::oracle::{Change, Oracle};

const NAME: &str = "lasting watches";

/// One change as a client is told of it.
type Told = (Zxid, String, Change);

#[derive(Debug)]
struct Watch {
    recursive: bool,
    /// Everything up to here was told.
    since: Zxid,
    told: Vec<Told>,
}

impl Watch {
    fn covers(&self, at: &str, path: &str, change: Change) -> bool {
        if !self.recursive {
            return path == at;
        }
        let below = path
            .strip_prefix(at)
            .is_some_and(|rest| rest.starts_with('/'));
        (path == at || below) && change != Change::Children
    }
}

/// The lasting watches of one session.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    watches: BTreeMap<String, Watch>,
    /// Whether the connection on which they were set is gone, and the next one has not set them yet.
    lost: bool,
}

impl Lasting {
    pub(crate) fn len(&self) -> usize {
        self.watches.len()
    }

    /// addWatch was answered from the state at `zxid`.
    pub(crate) fn added(&mut self, path: &str, recursive: bool, zxid: Zxid) {
        let told = Vec::new();
        let since = zxid;
        // A second watch of the other kind on one path is not modelled: the workload asks for none.
        self.watches.entry(path.to_owned()).or_insert(Watch {
            recursive,
            since,
            told,
        });
    }

    /// The connection is lost; what setWatches2 is to carry.
    pub(crate) fn reconnect(&mut self) -> Option<PersistentWatches> {
        if self.watches.is_empty() {
            return None;
        }
        self.lost = true;
        let list = |recursive: bool| {
            let all = self.watches.iter();
            all.filter(|(_, watch)| watch.recursive == recursive)
                .map(|(path, _)| path.clone())
                .collect()
        };
        Some(PersistentWatches {
            exact: list(false),
            recursive: list(true),
        })
    }

    /// setWatches2 was answered from the state at `zxid`.
    pub(crate) fn set_again(&mut self, zxid: Zxid) {
        self.lost = false;
        for watch in self.watches.values_mut() {
            watch.since = zxid;
            watch.told.clear();
        }
    }

    /// An event came; tells whether a lasting watch covers it.
    pub(crate) fn event(
        &mut self,
        client: u8,
        path: &str,
        change: Change,
        zxid: Zxid,
    ) -> Result<bool, super::Violation> {
        let mut covered = false;
        for (at, watch) in &mut self.watches {
            if !watch.covers(at, path, change) {
                continue;
            }
            covered = true;
            let last = watch.told.last().map_or(watch.since, |told| told.0);
            let fresh = zxid > watch.since && zxid >= last;
            watch.told.push((zxid, path.to_owned(), change));
            ensure(fresh || self.lost, NAME, || {
                format!("client {client} is told of {change:?} of {path} at {zxid} after {last}")
            })?;
        }
        Ok(covered)
    }

    /// A reply shows the state at `zxid`: what is covered up to there was told before, exactly.
    pub(crate) fn revealed(&mut self, client: u8, zxid: Zxid, oracle: &Oracle) -> Verdict {
        if self.lost {
            return Ok(());
        }
        for (at, watch) in &mut self.watches {
            if zxid <= watch.since {
                continue;
            }
            let mut happened: Vec<Told> = oracle
                .changes_below(at, watch.since, zxid)
                .filter(|(_, path, change)| watch.covers(at, path, *change))
                .collect();
            happened.sort_unstable();
            let (mut told, later) = std::mem::take(&mut watch.told)
                .into_iter()
                .partition::<Vec<Told>, _>(|(told_at, _, _)| *told_at <= zxid);
            told.sort_unstable();
            ensure(told == happened, NAME, || {
                format!(
                    "client {client} sees {zxid}; on {at} it was told of {told:?}, what happened \
                     since {} is {happened:?}",
                    watch.since
                )
            })?;
            watch.told = later;
            watch.since = zxid;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;
    use zk_wire::txn::CreateKind;

    use super::*;
    use crate::oracle::tests::{create, txn};

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    fn watching(recursive: bool) -> (Lasting, Oracle) {
        let mut oracle = Oracle::default();
        oracle.apply(&txn(1, create("/w", CreateKind::Persistent)));
        oracle.apply(&txn(2, create("/w/a", CreateKind::Persistent)));
        oracle.apply(&txn(3, create("/w/b", CreateKind::Persistent)));
        let mut lasting = Lasting::default();
        lasting.added("/w", recursive, z(1));
        (lasting, oracle)
    }

    #[test]
    fn each_change_is_told_once_and_in_time() {
        let (mut lasting, oracle) = watching(false);
        let told = |lasting: &mut Lasting, at| lasting.event(1, "/w", Change::Children, z(at));
        assert_eq!(told(&mut lasting, 2), Ok(true));
        assert!(lasting.revealed(1, z(2), &oracle).is_ok());
        assert!(told(&mut lasting, 2).is_err(), "again");
        let (mut lasting, oracle) = watching(false);
        assert_eq!(told(&mut lasting, 3), Ok(true));
        assert!(
            lasting.revealed(1, z(3), &oracle).is_err(),
            "the first is missing"
        );
    }

    #[test]
    fn a_recursive_watch_tells_of_what_is_below() {
        let (mut lasting, oracle) = watching(true);
        assert_eq!(lasting.event(1, "/w", Change::Children, z(2)), Ok(false));
        for (path, at) in [("/w/a", 2), ("/w/b", 3)] {
            assert_eq!(lasting.event(1, path, Change::Created, z(at)), Ok(true));
        }
        assert!(lasting.revealed(1, z(3), &oracle).is_ok());
        let (mut lasting, oracle) = watching(true);
        assert!(lasting.reconnect().is_some());
        assert!(lasting.revealed(1, z(3), &oracle).is_ok(), "not connected");
        lasting.set_again(z(3));
        assert!(lasting.revealed(1, z(3), &oracle).is_ok());
    }
}
