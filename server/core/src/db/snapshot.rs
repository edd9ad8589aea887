//! The state as a snapshot body and back.

use std::collections::BTreeSet;

use bytes::Bytes;
use zk_wire::Zxid;
use zk_wire::snapshot::{BodyWriter, SnapshotItem};

use super::Database;

/// Why an item does not fit; the reader of the file adds where.
pub(super) fn load_item(db: &mut Database, item: SnapshotItem) -> Result<(), String> {
    match item {
        SnapshotItem::Session { id, timeout_ms } => {
            db.sessions.insert(id, timeout_ms);
        }
        SnapshotItem::AclEntry { id, acl } => {
            if id <= 0 {
                return Err(format!("ACL number {id} is not positive"));
            }
            db.acls.load(id, acl);
        }
        SnapshotItem::Node {
            path,
            data,
            acl_id,
            stat,
        } => {
            if !db.load_node(&path, data, acl_id, stat) {
                return Err(format!(
                    "node {path:?} has no parent, is there twice, or has an unknown ACL {acl_id}"
                ));
            }
        }
    }
    Ok(())
}

impl Database {
    /// The state as it is now, in the layout of [`zk_wire::snapshot`].
    #[must_use]
    pub fn to_snapshot_body(&self) -> Bytes {
        let mut used = BTreeSet::new();
        self.tree.walk(|_, node| {
            used.insert(node.acl_id);
        });
        let rows: Vec<_> = self
            .acls
            .rows()
            .filter(|(id, _)| used.contains(id))
            .collect();
        let mut w = BodyWriter::new(self.sessions(), &rows);
        self.tree
            .walk(|path, node| w.node(path, node.data.as_deref(), node.acl_id, &node.stat));
        w.finish()
    }

    /// Ends loading: the state is that of `zxid`.
    pub(super) fn finish_load(&mut self, zxid: Zxid) -> Result<(), String> {
        for path in ["", "/zookeeper"] {
            if self.tree.find(path).is_none() {
                return Err(format!("the node {path:?} is missing"));
            }
        }
        self.load_quotas();
        self.set_last_applied(zxid);
        Ok(())
    }
}
