//! One znode as it is kept in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use zk_wire::{Stat, StatPersisted};

use super::tree::NodeIdx;

/// Owner that marks a container node.
const OWNER_CONTAINER: u64 = 0x8000_0000_0000_0000;
/// High byte of the owner that marks a node with a time to live.
const OWNER_TTL_MARK: u64 = 0xff;

/// A znode without its name, which its parent keeps.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) stat: StatPersisted,
    /// `None` is null, which is not the same as empty.
    pub(crate) data: Option<Bytes>,
    /// Row of the ACL table.
    pub(crate) acl_id: i64,
    /// CRC of path, data and stat; 0 for nodes that the tree digest leaves out.
    pub(crate) digest: u32,
    pub(crate) children: BTreeMap<Box<str>, NodeIdx>,
}

impl Node {
    /// Length of the data, bytes.
    pub(crate) fn data_len(&self) -> u64 {
        self.data.as_ref().map_or(0, |d| d.len() as u64)
    }

    /// Number of children as a Stat shows it.
    pub(crate) fn child_count(&self) -> i32 {
        i32::try_from(self.children.len()).unwrap_or(i32::MAX)
    }

    /// What clients see.
    pub(crate) fn stat(&self) -> Stat {
        client_stat(&self.stat, self.data.as_ref(), self.child_count())
    }
}

/// The session that owns a node with this stored owner; `None` for persistent, container and TTL
/// nodes. The marks are recognised whether or not TTL nodes are enabled, for Apache deletes such
/// nodes as orphaned ephemerals when they are not.
pub(crate) fn owner_session(stored: i64) -> Option<zk_wire::SessionId> {
    let raw = stored.cast_unsigned();
    let marked = raw == 0 || raw == OWNER_CONTAINER || raw >> 56 == OWNER_TTL_MARK;
    (!marked).then_some(zk_wire::SessionId(stored))
}

/// Stored owner of a container node.
pub(crate) const fn container_owner() -> i64 {
    OWNER_CONTAINER.cast_signed()
}

/// Stored owner of a node with a time to live of `ms`.
pub(crate) const fn ttl_owner(ms: i64) -> i64 {
    ((OWNER_TTL_MARK << 56) | (ms.cast_unsigned() & 0xff_ffff_ffff)).cast_signed()
}

/// Time to live of a node with this stored owner, ms; `None` when it has none.
pub(crate) fn ttl_of(stored: i64) -> Option<i64> {
    let raw = stored.cast_unsigned();
    // The two bytes between mark and time number a feature; 0 is this one.
    (raw >> 40 == OWNER_TTL_MARK << 16).then_some((raw & 0xff_ffff_ffff).cast_signed())
}

/// Stat for clients: cversion counts deletions too, marks of container and TTL nodes are hidden.
pub(crate) fn client_stat(stat: &StatPersisted, data: Option<&Bytes>, children: i32) -> Stat {
    Stat {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        cversion: stat.cversion.wrapping_mul(2).wrapping_sub(children),
        aversion: stat.aversion,
        ephemeral_owner: owner_session(stat.ephemeral_owner).map_or(0, |s| s.0),
        data_length: data.map_or(0, |d| i32::try_from(d.len()).unwrap_or(i32::MAX)),
        num_children: children,
        pzxid: stat.pzxid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_no_sessions() {
        assert_eq!(owner_session(0), None);
        assert_eq!(owner_session(container_owner()), None);
        assert_eq!(owner_session(ttl_owner(36_000_000)), None);
        assert_eq!(ttl_owner(1).cast_unsigned(), 0xff00_0000_0000_0001);
        assert_eq!(ttl_of(ttl_owner(0xff_ffff_ffff)), Some(0xff_ffff_ffff));
        assert_eq!(ttl_of(container_owner()), None);
        assert_eq!(ttl_of(0xff00_0100_0000_0001_u64.cast_signed()), None);
        assert!(owner_session(0x0100_0000_0000_0000).is_some());
        assert!(owner_session(0xfe00_0000_0000_0000_u64.cast_signed()).is_some());
    }
}
