//! Local sessions, sessions that move, and read-only mode.

use zk_core::{ConnId, SessionKinds};
use zk_wire::Acl;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{ConnectResponse, MultiOp, Request};

use crate::cluster::{Cluster, Got, NO_SESSION};

const FOUR: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\nserver.4=d:2888:3888:observer";

/// How the end of a connection looks among headers.
const CLOSED: (i32, u64, i32) = (i32::MIN, 0, 0);

fn with_op(path: &str, flags: i32, op: CreateOp) -> (CreateRequest, CreateOp) {
    let create = CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        flags,
        ttl_ms: NO_TTL,
    };
    (create, op)
}

fn create(path: &str, flags: i32) -> Request {
    let (create, op) = with_op(path, flags, CreateOp::Create);
    Request::Create { create, op }
}

fn multi(nodes: &[(&str, i32)]) -> Request {
    let op = |(path, flags): &(&str, i32)| {
        let (create, op) = with_op(path, *flags, CreateOp::Create2);
        MultiOp::Create { create, op }
    };
    Request::Multi(nodes.iter().map(op).collect())
}

fn exists(path: &str) -> Request {
    Request::Exists {
        path: path.into(),
        watch: false,
    }
}

fn sync() -> Request {
    let path = Some("/".into());
    Request::Sync { path }
}

fn four(sessions: SessionKinds) -> Cluster {
    let mut c = Cluster::new(FOUR);
    c.sessions = sessions;
    for sid in [1, 2, 3, 4] {
        c.start(sid);
    }
    c.run(8000);
    assert_eq!(c.leader(), Some(3));
    c
}

const LOCAL: SessionKinds = SessionKinds {
    local: true,
    local_upgrading: false,
    read_only_mode: false,
};

const UPGRADING: SessionKinds = SessionKinds {
    local_upgrading: true,
    ..LOCAL
};

/// The counter of the last transaction.
fn counter(c: &Cluster) -> u64 {
    c.status(3).zxid_applied.as_u64() & 0xffff_ffff
}

fn refused(response: &ConnectResponse) -> bool {
    (response.timeout_ms, response.session) == (0, NO_SESSION)
}

#[test]
fn a_local_session_reads_and_writes_and_costs_no_zxid() {
    let mut c = four(LOCAL);
    let start = counter(&c);
    for sid in [1, 3, 4] {
        let (conn, session) = c.connect(sid, None);
        assert_eq!(session.timeout_ms, 6000);
        assert_eq!(session.session.0 >> 56, sid);
        c.send(sid, conn, 1, exists("/"));
        assert_eq!(c.headers(conn), [(1, 0)], "{sid}");
        assert_eq!(c.status(sid).local_sessions, 1);
        c.send(sid, conn, 2, create(&format!("/of{sid}"), 0));
        c.send(sid, conn, 3, Request::CloseSession);
        assert_eq!(c.headers(conn), [(2, 0), (3, 0), (i32::MIN, 0)], "{sid}");
        let status = c.status(sid);
        assert_eq!((status.local_sessions, status.sessions), (0, 0));
        assert!(refused(&c.connect(sid, Some(&session)).1));
    }
    assert_eq!(counter(&c), start + 3, "one for each node");
}

#[test]
fn a_local_session_comes_back_to_its_server_only() {
    let mut c = four(LOCAL);
    for sid in [1, 3, 4] {
        let other = if sid == 1 { 2 } else { 1 };
        let (old, session) = c.connect(sid, None);
        assert!(refused(&c.connect(other, Some(&session)).1), "{sid}");
        let (new, again) = c.connect(sid, Some(&session));
        assert_eq!(again.session, session.session);
        assert_eq!(c.headers(old), [(i32::MIN, 0)]);
        c.send(sid, new, 1, exists("/"));
        assert_eq!(c.headers(new), [(1, 0)]);
    }
}

#[test]
fn the_clock_of_its_server_ends_a_local_session() {
    let mut c = four(LOCAL);
    let start = counter(&c);
    for sid in [1, 3, 4] {
        let (silent, _) = c.connect(sid, None);
        let (pinging, _) = c.connect(sid, None);
        for _ in 0..10 {
            c.run(1000);
            c.send(sid, pinging, -2, Request::Ping);
        }
        assert_eq!(c.take(silent), [Got::Closed("the session ended")]);
        assert_eq!(c.take(pinging).len(), 10);
    }
    assert_eq!(counter(&c), start);
}

#[test]
fn the_first_ephemeral_makes_a_session_known_to_all() {
    let mut c = four(UPGRADING);
    for (sid, first) in [
        (1, create("/e1", 1)),
        (3, create("/e3", 3)),
        (4, multi(&[("/e4", 0), ("/e4/e", 1)])),
    ] {
        let before = counter(&c);
        let (conn, session) = c.connect(sid, None);
        c.send(sid, conn, 1, create(&format!("/plain{sid}"), 0));
        c.send(sid, conn, 2, first);
        let headers = c.full_headers(conn);
        let zxids: Vec<u64> = headers.iter().map(|h| h.1 & 0xffff_ffff).collect();
        assert_eq!(zxids, [before + 1, before + 3], "{sid}: {headers:?}");
        for member in [1, 2, 3, 4] {
            let status = c.status(member);
            assert_eq!((status.sessions, status.local_sessions), (1, 0), "{member}");
        }
        let (moved, again) = c.connect(2, Some(&session));
        assert_eq!(again.session, session.session);
        c.send(2, moved, 1, Request::CloseSession);
        assert_eq!(c.headers(moved), [(1, 0), (i32::MIN, 0)]);
        assert_eq!(c.status(2).ephemerals, 0);
    }
}

#[test]
fn without_upgrading_a_local_session_makes_no_ephemeral() {
    let mut c = four(LOCAL);
    for sid in [1, 3, 4] {
        let (conn, _) = c.connect(sid, None);
        let before = counter(&c);
        c.send(sid, conn, 1, create("/e", 1));
        c.send(sid, conn, 2, create("/p", 0));
        c.send(sid, conn, 3, exists("/e"));
        c.send(
            sid,
            conn,
            4,
            Request::Delete {
                path: "/p".into(),
                version: -1,
            },
        );
        let results: Vec<i32> = c.full_headers(conn).iter().map(|h| h.2).collect();
        assert_eq!(results, [-120, 0, -101, 0], "{sid}");
        assert_eq!(counter(&c), before + 3, "the refused one took a zxid");
    }
}

#[test]
fn a_session_upgraded_once_stays_and_expires_by_the_leader() {
    let mut c = four(UPGRADING);
    let (conn, _) = c.connect(1, None);
    c.send(1, conn, 1, create("/e", 1));
    for _ in 0..9 {
        c.run(1000);
        c.send(1, conn, -2, Request::Ping);
    }
    assert_eq!(c.status(2).ephemerals, 1);
    c.take(conn);
    c.run(9000);
    assert_eq!(c.take(conn), [Got::Closed("the session ended")]);
    assert_eq!((c.status(2).ephemerals, c.status(2).sessions), (0, 0));
}

#[test]
fn a_wrong_password_costs_its_owner_nothing() {
    for (kinds, sid) in [(SessionKinds::default(), 1), (LOCAL, 1), (LOCAL, 3)] {
        let mut c = four(kinds);
        let (conn, session) = c.connect(sid, None);
        let thief = ConnectResponse {
            password: [7; 16],
            ..session
        };
        assert!(refused(&c.connect(sid, Some(&thief)).1));
        c.send(sid, conn, 1, exists("/"));
        assert_eq!(c.headers(conn), [(1, 0)]);
    }
}

fn moved_away(from: i64) -> (Cluster, ConnId, ConnId, ConnectResponse) {
    let mut c = four(SessionKinds::default());
    let (old, session) = c.connect(from, None);
    c.send(from, old, 1, create("/e", 1));
    assert_eq!(c.headers(old), [(1, 0)]);
    let (new, again) = c.connect(2, Some(&session));
    assert_eq!(again.session, session.session);
    assert_eq!(c.take(old), [], "a move closes nothing elsewhere");
    (c, old, new, session)
}

#[test]
fn the_old_connection_of_a_moved_session_reads_on_a_follower_but_not_on_the_leader() {
    for (from, reads) in [(1, true), (4, true), (3, false)] {
        let (mut c, old, new, _) = moved_away(from);
        c.send(from, old, 2, exists("/e"));
        if reads {
            c.send(from, old, -2, Request::Ping);
            c.send(from, old, 3, sync());
            assert_eq!(c.headers(old), [(2, 0), (-2, 0), (3, 0)]);
            c.send(from, old, 4, multi(&[("/m", 0)]));
        }
        assert_eq!(c.take(old), [Got::Closed("the session moved")], "{from}");
        c.send(2, new, 1, exists("/m"));
        assert_eq!(c.headers(new), [(1, -101)]);
    }
}

#[test]
fn a_close_on_the_old_connection_closes_the_moved_session() {
    for from in [1, 3] {
        let (mut c, old, new, session) = moved_away(from);
        c.send(from, old, 2, Request::CloseSession);
        assert_eq!(c.headers(old), [(2, 0), (i32::MIN, 0)]);
        assert_eq!(c.take(new), [Got::Closed("the session ended")]);
        assert!(refused(&c.connect(2, Some(&session)).1));
    }
}

fn read_only(local: bool) -> SessionKinds {
    SessionKinds {
        local,
        local_upgrading: local,
        read_only_mode: true,
    }
}

#[test]
fn a_member_without_quorum_serves_reads_to_those_who_ask() {
    let mut c = four(read_only(true));
    let (conn, _) = c.connect(1, None);
    c.send(1, conn, 1, create("/a", 0));
    c.send(1, conn, 2, create("/e", 1));
    assert_eq!(c.headers(conn), [(1, 0), (2, 0)]);
    for sid in [2, 3] {
        c.kill(sid);
    }
    assert_eq!(c.take(conn), [], "it is held");
    let held = conn;
    c.wants_read_only = true;
    c.run(1900);
    let (early, none) = c.connect(1, None);
    assert!(refused(&none) && c.take(early).is_empty());
    c.run(200);
    assert!(c.status(1).read_only && !c.status(1).serving);
    let (conn, session) = c.connect(1, None);
    assert_eq!((session.timeout_ms, session.read_only), (6000, Some(true)));
    let applied = c.status(1).zxid_applied.as_u64();
    for (xid, request) in (1..).zip([exists("/a"), create("/b", 0), sync(), multi(&[("/c", 1)])]) {
        c.send(1, conn, xid, request);
    }
    c.send(1, conn, -2, Request::Ping);
    let refused = -119;
    assert_eq!(
        c.full_headers(conn),
        [
            (1, applied, 0),
            (2, applied, refused),
            (3, applied, refused),
            (4, applied, refused),
            (-2, applied, 0)
        ]
    );
    let (renewed, again) = c.connect(1, Some(&session));
    assert_eq!(again.session, session.session);
    c.send(1, renewed, 5, Request::CloseSession);
    assert_eq!(c.full_headers(renewed), [(5, applied, 0), CLOSED]);
    let (last, _) = c.connect(1, None);
    c.start(2);
    c.run(3000);
    assert_eq!(c.take(last), [Got::Closed("this server found a leader")]);
    let status = c.status(1);
    assert!(status.serving && !status.read_only && status.local_sessions == 0);
    // For too long nobody knows where its client was: others may have had a leader.
    let closed = Got::Closed("what came of its requests without a leader cannot be known");
    assert_eq!(c.take(held), [closed]);
    let (_, session) = c.connect(1, None);
    assert_eq!(session.read_only, Some(false));
}

#[test]
fn read_only_mode_turns_away_who_needs_the_others() {
    let mut c = four(SessionKinds::default());
    let (_, global) = c.connect(1, None);
    c.kill(1);
    c.sessions = read_only(false);
    c.start(1);
    c.run(1000);
    for sid in [2, 3] {
        c.kill(sid);
    }
    c.run(12_000);
    assert!(c.status(1).read_only);
    let mut refusals = Vec::new();
    for (wants, old) in [(false, None), (true, Some(&global)), (true, None)] {
        c.wants_read_only = wants;
        assert!(refused(&c.connect(1, old).1));
        refusals.append(&mut c.turned_away);
    }
    assert_eq!(
        refusals,
        [
            Got::Closed("this server is read-only, the client does not ask for that"),
            Got::Closed("a session that all know cannot be renewed without a quorum"),
            Got::Closed("a new session needs a quorum"),
        ]
    );
}
