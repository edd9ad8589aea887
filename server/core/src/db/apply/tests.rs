//! Each transaction on a small tree; the digest always equals the sum over the nodes.

use zk_wire::txn::TxnHeader;
use zk_wire::{Epoch, Xid};

use super::*;

fn apply(db: &mut Database, counter: u32, body: TxnBody) -> (TxnOutcome, Vec<Change>) {
    let header = TxnHeader {
        session: SessionId(7),
        xid: Xid(1),
        zxid: Zxid::new(Epoch(1), counter),
        time_ms: 1000 + i64::from(counter),
    };
    let mut changes = Vec::new();
    let outcome = db.apply(
        &Txn {
            header,
            body,
            digest: None,
        },
        &mut changes,
    );
    let mut sum = 0_u64;
    db.tree.walk(|path, node| {
        sum = sum.wrapping_add(u64::from(node_digest(path, node.data.as_ref(), &node.stat)));
    });
    assert_eq!(db.digest(), sum);
    (outcome, changes)
}

fn create(path: &str, kind: CreateKind, parent_cversion: i32) -> TxnBody {
    TxnBody::Create(CreateTxn {
        path: path.into(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        kind,
        parent_cversion,
        create2: false,
    })
}

/// Paths of deletions, all of which were open to everyone.
fn deleted(changes: &[Change]) -> Vec<&str> {
    let open = Some(Arc::from([Acl::world(31)]));
    let path = |change| {
        if let &Change::Deleted {
            ref path,
            ref acl,
            parent_acl: None,
        } = change
            && *acl == open
        {
            Some(path.as_str())
        } else {
            None
        }
    };
    changes.iter().filter_map(path).collect()
}

fn delete(path: &str) -> TxnBody {
    TxnBody::Delete {
        path: path.into(),
        container: false,
    }
}

#[test]
fn create_set_and_delete_move_the_stats_as_documented() {
    let mut db = Database::new();
    apply(&mut db, 1, create("/a", CreateKind::Persistent, 1));
    apply(&mut db, 2, create("/b", CreateKind::Persistent, 2));
    let (outcome, changes) = apply(&mut db, 3, delete("/a"));
    assert_eq!(
        (outcome, deleted(&changes)),
        (TxnOutcome::Deleted, vec!["/a"])
    );
    let root = db.node("/").unwrap().stat();
    assert_eq!(
        (root.cversion, root.num_children, root.pzxid),
        (2, 2, 0x1_0000_0003)
    );
    let set = TxnBody::SetData {
        path: "/b".into(),
        data: None,
        version: 1,
        reconfig: false,
    };
    let (TxnOutcome::DataSet(stat), _) = apply(&mut db, 4, set) else {
        panic!()
    };
    assert_eq!(
        (stat.version, stat.mzxid, stat.mtime),
        (1, 0x1_0000_0004, 1004)
    );
}

#[test]
fn the_end_of_a_session_takes_listed_and_unlisted_ephemerals() {
    let mut db = Database::new();
    apply(&mut db, 1, TxnBody::CreateSession { timeout_ms: 4000 });
    apply(&mut db, 2, create("/e", CreateKind::Ephemeral, 1));
    apply(&mut db, 3, create("/f", CreateKind::Ephemeral, 2));
    assert_eq!(db.ephemeral_count(), 2);
    let (_, changes) = apply(
        &mut db,
        4,
        TxnBody::CloseSession {
            paths: Some(vec!["/f".into(), "/x".into()]),
        },
    );
    assert_eq!(deleted(&changes), ["/f", "/e"]);
    assert_eq!((db.ephemeral_count(), db.sessions().len()), (0, 0));
}

#[test]
fn a_multi_with_an_error_changes_nothing() {
    let mut db = Database::new();
    let before = db.digest();
    let ops = vec![
        create("/a", CreateKind::Persistent, 1),
        TxnBody::Error { code: -101 },
        TxnBody::Error { code: -2 },
    ];
    let (outcome, changes) = apply(&mut db, 1, TxnBody::Multi(ops));
    let codes = [0, -101, -2].map(TxnOutcome::Failed).to_vec();
    assert_eq!((outcome, changes), (TxnOutcome::Multi(codes), vec![]));
    assert_eq!(
        (db.digest(), db.last_applied()),
        (before, Zxid::new(Epoch(1), 1))
    );
}

#[test]
fn replay_over_a_state_that_has_the_effect_changes_nothing_more() {
    let mut db = Database::new();
    let txns = [
        create("/a", CreateKind::Persistent, 1),
        create("/a/b", CreateKind::Persistent, 1),
        delete("/a/b"),
        create("/a/c", CreateKind::Container, 2),
        create("/t", CreateKind::Ttl(50), 2),
    ];
    for (i, body) in (1..).zip(&txns) {
        apply(&mut db, i, body.clone());
    }
    let digest = db.digest();
    for (i, body) in (1..).zip(&txns).skip(3) {
        apply(&mut db, i, body.clone());
    }
    assert_eq!(db.digest(), digest);
    assert_eq!(db.ephemeral_count(), 0);
}

#[test]
fn targets_that_are_not_there_are_told() {
    let mut db = Database::new();
    let no_node = TxnOutcome::Failed(-101);
    for body in [
        create("/x/y", CreateKind::Persistent, 1),
        delete("/x"),
        delete("/x/y"),
    ] {
        assert_eq!(apply(&mut db, 1, body).0, no_node);
    }
}
