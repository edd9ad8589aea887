//! The watches of a session, so that they can be set again on another server and removed by kind
//! (`org.apache.zookeeper.ZKWatchManager`). Whoever set a watch is not kept: all events go to one
//! place.

use std::collections::BTreeSet;

use zk_wire::Zxid;
use zk_wire::client::request::PersistentWatches;
use zk_wire::client::{CarriedWatches, ErrorCode, EventKind};

/// What a successful request leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchKind {
    /// getData, and exists of a node that is there.
    Data,
    /// exists of a node that is not there.
    Exist,
    /// getChildren.
    Child,
    /// addWatch.
    Persistent,
    /// addWatch with everything below.
    Recursive,
}

/// Which watches of a path to remove (`Watcher.WatcherType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Those of getChildren.
    Children,
    /// Those of getData and exists.
    Data,
    /// Those of addWatch.
    Persistent,
    /// Those of addWatch with everything below.
    Recursive,
    /// All.
    Any,
}

impl Removal {
    /// The number on the wire.
    #[must_use]
    pub fn to_wire(self) -> i32 {
        match self {
            Self::Children => 1,
            Self::Data => 2,
            Self::Any => 3,
            Self::Persistent => 4,
            Self::Recursive => 5,
        }
    }
}

/// What came of a removal, as Apache names the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removed {
    /// Of getData or exists.
    Data,
    /// Of getChildren.
    Child,
    /// Of addWatch, either mode.
    Persistent,
}

/// All watches of a session; paths as the server knows them.
#[derive(Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// Notes a watch that the server has set.
    pub(super) fn add(&mut self, kind: WatchKind, path: &str) {
        let set = match kind {
            WatchKind::Data => &mut self.data,
            WatchKind::Exist => &mut self.exist,
            WatchKind::Child => &mut self.child,
            WatchKind::Persistent => &mut self.persistent,
            WatchKind::Recursive => &mut self.recursive,
        };
        set.insert(path.to_owned());
    }

    /// Forgets what an event has used up.
    pub(super) fn fired(&mut self, kind: EventKind, path: &str) {
        if matches!(
            kind,
            EventKind::NodeChildrenChanged | EventKind::NodeDeleted
        ) {
            self.child.remove(path);
        }
        if kind != EventKind::NodeChildrenChanged {
            self.data.remove(path);
            self.exist.remove(path);
        }
    }

    /// Whether there is anything to remove.
    pub(super) fn holds(&self, path: &str, what: Removal) -> bool {
        let data = || self.data.contains(path) || self.exist.contains(path);
        let child = || self.child.contains(path);
        let persistent = || self.persistent.contains(path);
        let recursive = || self.recursive.contains(path);
        match what {
            Removal::Children => child(),
            Removal::Data => data(),
            Removal::Persistent => persistent(),
            Removal::Recursive => recursive(),
            Removal::Any => data() || child() || persistent() || recursive(),
        }
    }

    /// Forgets watches of a path; gives what there was.
    pub(super) fn remove(&mut self, path: &str, what: Removal) -> BTreeSet<Removed> {
        let mut removed = BTreeSet::new();
        let any = what == Removal::Any;
        if any || what == Removal::Children {
            note(self.child.remove(path), Removed::Child, &mut removed);
        }
        if any || what == Removal::Data {
            let there = self.data.remove(path) | self.exist.remove(path);
            note(there, Removed::Data, &mut removed);
        }
        if any || what == Removal::Persistent {
            note(
                self.persistent.remove(path),
                Removed::Persistent,
                &mut removed,
            );
        }
        if any || what == Removal::Recursive {
            note(
                self.recursive.remove(path),
                Removed::Persistent,
                &mut removed,
            );
        }
        removed
    }

    /// What to bring along to another server; `None` when there is nothing.
    pub(super) fn carried(&self, seen: Zxid) -> Option<CarriedWatches> {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let sets = [
            &self.data,
            &self.exist,
            &self.child,
            &self.persistent,
            &self.recursive,
        ];
        if sets.iter().all(|set| set.is_empty()) {
            return None;
        }
        Some(CarriedWatches {
            relative_zxid: seen,
            data: list(&self.data),
            exist: list(&self.exist),
            child: list(&self.child),
            persistent: Some(PersistentWatches {
                exact: list(&self.persistent),
                recursive: list(&self.recursive),
            }),
            cut_short: false,
        })
    }
}

fn note(there: bool, what: Removed, removed: &mut BTreeSet<Removed>) {
    if there {
        removed.insert(what);
    }
}

/// The kind of watch that a reply with this error leaves, for a request that asked for one.
pub(super) fn left_by(asked: WatchKind, err: i32) -> Option<WatchKind> {
    match (asked, err) {
        // The node is there: what is watched now is its data.
        (WatchKind::Exist, 0) => Some(WatchKind::Data),
        (kind, 0) => Some(kind),
        // Only exists asks so: it watches for the creation then.
        (WatchKind::Exist, code) if code == ErrorCode::NoNode.to_wire() => Some(WatchKind::Exist),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_use_up_what_fires_once() {
        let mut watches = Watches::default();
        for kind in [WatchKind::Data, WatchKind::Child, WatchKind::Persistent] {
            watches.add(kind, "/a");
        }
        watches.fired(EventKind::NodeDeleted, "/a");
        assert!(!watches.holds("/a", Removal::Data) && !watches.holds("/a", Removal::Children));
        let carried = watches.carried(Zxid::ZERO).unwrap();
        assert_eq!(carried.persistent.unwrap().exact, ["/a"]);
        let removed = watches.remove("/a", Removal::Any);
        assert!(removed.iter().eq([&Removed::Persistent]));
        assert_eq!(watches.carried(Zxid::ZERO), None);
    }
}
