//! Changes become events: the table of client.md section 12.2, and the catch-up of setWatches.

use zk_wire::client::{CarriedWatches, EventKind, WatcherEvent};

use super::table::{WatchKind, WatchTable};
use crate::db::{Change, Database, parent_of};
use crate::io::ConnId;

/// Events of one change, in the order in which they must leave.
pub(crate) fn fire(table: &mut WatchTable, change: &Change) -> Vec<(ConnId, WatcherEvent)> {
    let mut out = Vec::new();
    let mut tell = |conns: Vec<ConnId>, kind: EventKind, path: &str| {
        let event = |conn| {
            (
                conn,
                WatcherEvent {
                    kind,
                    path: path.to_owned(),
                },
            )
        };
        out.extend(conns.into_iter().map(event));
    };
    match change {
        Change::Created(path) => {
            tell(
                table.take(WatchKind::Data, path),
                EventKind::NodeCreated,
                path,
            );
        }
        Change::DataSet(path) => {
            tell(
                table.take(WatchKind::Data, path),
                EventKind::NodeDataChanged,
                path,
            );
            return out;
        }
        Change::Deleted(path) => {
            let data = table.take(WatchKind::Data, path);
            let mut child = table.take(WatchKind::Child, path);
            child.retain(|conn| !data.contains(conn));
            tell(data, EventKind::NodeDeleted, path);
            tell(child, EventKind::NodeDeleted, path);
        }
    }
    let (Change::Created(path) | Change::Deleted(path) | Change::DataSet(path)) = change;
    if let Some((parent, _)) = parent_of(path) {
        let parent = if parent.is_empty() { "/" } else { parent };
        tell(
            table.take(WatchKind::Child, parent),
            EventKind::NodeChildrenChanged,
            parent,
        );
    }
    out
}

/// Registers carried watches; what they have missed comes back as events.
pub(crate) fn catch_up(
    table: &mut WatchTable,
    db: &Database,
    conn: ConnId,
    carried: &CarriedWatches,
) -> Vec<WatcherEvent> {
    let since = carried.relative_zxid.to_wire();
    let mut events = Vec::new();
    let mut tell = |kind, path: &str| {
        events.push(WatcherEvent {
            kind,
            path: path.to_owned(),
        })
    };
    for path in &carried.data {
        match db.node(path) {
            None => tell(EventKind::NodeDeleted, path),
            Some(node) if node.stat.mzxid > since => tell(EventKind::NodeDataChanged, path),
            Some(_) => table.add(conn, WatchKind::Data, path),
        }
    }
    for path in &carried.exist {
        match db.node(path) {
            Some(_) => tell(EventKind::NodeCreated, path),
            None => table.add(conn, WatchKind::Data, path),
        }
    }
    for path in &carried.child {
        match db.node(path) {
            None => tell(EventKind::NodeDeleted, path),
            Some(node) if node.stat.pzxid > since => tell(EventKind::NodeChildrenChanged, path),
            Some(_) => table.add(conn, WatchKind::Child, path),
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_all_watches_on_a_deleted_node_is_told_once() {
        let mut table = WatchTable::default();
        let conn = ConnId(1);
        table.add(conn, WatchKind::Data, "/a/b");
        table.add(conn, WatchKind::Child, "/a/b");
        table.add(conn, WatchKind::Child, "/a");
        let events = fire(&mut table, &Change::Deleted("/a/b".into()));
        let kinds: Vec<_> = events
            .iter()
            .map(|(_, e)| (e.kind, e.path.as_str()))
            .collect();
        assert_eq!(
            kinds,
            [
                (EventKind::NodeDeleted, "/a/b"),
                (EventKind::NodeChildrenChanged, "/a")
            ]
        );
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn children_of_the_root_tell_the_root() {
        let mut table = WatchTable::default();
        table.add(ConnId(1), WatchKind::Child, "/");
        table.add(ConnId(1), WatchKind::Data, "/a");
        let events = fire(&mut table, &Change::Created("/a".into()));
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].1.path, "/");
    }

    #[test]
    fn carried_watches_catch_up() {
        let db = Database::new();
        let mut table = WatchTable::default();
        let (here, gone) = (["/zookeeper".to_owned()], ["/gone".to_owned()]);
        let mut run = |data: &[String], exist: &[String], child: &[String]| {
            let carried = CarriedWatches {
                data: data.to_vec(),
                exist: exist.to_vec(),
                child: child.to_vec(),
                ..CarriedWatches::default()
            };
            let events = catch_up(&mut table, &db, ConnId(1), &carried);
            events.into_iter().map(|e| e.kind).collect::<Vec<_>>()
        };
        assert_eq!(run(&here, &gone, &here), []);
        assert_eq!(
            run(&gone, &here, &gone),
            [
                EventKind::NodeDeleted,
                EventKind::NodeCreated,
                EventKind::NodeDeleted
            ]
        );
        assert_eq!(table.len(), 3);
    }
}
