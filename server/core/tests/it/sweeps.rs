//! Containers and nodes with a time to live go by themselves, on every member.

use zk_core::{ConnId, NodeKinds};
use zk_wire::Acl;
use zk_wire::client::Request;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};

use crate::cluster::Cluster;

const THREE: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888";

fn create(op: CreateOp, path: &str, flags: i32, ttl_ms: i64) -> Request {
    let create = CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        flags,
        ttl_ms,
    };
    Request::Create { create, op }
}

fn delete(path: &str) -> Request {
    Request::Delete {
        path: path.into(),
        version: -1,
    }
}

fn watch(path: &str) -> Request {
    Request::Exists {
        path: path.into(),
        watch: true,
    }
}

/// Three members that sweep every ten seconds, and a client of a follower.
fn sweeping() -> (Cluster, ConnId) {
    let mut c = Cluster::new(THREE);
    c.kinds = NodeKinds {
        extended_types: true,
        container_check_interval_ms: 10_000,
        containers_per_minute_max: 60,
        ..NodeKinds::default()
    };
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    let (conn, _) = c.connect(1, None);
    (c, conn)
}

/// Lets time pass while the client stays alive.
fn pass(c: &mut Cluster, conn: ConnId, ms: u64) {
    for _ in 0..ms / 1000 {
        c.run(1000);
        c.send(1, conn, -2, Request::Ping);
    }
}

fn has(c: &mut Cluster, conn: ConnId, path: &str) -> bool {
    c.take(conn);
    let exists = Request::Exists {
        path: path.into(),
        watch: false,
    };
    c.send(1, conn, 77, exists);
    c.headers(conn) == [(77, 0)]
}

#[test]
fn what_has_served_goes_and_what_has_not_stays() {
    let (mut c, conn) = sweeping();
    let steps = [
        create(CreateOp::Container, "/used", 4, NO_TTL),
        create(CreateOp::Create, "/used/child", 0, NO_TTL),
        create(CreateOp::Container, "/unused", 4, NO_TTL),
        create(CreateOp::Container, "/busy", 4, NO_TTL),
        create(CreateOp::Create, "/busy/child", 1, NO_TTL),
        create(CreateOp::Ttl, "/short", 5, 1000),
        create(CreateOp::Ttl, "/long", 5, 1_000_000),
        create(CreateOp::Ttl, "/parent", 5, 1000),
        create(CreateOp::Create, "/parent/child", 0, NO_TTL),
        delete("/used/child"),
        watch("/used"),
        watch("/short"),
    ];
    for (xid, step) in (1..).zip(steps) {
        c.send(1, conn, xid, step);
    }
    assert!(c.headers(conn).iter().all(|(_, err)| *err == 0));
    pass(&mut c, conn, 4000);
    assert!(has(&mut c, conn, "/used"), "the first sweep is not due yet");
    pass(&mut c, conn, 12_000);
    let events = c.headers(conn);
    assert_eq!(events.iter().filter(|(xid, _)| *xid == -1).count(), 2);
    for (path, stays) in [
        ("/used", false),
        ("/short", false),
        ("/unused", true),
        ("/busy", true),
        ("/long", true),
        ("/parent", true),
    ] {
        assert_eq!(has(&mut c, conn, path), stays, "{path}");
    }
    c.send(1, conn, 50, delete("/parent/child"));
    c.send(1, conn, 51, delete("/busy/child"));
    pass(&mut c, conn, 15_000);
    assert!(!has(&mut c, conn, "/parent") && !has(&mut c, conn, "/busy"));
    let digests: Vec<u64> = [1, 2, 3].map(|sid| c.status(sid).digest).into();
    assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
}

#[test]
fn the_next_leader_goes_on_with_it() {
    let (mut c, conn) = sweeping();
    c.send(1, conn, 1, create(CreateOp::Container, "/c", 4, NO_TTL));
    c.send(1, conn, 2, create(CreateOp::Create, "/c/child", 0, NO_TTL));
    c.send(1, conn, 3, delete("/c/child"));
    assert_eq!(c.leader(), Some(3));
    c.kill(3);
    c.run(15_000);
    assert_eq!(c.leader(), Some(2));
    let (conn, _) = c.connect(1, None);
    pass(&mut c, conn, 12_000);
    assert!(!has(&mut c, conn, "/c"));
}
