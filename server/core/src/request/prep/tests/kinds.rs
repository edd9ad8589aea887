//! Containers, nodes with a time to live, and the counter of sequence numbers at its end.

use zk_wire::txn::{CreateKind, CreateTxn};

use super::*;

fn make(op: CreateOp, path: &str, flags: i32, ttl_ms: i64) -> Write {
    let create = CreateRequest {
        ttl_ms,
        ..create_request(path, flags)
    };
    Write::Client(Request::Create { create, op })
}

#[test]
fn the_operation_decides_the_kind_and_the_flags_the_rest() {
    let mut b = Bench::new();
    let mut n = 0;
    let mut kind = |op, flags, ttl_ms, enabled| {
        n += 1;
        b.cfg.kinds.extended_types = enabled;
        let body = b.prep(7, make(op, &format!("/n{n}"), flags, ttl_ms));
        b.apply();
        if let TxnBody::Create(c) = body {
            return Ok((c.kind, c.path.len() > 9));
        }
        let TxnBody::Error { code } = body else {
            panic!("{body:?}")
        };
        Err(code)
    };
    use CreateKind::{Container, Ephemeral, Persistent, Ttl};
    for op in [CreateOp::Create, CreateOp::Create2] {
        assert_eq!(kind(op, 4, NO_TTL, false), Ok((Persistent, false)));
        assert_eq!(kind(op, 3, NO_TTL, false), Ok((Ephemeral, true)));
        assert_eq!(kind(op, 5, NO_TTL, false), Err(-6));
        assert_eq!(kind(op, 6, NO_TTL, true), Err(-8));
        assert_eq!(kind(op, -1, NO_TTL, true), Err(-8));
        // A number left over from a record with a time to live means nothing here.
        assert_eq!(kind(op, 0, 5, true), Ok((Persistent, false)));
    }
    for flags in [0, 1, 4] {
        assert_eq!(
            kind(CreateOp::Container, flags, NO_TTL, false),
            Ok((Container, false))
        );
    }
    assert_eq!(
        kind(CreateOp::Container, 2, NO_TTL, false),
        Ok((Container, true))
    );
    assert_eq!(kind(CreateOp::Container, 5, NO_TTL, true), Err(-8));
    assert_eq!(kind(CreateOp::Ttl, 5, 10, false), Err(-6));
    assert_eq!(kind(CreateOp::Ttl, 5, 10, true), Ok((Ttl(10), false)));
    let max = 0xff_ffff_ffff;
    assert_eq!(kind(CreateOp::Ttl, 6, max, true), Ok((Ttl(max), true)));
    for ttl_ms in [0, -1, max + 1] {
        assert_eq!(kind(CreateOp::Ttl, 5, ttl_ms, true), Err(-8));
    }
    for ttl_ms in [-1, 0, 10] {
        assert_eq!(kind(CreateOp::Ttl, 0, ttl_ms, true), Err(-8));
        assert_eq!(kind(CreateOp::Ttl, 7, ttl_ms, false), Err(-8));
    }
    assert_eq!(b.db.swept().count(), 6);
    assert_eq!(b.db.ephemeral_count(), 2);
    for path in b.db.swept() {
        assert_eq!(b.db.node(path).unwrap().stat().ephemeral_owner, 0);
    }
}

#[test]
fn containers_and_ttl_nodes_have_children_and_go_when_they_have_none() {
    let mut b = Bench::new();
    b.cfg.kinds.extended_types = true;
    let sweep = |path: &str| Write::Sweep { path: path.into() };
    check(&mut b, make(CreateOp::Container, "/c", 4, NO_TTL), 0);
    check(&mut b, make(CreateOp::Ttl, "/t", 5, 1), 0);
    check(&mut b, create("/c/e", 1), 0);
    check(&mut b, make(CreateOp::Container, "/t/c", 4, NO_TTL), 0);
    b.apply();
    check(&mut b, sweep("/c"), -111);
    check(&mut b, sweep("/c/e"), -103);
    check(&mut b, sweep("/"), -8);
    check(&mut b, sweep("/none"), -101);
    check(&mut b, delete("/c/e", -1), 0);
    check(&mut b, sweep("/c"), 0);
    check(&mut b, sweep("/c"), -101);
    check(&mut b, create("/c/late", 0), -101);
    check(&mut b, sweep("/t/c"), 0);
    b.apply();
    assert_eq!(b.db.swept().collect::<Vec<_>>(), ["/t"]);
    check(&mut b, delete("/t", -1), 0);
    b.apply();
    assert_eq!(b.db.swept().count(), 0);
}

#[test]
fn multi_takes_every_form_of_create() {
    let mut b = Bench::new();
    b.cfg.kinds.extended_types = true;
    let op = |op, path: &str, flags, ttl_ms| MultiOp::Create {
        create: CreateRequest {
            ttl_ms,
            ..create_request(path, flags)
        },
        op,
    };
    let ops = vec![
        op(CreateOp::Create2, "/m", 0, NO_TTL),
        op(CreateOp::Container, "/m/c", 4, NO_TTL),
        op(CreateOp::Ttl, "/m/t", 5, 9),
        op(CreateOp::Create, "/m/plain", 0, 9),
        op(CreateOp::Create, "/m/e", 1, NO_TTL),
    ];
    let TxnBody::Multi(bodies) = b.prep(1, Write::Client(Request::Multi(ops))) else {
        panic!()
    };
    let kinds: Vec<i32> = bodies.iter().map(TxnBody::kind).collect();
    assert_eq!(kinds, [15, 19, 21, 1, 1]);
    b.apply();
    let late = vec![
        op(CreateOp::Create, "/m/x", 0, NO_TTL),
        op(CreateOp::Create, "/m/e/x", 0, NO_TTL),
        op(CreateOp::Create, "/m/y", 0, NO_TTL),
    ];
    let body = b.prep(1, Write::Client(Request::Multi(late)));
    let TxnBody::Multi(bodies) = body else {
        panic!()
    };
    let code = |code| TxnBody::Error { code };
    assert_eq!(bodies[1..], [code(-108), code(-2)]);
    b.apply();
}

#[test]
fn the_counter_stops_at_its_end() {
    let mut b = Bench::new();
    check(&mut b, create("/s", 0), 0);
    b.apply();
    let full = TxnBody::Create(CreateTxn {
        path: "/s/last".into(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        kind: CreateKind::Persistent,
        parent_cversion: i32::MAX,
        create2: false,
    });
    b.counter += 1;
    let zxid = Zxid::new(Epoch(1), b.counter);
    let header = TxnHeader {
        session: SessionId(1),
        xid: Xid(0),
        zxid,
        time_ms: 5,
    };
    let digest = None;
    b.db.apply(
        &Txn {
            header,
            body: full,
            digest,
        },
        &mut Vec::new(),
    );
    b.out = Outstanding::new(b.db.digest());
    let TxnBody::Create(first) = b.prep(1, create("/s/a", 2)) else {
        panic!()
    };
    assert_eq!(first.path, "/s/a2147483647");
    let TxnBody::Create(second) = b.prep(1, create("/s/a", 2)) else {
        panic!()
    };
    assert_eq!(second.path, "/s/a-2147483648");
    b.apply();
    check(&mut b, create("/s/a", 2), -110);
    b.apply();
    check(&mut b, create("/s/b", 2), 0);
    b.apply();
    check(&mut b, create("/s/a", 2), -110);
    b.apply();
    let stat = b.db.node("/s").unwrap();
    assert_eq!(
        (stat.stat.cversion, stat.stat.pzxid),
        (i32::MAX, zxid.to_wire())
    );
}
