//! Watches: an event comes once, for the first change behind the read that asked for it, and before
//! anything that reveals the change.
//!
//! ZooKeeper (ATC 2010) and its programmer's guide, "what ZooKeeper guarantees about watches".
//! After a reconnect the client asks with setWatches; the events that it missed come without a zxid
//! and before the answer.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::client::{CarriedWatches, EventKind, Request};
use zk_wire::{Xid, Zxid};

use super::lasting::Lasting;
use super::{Verdict, ensure};
use crate::oracle::{Change, Oracle};

const NAME: &str = "watches";
const DATA: [Change; 3] = [Change::Created, Change::Deleted, Change::DataSet];
const CHILD: [Change; 2] = [Change::Children, Change::Deleted];

/// The xid of setWatches.
pub(crate) const SET_WATCHES_XID: Xid = Xid(-8);

/// Where in the history a watch was set; `None`: not set.
#[derive(Debug, Clone, Copy, Default)]
struct Armed {
    /// By getData, or by exists on a node that is there.
    data: Option<Zxid>,
    /// By exists on a node that is not there.
    exist: Option<Zxid>,
    child: Option<Zxid>,
}

/// The watches of one session.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    armed: BTreeMap<String, Armed>,
    lasting: Lasting,
    /// Paths for which setWatches is under way.
    catching_up: BTreeSet<String>,
}

impl Watches {
    /// Number of paths watched.
    pub(crate) fn len(&self) -> usize {
        self.armed.len() + self.lasting.len()
    }

    /// A read was answered from the state at `zxid`.
    pub(crate) fn read(&mut self, request: &Request, zxid: Zxid, found: bool) {
        if let Request::AddWatch { path, mode } = request {
            self.lasting.added(path, *mode == 1, zxid);
            return;
        }
        let (Request::GetData { path, watch: true }
        | Request::Exists { path, watch: true }
        | Request::GetChildren { path, watch: true }
        | Request::GetChildren2 { path, watch: true }) = request
        else {
            return;
        };
        let exist = matches!(request, Request::Exists { .. }) && !found;
        if !found && !exist {
            return;
        }
        let data = found && matches!(request, Request::GetData { .. } | Request::Exists { .. });
        let child = found && !data;
        let armed = self.armed.entry(path.clone()).or_default();
        if data {
            armed.data = Some(zxid);
        }
        if exist {
            armed.exist = Some(zxid);
        }
        if child {
            armed.child = Some(zxid);
        }
    }

    /// What to ask on a new connection; `None` when nothing is watched.
    pub(crate) fn reconnect(&mut self, last_seen: Zxid) -> Option<Request> {
        self.catching_up = self.armed.keys().cloned().collect();
        let persistent = self.lasting.reconnect();
        if self.armed.is_empty() && persistent.is_none() {
            return None;
        }
        let list = |which: fn(&Armed) -> bool| {
            let all = self.armed.iter();
            all.filter(|(_, armed)| which(armed))
                .map(|(path, _)| path.clone())
                .collect()
        };
        Some(Request::SetWatches(CarriedWatches {
            relative_zxid: last_seen,
            data: list(|armed| armed.data.is_some()),
            exist: list(|armed| armed.exist.is_some()),
            child: list(|armed| armed.child.is_some()),
            persistent,
            ..CarriedWatches::default()
        }))
    }

    /// An event came.
    pub(crate) fn event(
        &mut self,
        client: u8,
        kind: EventKind,
        path: &str,
        zxid: Option<Zxid>,
        oracle: &Oracle,
    ) -> Verdict {
        let armed = self.armed.get(path).copied().unwrap_or_default();
        let change = match kind {
            EventKind::NodeCreated => Change::Created,
            EventKind::NodeDeleted => Change::Deleted,
            EventKind::NodeDataChanged => Change::DataSet,
            EventKind::NodeChildrenChanged => Change::Children,
        };
        let data = armed
            .data
            .or(armed.exist)
            .filter(|_| DATA.contains(&change));
        let child = armed.child.filter(|_| CHILD.contains(&change));
        let catching_up = self.catching_up.contains(path);
        let lasts = match zxid {
            Some(zxid) => self.lasting.event(client, path, change, zxid)?,
            None => false,
        };
        ensure(
            data.is_some() || child.is_some() || catching_up || lasts,
            NAME,
            || format!("client {client} gets {kind:?} of {path}, which it does not watch"),
        )?;
        self.disarm(path, change);
        let Some(zxid) = zxid else {
            return ensure(catching_up, NAME, || {
                format!("client {client} gets {kind:?} of {path} without a zxid")
            });
        };
        ensure(oracle.changed_at(path, change, zxid), NAME, || {
            format!("client {client} gets {kind:?} of {path} at {zxid}, where that did not happen")
        })?;
        let earlier = |since: Option<Zxid>, kinds: &[Change]| {
            let first = oracle.first_change(path, kinds, since?, zxid)?;
            (first.0 < zxid).then_some(first)
        };
        let missed = earlier(data, &DATA).or(earlier(child, &CHILD));
        ensure(missed.is_none(), NAME, || {
            format!("client {client} gets {kind:?} of {path} at {zxid}, but misses {missed:?}")
        })
    }

    fn disarm(&mut self, path: &str, change: Change) {
        if let Some(armed) = self.armed.get_mut(path) {
            match change {
                Change::Created | Change::DataSet => {
                    armed.data = None;
                    armed.exist = None;
                }
                Change::Children => armed.child = None,
                Change::Deleted => *armed = Armed::default(),
            }
            if armed.data.is_none() && armed.exist.is_none() && armed.child.is_none() {
                self.armed.remove(path);
            }
        }
    }

    /// A reply shows the state at `zxid`: what changed up to there was announced before.
    pub(crate) fn revealed(
        &mut self,
        client: u8,
        xid: Xid,
        zxid: Zxid,
        oracle: &Oracle,
    ) -> Verdict {
        if xid == SET_WATCHES_XID {
            self.catching_up.clear();
            self.lasting.set_again(zxid);
            // A node that came and went while nobody was connected is not told of.
            for (path, armed) in &mut self.armed {
                if armed.exist.is_some() && oracle.node(path, zxid).is_none() {
                    armed.exist = Some(zxid);
                }
            }
        }
        if !self.catching_up.is_empty() {
            return Ok(());
        }
        self.lasting.revealed(client, zxid, oracle)?;
        for (path, armed) in &self.armed {
            let first = |since: Option<Zxid>, kinds: &[Change]| {
                oracle.first_change(path, kinds, since?, zxid)
            };
            let missed = first(armed.data.or(armed.exist), &DATA).or(first(armed.child, &CHILD));
            ensure(missed.is_none(), NAME, || {
                format!(
                    "client {client} sees {zxid} in answer to {xid}, but was not told of \
                     {missed:?} of {path}, which it watches ({armed:?})"
                )
            })?;
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

    fn watching() -> (Watches, Oracle) {
        let mut oracle = Oracle::default();
        oracle.apply(&txn(1, create("/w", CreateKind::Persistent)));
        oracle.apply(&txn(2, create("/w/a", CreateKind::Persistent)));
        let mut watches = Watches::default();
        let path = "/w".to_owned();
        watches.read(&Request::GetChildren { path, watch: true }, z(1), true);
        (watches, oracle)
    }

    #[test]
    fn a_change_seen_before_its_event_is_found() {
        let (mut watches, oracle) = watching();
        assert!(watches.revealed(1, Xid(5), z(1), &oracle).is_ok());
        assert!(watches.revealed(1, Xid(5), z(2), &oracle).is_err());
    }

    #[test]
    fn a_second_event_of_one_watch_is_found() {
        let (mut watches, oracle) = watching();
        let kind = EventKind::NodeChildrenChanged;
        watches.event(1, kind, "/w", Some(z(2)), &oracle).unwrap();
        assert!(watches.revealed(1, Xid(5), z(2), &oracle).is_ok());
        assert!(watches.event(1, kind, "/w", Some(z(2)), &oracle).is_err());
    }

    #[test]
    fn an_event_of_something_that_did_not_happen_is_found() {
        let (mut watches, oracle) = watching();
        let kind = EventKind::NodeDeleted;
        assert!(watches.event(1, kind, "/w", Some(z(2)), &oracle).is_err());
    }

    #[test]
    fn events_without_zxid_come_only_while_catching_up() {
        let (mut watches, oracle) = watching();
        let kind = EventKind::NodeChildrenChanged;
        assert!(watches.reconnect(z(1)).is_some());
        watches.event(1, kind, "/w", None, &oracle).unwrap();
        watches.revealed(1, SET_WATCHES_XID, z(2), &oracle).unwrap();
        assert!(watches.event(1, kind, "/w", None, &oracle).is_err());
    }
}
