//! Changes become events: the table of client.md section 12.2 (`DataTree` and its watch managers).

use zk_wire::client::{EventKind, WatcherEvent};

use super::modes::Registry;
use super::table::WatchTable;
use crate::db::{AclList, Change, parent_of};
use crate::io::ConnId;

/// An event, and who watches for it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event: WatcherEvent,
    /// Who may not read this is not told, though its watch is used up (section 12.3).
    pub(crate) acl: AclList,
    /// In the order of their numbers.
    pub(crate) conns: Vec<ConnId>,
}

/// Events of one change, in the order in which they must leave.
pub(crate) fn fire(table: &mut WatchTable, change: &Change) -> Vec<Told> {
    let mut out = Vec::new();
    let mut tell = |conns: Vec<ConnId>, kind: EventKind, path: &str, acl: &AclList| {
        if !conns.is_empty() {
            out.push(Told {
                event: WatcherEvent {
                    kind,
                    path: path.to_owned(),
                },
                acl: acl.clone(),
                conns,
            });
        }
    };
    let (path, parent_acl) = match change {
        Change::DataSet { path, acl } => {
            let data = table.trigger(Registry::Data, path);
            tell(data, EventKind::NodeDataChanged, path, acl);
            return out;
        }
        Change::Created {
            path,
            acl,
            parent_acl,
        } => {
            let data = table.trigger(Registry::Data, path);
            tell(data, EventKind::NodeCreated, path, acl);
            (path, parent_acl)
        }
        Change::Deleted {
            path,
            acl,
            parent_acl,
        } => {
            let data = table.trigger(Registry::Data, path);
            let mut child = table.trigger(Registry::Child, path);
            child.retain(|conn| data.binary_search(conn).is_err());
            tell(data, EventKind::NodeDeleted, path, acl);
            tell(child, EventKind::NodeDeleted, path, acl);
            (path, parent_acl)
        }
    };
    if let Some((parent, _)) = parent_of(path) {
        let parent = if parent.is_empty() { "/" } else { parent };
        let child = table.trigger(Registry::Child, parent);
        tell(child, EventKind::NodeChildrenChanged, parent, parent_acl);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Mode;

    const A: ConnId = ConnId(1);

    fn deleted(path: &str) -> Change {
        Change::Deleted {
            path: path.into(),
            acl: None,
            parent_acl: None,
        }
    }

    fn created(path: &str) -> Change {
        Change::Created {
            path: path.into(),
            acl: None,
            parent_acl: None,
        }
    }

    fn told(table: &mut WatchTable, change: &Change) -> Vec<(EventKind, String)> {
        let all = fire(table, change);
        all.into_iter()
            .map(|t| (t.event.kind, t.event.path))
            .collect()
    }

    #[test]
    fn a_connection_with_all_watches_on_a_deleted_node_is_told_once() {
        let mut table = WatchTable::default();
        table.add(A, Registry::Data, Mode::Standard, "/a/b");
        table.add(A, Registry::Child, Mode::Standard, "/a/b");
        table.add(A, Registry::Child, Mode::Standard, "/a");
        assert_eq!(
            told(&mut table, &deleted("/a/b")),
            [
                (EventKind::NodeDeleted, "/a/b".into()),
                (EventKind::NodeChildrenChanged, "/a".into())
            ]
        );
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn children_of_the_root_tell_the_root() {
        let mut table = WatchTable::default();
        table.add(A, Registry::Child, Mode::Standard, "/");
        table.add(A, Registry::Data, Mode::Standard, "/a");
        assert_eq!(
            told(&mut table, &created("/a")),
            [
                (EventKind::NodeCreated, "/a".into()),
                (EventKind::NodeChildrenChanged, "/".into())
            ]
        );
    }

    #[test]
    fn persistent_watches_are_told_of_everything_and_stay() {
        let mut table = WatchTable::default();
        table.add_lasting(A, Mode::Persistent, "/a");
        for _ in 0..2 {
            assert_eq!(
                told(&mut table, &created("/a/b")),
                [(EventKind::NodeChildrenChanged, "/a".into())]
            );
            assert_eq!(
                told(&mut table, &deleted("/a")),
                [(EventKind::NodeDeleted, "/a".into())]
            );
        }
    }

    #[test]
    fn recursive_watches_are_never_told_of_children() {
        let mut table = WatchTable::default();
        table.add_lasting(A, Mode::Recursive, "/a");
        assert_eq!(
            told(&mut table, &created("/a/b")),
            [(EventKind::NodeCreated, "/a/b".into())]
        );
        table.add(A, Registry::Child, Mode::Standard, "/a");
        assert_eq!(
            told(&mut table, &deleted("/a/b")),
            [
                (EventKind::NodeDeleted, "/a/b".into()),
                (EventKind::NodeChildrenChanged, "/a".into())
            ]
        );
    }
}
