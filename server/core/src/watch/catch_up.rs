//! What a client missed while it had no connection: setWatches and setWatches2 (client.md section
//! 12.5, `DataTree.setWatches`).

use zk_wire::client::{CarriedWatches, EventKind, WatcherEvent};

use super::modes::{Mode, Registry};
use super::table::WatchTable;
use crate::db::Database;
use crate::io::ConnId;

/// Registers carried watches; what they have missed comes back as events, list by list. Nobody asks
/// here who may read what.
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
    let mut watch = |registry, path: &str| table.add(conn, registry, Mode::Standard, path);
    for path in &carried.data {
        match db.node(path) {
            None => tell(EventKind::NodeDeleted, path),
            Some(node) if node.stat.mzxid > since => tell(EventKind::NodeDataChanged, path),
            Some(_) => watch(Registry::Data, path),
        }
    }
    for path in &carried.exist {
        match db.node(path) {
            Some(_) => tell(EventKind::NodeCreated, path),
            None => watch(Registry::Data, path),
        }
    }
    for path in &carried.child {
        match db.node(path) {
            None => tell(EventKind::NodeDeleted, path),
            Some(node) if node.stat.pzxid > since => tell(EventKind::NodeChildrenChanged, path),
            Some(_) => watch(Registry::Child, path),
        }
    }
    if let Some(lasting) = &carried.persistent {
        for path in &lasting.exact {
            table.add_lasting(conn, Mode::Persistent, path);
        }
        for path in &lasting.recursive {
            table.add_lasting(conn, Mode::Recursive, path);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use zk_wire::client::request::PersistentWatches;

    use super::*;
    use crate::watch::WatcherType;

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

    #[test]
    fn lasting_watches_are_registered_and_nothing_else() {
        let db = Database::new();
        let mut table = WatchTable::default();
        let carried = CarriedWatches {
            persistent: Some(PersistentWatches {
                exact: vec!["/a".into()],
                recursive: vec!["/b".into()],
            }),
            ..CarriedWatches::default()
        };
        assert_eq!(catch_up(&mut table, &db, ConnId(1), &carried), []);
        assert!(table.has(ConnId(1), WatcherType::Persistent, "/a"));
        assert!(table.has(ConnId(1), WatcherType::Recursive, "/b"));
        assert_eq!(table.len(), 3);
    }
}
