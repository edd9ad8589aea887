//! The ACL table: each list is stored once and nodes carry its number (`ReferenceCountedACLCache`).
//!
//! Numbers are local to a server and to a snapshot. Lists that no node uses any more leave the
//! table when it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use zk_wire::Acl;
use zk_wire::snapshot::ACL_OPEN_UNSAFE;

/// A list, or `None`: open to everyone without an entry in the table.
pub type AclList = Option<Arc<[Acl]>>;

/// Lists by number and numbers by list.
#[derive(Debug, Clone, Default)]
pub(super) struct AclTable {
    by_id: BTreeMap<i64, Arc<[Acl]>>,
    by_list: BTreeMap<Arc<[Acl]>, i64>,
    last_id: i64,
}

impl AclTable {
    /// The number of a list, which gets one if it has none.
    pub(super) fn intern(&mut self, list: &AclList) -> i64 {
        let Some(list) = list else {
            return ACL_OPEN_UNSAFE;
        };
        if let Some(id) = self.by_list.get(list) {
            return *id;
        }
        self.last_id += 1;
        self.by_id.insert(self.last_id, Arc::clone(list));
        self.by_list.insert(Arc::clone(list), self.last_id);
        self.last_id
    }

    /// Takes over a row of a snapshot.
    pub(super) fn load(&mut self, id: i64, list: Vec<Acl>) {
        let list: Arc<[Acl]> = Arc::from(list);
        self.by_id.insert(id, Arc::clone(&list));
        self.by_list.insert(list, id);
        self.last_id = self.last_id.max(id);
    }

    /// The list with this number; open when there is none.
    pub(super) fn list(&self, id: i64) -> AclList {
        self.by_id.get(&id).cloned()
    }

    /// Whether a node may carry this number.
    pub(super) fn knows(&self, id: i64) -> bool {
        id == ACL_OPEN_UNSAFE || self.by_id.contains_key(&id)
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = (i64, &[Acl])> {
        self.by_id.iter().map(|(id, list)| (*id, list.as_ref()))
    }
}
