//! Between what reads a data directory and what builds a state from it: neither knows the other.

use bytes::Bytes;

use crate::ids::Zxid;
use crate::snapshot::SnapshotItem;
use crate::txn::Txn;

/// Takes what recovery reads, in order. An error is the reader's word that the content is bad.
pub trait RecoverySink {
    /// A snapshot follows. Called again when that one turns out to be bad: start afresh. Not called
    /// at all when the directory is empty.
    fn begin(&mut self, snapshot_zxid: Zxid);

    /// A piece of the snapshot.
    ///
    /// # Errors
    /// A piece that cannot be; an older snapshot is tried.
    fn item(&mut self, item: SnapshotItem) -> Result<(), String>;

    /// The snapshot is whole, with the zxid and the tree digest that its end names.
    ///
    /// # Errors
    /// A tree that cannot be; an older snapshot is tried.
    fn end_snapshot(&mut self, digest: Option<(Zxid, u64)>) -> Result<(), String>;

    /// The next transaction behind the snapshot, decoded and as it stands in the log.
    ///
    /// # Errors
    /// A transaction that cannot be: the log is damaged.
    fn txn(&mut self, txn: Txn, raw: Bytes) -> Result<(), String>;
}
