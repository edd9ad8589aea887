//! Registrations of watches (`WatchManager`): two registries, data and child.
//!
//! Both share one table, for a connection that watches a path often does so in both. A path is kept
//! once, and most paths have one watcher.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::modes::{Mode, Modes, Registry, WatcherType};
use crate::io::ConnId;

/// The watches of one connection on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Watch {
    data: Modes,
    child: Modes,
}

impl Watch {
    fn modes(self, registry: Registry) -> Modes {
        match registry {
            Registry::Data => self.data,
            Registry::Child => self.child,
        }
    }

    fn modes_mut(&mut self, registry: Registry) -> &mut Modes {
        match registry {
            Registry::Data => &mut self.data,
            Registry::Child => &mut self.child,
        }
    }

    fn is_empty(self) -> bool {
        self.data.is_empty() && self.child.is_empty()
    }

    /// A path counts once in each registry, whatever the modes.
    fn count(self) -> u64 {
        u64::from(!self.data.is_empty()) + u64::from(!self.child.is_empty())
    }

    fn is_recursive(self) -> bool {
        self.data.has(Mode::Recursive)
    }

    fn has(self, kind: WatcherType) -> bool {
        match kind {
            WatcherType::Children => self.child.has(Mode::Standard),
            WatcherType::Data => self.data.has(Mode::Standard),
            WatcherType::Any => !self.is_empty(),
            WatcherType::Persistent => self.data.has(Mode::Persistent),
            WatcherType::Recursive => self.data.has(Mode::Recursive),
        }
    }

    fn without(self, kind: WatcherType) -> Self {
        let Self { data, child } = self;
        match kind {
            WatcherType::Children => Self {
                data,
                child: child.without(Mode::Standard),
            },
            WatcherType::Data => Self {
                data: data.without(Mode::Standard),
                child,
            },
            WatcherType::Any => Self::default(),
            WatcherType::Persistent => Self {
                data: data.without(Mode::Persistent),
                child: child.without(Mode::Persistent),
            },
            WatcherType::Recursive => Self {
                data: data.without(Mode::Recursive),
                child,
            },
        }
    }
}

/// The watchers of one path, in the order of their connections.
#[derive(Debug)]
enum Watchers {
    One(ConnId, Watch),
    Many(BTreeMap<ConnId, Watch>),
}

impl Watchers {
    fn get(&self, conn: ConnId) -> Watch {
        match self {
            Self::One(only, watch) if *only == conn => *watch,
            Self::One(..) => Watch::default(),
            Self::Many(all) => all.get(&conn).copied().unwrap_or_default(),
        }
    }

    fn set(&mut self, conn: ConnId, watch: Watch) {
        match self {
            Self::One(only, mine) if *only == conn => *mine = watch,
            Self::One(only, theirs) => {
                *self = Self::Many(BTreeMap::from([(*only, *theirs), (conn, watch)]));
            }
            Self::Many(all) if watch.is_empty() => {
                all.remove(&conn);
            }
            Self::Many(all) => {
                all.insert(conn, watch);
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::One(_, watch) => watch.is_empty(),
            Self::Many(all) => all.is_empty(),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(ConnId, Watch)) {
        match self {
            Self::One(conn, watch) => visit(*conn, *watch),
            Self::Many(all) => all.iter().for_each(|(conn, watch)| visit(*conn, *watch)),
        }
    }
}

/// Both registries, and what each connection has in them.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    by_path: BTreeMap<Arc<str>, Watchers>,
    by_conn: BTreeMap<ConnId, BTreeSet<Arc<str>>>,
    len: u64,
    /// Recursive watches: without any, nobody has to look at the ancestors of a path.
    recursive: u64,
}

impl WatchTable {
    /// Number of registrations: one per connection, path and registry.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// All watches on data, by connection.
    pub(crate) fn data_watches(&self) -> impl Iterator<Item = (ConnId, &str)> {
        let watches = |conn, path: &Arc<str>| {
            let watch = self.by_path.get(path).map(|w| w.get(conn));
            watch.is_some_and(|watch| !watch.data.is_empty())
        };
        self.by_conn.iter().flat_map(move |(conn, paths)| {
            let data = paths.iter().filter(move |path| watches(*conn, path));
            data.map(|path| (*conn, path.as_ref()))
        })
    }

    fn get(&self, conn: ConnId, path: &str) -> Watch {
        self.by_path
            .get(path)
            .map(|watchers| watchers.get(conn))
            .unwrap_or_default()
    }

    /// The one place where a watch changes.
    fn set(&mut self, conn: ConnId, path: &str, watch: Watch) {
        let before = self.get(conn, path);
        if before == watch {
            return;
        }
        self.len = self.len - before.count() + watch.count();
        self.recursive =
            self.recursive - u64::from(before.is_recursive()) + u64::from(watch.is_recursive());
        if let Some(watchers) = self.by_path.get_mut(path) {
            watchers.set(conn, watch);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
        } else if !watch.is_empty() {
            self.by_path
                .insert(Arc::from(path), Watchers::One(conn, watch));
        }
        if before.is_empty() == watch.is_empty() {
            return;
        }
        if watch.is_empty() {
            if let Some(mine) = self.by_conn.get_mut(&conn) {
                mine.remove(path);
                if mine.is_empty() {
                    self.by_conn.remove(&conn);
                }
            }
        } else if let Some((shared, _)) = self.by_path.get_key_value(path) {
            let shared = Arc::clone(shared);
            self.by_conn.entry(conn).or_default().insert(shared);
        }
    }

    /// Registers; the same watch twice is one.
    pub(crate) fn add(&mut self, conn: ConnId, registry: Registry, mode: Mode, path: &str) {
        let mut watch = self.get(conn, path);
        let modes = watch.modes_mut(registry);
        *modes = modes.with(mode);
        self.set(conn, path, watch);
    }

    /// Registers as addWatch does: a recursive watch needs no other registry than that of data.
    pub(crate) fn add_lasting(&mut self, conn: ConnId, mode: Mode, path: &str) {
        self.add(conn, Registry::Data, mode, path);
        if mode != Mode::Recursive {
            self.add(conn, Registry::Child, mode, path);
        }
    }

    /// Whether the connection has such a watch on exactly this path.
    pub(crate) fn has(&self, conn: ConnId, kind: WatcherType, path: &str) -> bool {
        self.get(conn, path).has(kind)
    }

    /// Removes such watches of the connection on exactly this path; false when there was none.
    pub(crate) fn remove(&mut self, conn: ConnId, kind: WatcherType, path: &str) -> bool {
        let before = self.get(conn, path);
        let after = before.without(kind);
        self.set(conn, path, after);
        before != after
    }

    /// Who is to be told of something at `path`, each once, in the order of their connections; uses
    /// up the standard watches among them.
    pub(crate) fn trigger(&mut self, registry: Registry, path: &str) -> Vec<ConnId> {
        let mut told = Vec::new();
        let mut used = Vec::new();
        if let Some(watchers) = self.by_path.get(path) {
            watchers.for_each(|conn, watch| {
                let modes = watch.modes(registry);
                if !modes.is_empty() {
                    told.push(conn);
                }
                if modes.has(Mode::Standard) {
                    used.push((conn, watch));
                }
            });
        }
        for (conn, mut watch) in used {
            let modes = watch.modes_mut(registry);
            *modes = modes.without(Mode::Standard);
            self.set(conn, path, watch);
        }
        if registry == Registry::Data && self.recursive > 0 {
            let at_path = told.len();
            for ancestor in ancestors(path) {
                if let Some(watchers) = self.by_path.get(ancestor) {
                    watchers.for_each(|conn, watch| {
                        if watch.is_recursive() {
                            told.push(conn);
                        }
                    });
                }
            }
            if told.len() > at_path {
                told.sort_unstable();
                told.dedup();
            }
        }
        told
    }

    /// Forgets a connection.
    pub(crate) fn remove_conn(&mut self, conn: ConnId) {
        for path in self.by_conn.remove(&conn).unwrap_or_default() {
            self.set(conn, &path, Watch::default());
        }
    }
}

/// The paths above `path`, nearest first, the root last; itself is not among them.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let (parent, name) = rest.rsplit_once('/')?;
        if parent.is_empty() {
            rest = "";
            return (!name.is_empty()).then_some("/");
        }
        rest = parent;
        Some(parent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn is_clean(table: &WatchTable) -> bool {
        let empty = table.by_conn.is_empty() && table.by_path.is_empty();
        empty && table.len == 0 && table.recursive == 0
    }

    #[test]
    fn a_standard_watch_is_used_up_once_and_goes_with_its_connection() {
        let mut table = WatchTable::default();
        for (conn, registry) in [
            (A, Registry::Data),
            (A, Registry::Data),
            (A, Registry::Child),
            (B, Registry::Data),
        ] {
            table.add(conn, registry, Mode::Standard, "/x");
        }
        assert_eq!(table.len(), 3);
        assert_eq!(table.data_watches().count(), 2);
        assert_eq!(table.trigger(Registry::Data, "/x"), [A, B]);
        assert_eq!(table.trigger(Registry::Data, "/x"), []);
        assert_eq!(table.len(), 1);
        table.remove_conn(A);
        assert_eq!(table.trigger(Registry::Child, "/x"), []);
        assert!(is_clean(&table));
    }

    #[test]
    fn modes_on_one_path_do_not_touch_each_other() {
        let mut table = WatchTable::default();
        table.add(A, Registry::Data, Mode::Standard, "/x");
        table.add_lasting(A, Mode::Persistent, "/x");
        assert_eq!(table.len(), 2);
        assert_eq!(table.trigger(Registry::Data, "/x"), [A]);
        assert!(!table.has(A, WatcherType::Data, "/x"));
        assert_eq!(table.trigger(Registry::Data, "/x"), [A]);
        assert_eq!(table.trigger(Registry::Child, "/x"), [A]);
        assert!(!table.remove(A, WatcherType::Children, "/x"));
        assert!(table.remove(A, WatcherType::Persistent, "/x"));
        assert!(is_clean(&table));
    }

    #[test]
    fn a_recursive_watch_sees_what_is_below_and_nothing_beside() {
        let mut table = WatchTable::default();
        table.add_lasting(A, Mode::Recursive, "/w/a");
        table.add_lasting(A, Mode::Recursive, "/");
        table.add_lasting(B, Mode::Recursive, "/w/a");
        assert_eq!(table.trigger(Registry::Data, "/w/a"), [A, B]);
        assert_eq!(table.trigger(Registry::Data, "/w/a/b/c"), [A, B]);
        assert_eq!(table.trigger(Registry::Data, "/w/ab"), [A]);
        assert_eq!(table.trigger(Registry::Child, "/w/a"), []);
        assert!(table.remove(A, WatcherType::Recursive, "/"));
        assert_eq!(table.trigger(Registry::Data, "/w/ab"), []);
        assert_eq!(table.trigger(Registry::Data, "/w"), []);
        table.remove_conn(A);
        table.remove_conn(B);
        assert!(is_clean(&table));
    }

    #[test]
    fn checks_and_removals_by_type() {
        let mut table = WatchTable::default();
        let all = [
            WatcherType::Children,
            WatcherType::Data,
            WatcherType::Any,
            WatcherType::Persistent,
            WatcherType::Recursive,
        ];
        let has = |table: &WatchTable| all.map(|kind| table.has(A, kind, "/x"));
        assert_eq!(has(&table), [false; 5]);
        table.add(A, Registry::Child, Mode::Standard, "/x");
        assert_eq!(has(&table), [true, false, true, false, false]);
        table.add(A, Registry::Data, Mode::Standard, "/x");
        table.add_lasting(A, Mode::Recursive, "/x");
        assert_eq!(has(&table), [true, true, true, false, true]);
        table.add_lasting(A, Mode::Persistent, "/x");
        assert_eq!(has(&table), [true; 5]);
        assert!(table.remove(A, WatcherType::Data, "/x"));
        assert!(!table.remove(A, WatcherType::Data, "/x"));
        assert_eq!(has(&table), [true, false, true, true, true]);
        assert!(!table.has(B, WatcherType::Any, "/x"));
        assert!(table.remove(A, WatcherType::Any, "/x"));
        assert!(is_clean(&table));
    }

    #[test]
    fn ways_to_the_root() {
        let up = |path| ancestors(path).collect::<Vec<_>>();
        assert_eq!(up("/a/b/c"), ["/a/b", "/a", "/"]);
        assert_eq!(up("/a"), ["/"]);
        assert!(up("/").is_empty() && up("").is_empty());
    }
}
