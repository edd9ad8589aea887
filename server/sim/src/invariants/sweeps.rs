//! Sweeps: the ensemble deletes nothing on its own but containers that had children and have none.
//!
//! Apache ZooKeeper, `ContainerManager`: it looks at a container twice, when it searches and when its
//! turn comes, so that a child that was created in between keeps it.

use zk_wire::txn::{Txn, TxnBody};
use zk_wire::{SessionId, Zxid};

use super::{Verdict, ensure};
use crate::oracle::{CONTAINER, Oracle};

/// The next committed transaction; `before` is the one in front of it.
pub(crate) fn committed(txn: &Txn, before: Zxid, oracle: &Oracle) -> Verdict {
    let TxnBody::Delete { path, .. } = &txn.body else {
        return Ok(());
    };
    if txn.header.session != SessionId::NONE {
        return Ok(());
    }
    let node = oracle.node(path, before);
    let served = node.is_some_and(|node| {
        node.owner == CONTAINER && node.created > 0 && node.children.is_empty()
    });
    ensure(served, "sweeps", || {
        format!("{} sweeps {path}, which is {node:?}", txn.header.zxid)
    })
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;
    use zk_wire::txn::CreateKind;

    use super::*;
    use crate::oracle::tests::{create, delete, txn};

    #[test]
    fn only_containers_that_served_are_swept() {
        let z = |counter| Zxid::new(Epoch(1), counter);
        let mut oracle = Oracle::default();
        oracle.apply(&txn(1, create("/c", CreateKind::Container)));
        oracle.apply(&txn(2, create("/c/x", CreateKind::Persistent)));
        oracle.apply(&txn(3, delete("/c/x")));
        let sweep = |path: &str| {
            let mut txn = txn(4, delete(path));
            txn.header.session = SessionId::NONE;
            txn
        };
        assert!(
            committed(&sweep("/c"), z(1), &oracle).is_err(),
            "never used"
        );
        assert!(committed(&sweep("/c"), z(2), &oracle).is_err(), "in use");
        assert!(committed(&sweep("/c/x"), z(2), &oracle).is_err());
        assert!(committed(&sweep("/c"), z(3), &oracle).is_ok());
        assert!(committed(&txn(4, delete("/c")), z(2), &oracle).is_ok());
    }
}
