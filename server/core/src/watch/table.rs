//! Registrations of one-shot watches (`WatchManager`): two registries, data and child.

use std::collections::{BTreeMap, BTreeSet};

use crate::io::ConnId;

/// Which registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WatchKind {
    /// Set by exists and getData.
    Data,
    /// Set by getChildren.
    Child,
}

/// Both registries, and what each connection has in them.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    by_path: BTreeMap<Box<str>, BTreeSet<(WatchKind, ConnId)>>,
    by_conn: BTreeMap<ConnId, BTreeSet<(WatchKind, Box<str>)>>,
    len: u64,
}

impl WatchTable {
    /// Number of registrations.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// All watches on data, by connection.
    pub(crate) fn data_watches(&self) -> impl Iterator<Item = (ConnId, &str)> {
        self.by_conn.iter().flat_map(|(conn, watches)| {
            let data = watches.iter().filter(|(kind, _)| *kind == WatchKind::Data);
            data.map(|(_, path)| (*conn, path.as_ref()))
        })
    }

    /// Registers; the same watch twice is one.
    pub(crate) fn add(&mut self, conn: ConnId, kind: WatchKind, path: &str) {
        if self
            .by_path
            .entry(path.into())
            .or_default()
            .insert((kind, conn))
        {
            self.by_conn
                .entry(conn)
                .or_default()
                .insert((kind, path.into()));
            self.len += 1;
        }
    }

    /// Uses up the watches of one kind on a path; the watchers in the order of their connections.
    pub(crate) fn take(&mut self, kind: WatchKind, path: &str) -> Vec<ConnId> {
        let Some(entries) = self.by_path.get_mut(path) else {
            return Vec::new();
        };
        let taken: Vec<ConnId> = entries
            .iter()
            .filter(|(k, _)| *k == kind)
            .map(|(_, conn)| *conn)
            .collect();
        entries.retain(|(k, _)| *k != kind);
        if entries.is_empty() {
            self.by_path.remove(path);
        }
        for conn in &taken {
            self.len -= 1;
            if let Some(mine) = self.by_conn.get_mut(conn) {
                mine.remove(&(kind, path.into()));
                if mine.is_empty() {
                    self.by_conn.remove(conn);
                }
            }
        }
        taken
    }

    /// Forgets a connection.
    pub(crate) fn remove_conn(&mut self, conn: ConnId) {
        for (kind, path) in self.by_conn.remove(&conn).unwrap_or_default() {
            self.len -= 1;
            if let Some(entries) = self.by_path.get_mut(&path) {
                entries.remove(&(kind, conn));
                if entries.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_used_up_once_and_goes_with_its_connection() {
        let mut table = WatchTable::default();
        let (a, b) = (ConnId(1), ConnId(2));
        table.add(a, WatchKind::Data, "/x");
        table.add(a, WatchKind::Data, "/x");
        table.add(a, WatchKind::Child, "/x");
        table.add(b, WatchKind::Data, "/x");
        assert_eq!(table.len(), 3);
        assert_eq!(table.take(WatchKind::Data, "/x"), [a, b]);
        assert_eq!(table.take(WatchKind::Data, "/x"), []);
        table.remove_conn(a);
        assert_eq!(table.take(WatchKind::Child, "/x"), []);
        assert_eq!(table.len(), 0);
        assert!(table.by_conn.is_empty() && table.by_path.is_empty());
    }
}
