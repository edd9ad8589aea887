//! Who clients are, in which order they hear of it, and what they are told of what they watch.

use bytes::Bytes;
use zk_core::{AuthSettings, ConnId};
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{EventKind, OpCode, ReplyHeader, Request, Response, WatcherEvent};
use zk_wire::jute::Reader;
use zk_wire::{Acl, Id};

use crate::cluster::{Cluster, Got};

const THREE: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888";

/// `u:p` as a digest identity.
const U: &str = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";

/// How the end of a connection looks among headers.
const CLOSED: (i32, i32) = (i32::MIN, 0);

/// Three members; clients are on one that follows.
fn three(auth: AuthSettings) -> (Cluster, i64) {
    let mut c = Cluster::new(THREE);
    c.auth = auth;
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    let follower = if c.leader() == Some(1) { 2 } else { 1 };
    (c, follower)
}

fn create(path: &str, acl: Vec<Acl>) -> Request {
    let create = CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(acl),
        flags: 0,
        ttl_ms: NO_TTL,
    };
    let op = CreateOp::Create;
    Request::Create { create, op }
}

fn open() -> Vec<Acl> {
    vec![Acl::world(31)]
}

fn only_u() -> Vec<Acl> {
    let id = Id::new("digest", U);
    vec![Acl { perms: 31, id }]
}

fn auth(scheme: &str, data: &'static str) -> Request {
    Request::Auth {
        scheme: Some(scheme.into()),
        auth: Some(Bytes::from_static(data.as_bytes())),
    }
}

fn set(path: &str) -> Request {
    Request::SetData {
        path: path.into(),
        data: None,
        version: -1,
    }
}

fn set_acl(path: &str, acl: Vec<Acl>) -> Request {
    Request::SetAcl {
        path: path.into(),
        acl: Some(acl),
        version: -1,
    }
}

fn get(path: &str, watch: bool) -> Request {
    let path = path.into();
    Request::GetData { path, watch }
}

/// Events that came, and whether anything else did.
fn events(c: &mut Cluster, conn: ConnId) -> Vec<(EventKind, String)> {
    let decode = |got| {
        let Got::Frame(frame) = got else {
            panic!("closed")
        };
        let mut r = Reader::unlimited(frame);
        assert_eq!(ReplyHeader::decode(&mut r).unwrap().xid.0, -1);
        let event = WatcherEvent::decode(&mut r).unwrap();
        (event.kind, event.path)
    };
    c.take(conn).into_iter().map(decode).collect()
}

#[test]
fn answers_to_auth_wait_for_their_turn_and_what_follows_is_asked_by_the_new_identity() {
    let (mut c, follower) = three(AuthSettings::default());
    let (conn, _) = c.connect(follower, None);
    c.send_all(
        follower,
        conn,
        [
            (1, create("/a", only_u())),
            (2, get("/a", false)),
            (-4, auth("digest", "u:p")),
            (3, get("/a", false)),
            (4, set("/a")),
            (5, Request::Ping),
        ],
    );
    let expected = [(1, 0), (2, -102), (-4, 0), (3, 0), (4, 0), (-2, 0)];
    assert_eq!(c.headers(conn), expected);
    c.send(follower, conn, 6, Request::WhoAmI);
    let Some(Got::Frame(frame)) = c.take(conn).pop() else {
        panic!("no answer")
    };
    let mut r = Reader::unlimited(frame);
    ReplyHeader::decode(&mut r).unwrap();
    let Ok(Response::WhoAmI(who)) = Response::decode(OpCode::WhoAmI, &mut r) else {
        panic!("another answer")
    };
    let who: Vec<_> = who.iter().map(|i| (&*i.scheme, &*i.user)).collect();
    assert_eq!(who, [("ip", "127.0.0.1"), ("digest", "u")]);
}

#[test]
fn failed_auth_ends_the_connection_behind_what_came_before_it() {
    let (mut c, follower) = three(AuthSettings::default());
    let (conn, session) = c.connect(follower, None);
    c.send_all(
        follower,
        conn,
        [
            (1, create("/a", open())),
            (-4, auth("nonsense", "")),
            (2, create("/b", open())),
        ],
    );
    assert_eq!(c.headers(conn), [(1, 0), (-4, -115), CLOSED]);
    let (conn, again) = c.connect(follower, Some(&session));
    assert_eq!(again.session, session.session, "the session survives");
    c.send_all(
        follower,
        conn,
        [(1, get("/a", false)), (2, get("/b", false))],
    );
    assert_eq!(c.headers(conn), [(1, 0), (2, -101)]);
}

#[test]
fn who_must_prove_something_gets_no_further_without() {
    let (mut c, follower) = three(AuthSettings {
        enforced_schemes: ["digest".to_owned()].into(),
        ..AuthSettings::default()
    });
    let (conn, _) = c.connect(follower, None);
    c.send(follower, conn, -2, Request::Ping);
    assert_eq!(c.headers(conn), [(-2, -124), CLOSED]);
    let (conn, _) = c.connect(follower, None);
    c.send_all(
        follower,
        conn,
        [(-4, auth("digest", "u:p")), (1, get("/", false))],
    );
    assert_eq!(c.headers(conn), [(-4, 0), (1, 0)]);
}

#[test]
fn a_write_that_cannot_pass_is_refused_early_in_its_turn_and_costs_nothing() {
    let (mut c, follower) = three(AuthSettings {
        eager_acl_check: true,
        ..AuthSettings::default()
    });
    let (conn, _) = c.connect(follower, None);
    c.send_all(
        follower,
        conn,
        [
            (1, create("/a", open())),
            (2, set("/zookeeper/config")),
            (3, create("/b", open())),
        ],
    );
    let headers = c.full_headers(conn);
    let zxids: Vec<u64> = headers.iter().map(|(_, zxid, _)| *zxid).collect();
    let errors: Vec<i32> = headers.iter().map(|(_, _, err)| *err).collect();
    assert_eq!((errors, zxids[1]), (vec![0, -102, 0], 0));
    assert_eq!(zxids[2], zxids[0] + 1);
}

#[test]
fn who_may_not_read_is_told_nothing_and_has_used_up_the_watch() {
    let (mut c, follower) = three(AuthSettings::default());
    let (watcher, _) = c.connect(follower, None);
    let (owner, _) = c.connect(follower, None);
    c.send(follower, owner, -4, auth("digest", "u:p"));
    c.send(follower, owner, 1, create("/a", open()));
    c.send(follower, watcher, 1, get("/a", true));
    let mode = 0;
    let path = "/a".to_owned();
    let lasting = Request::AddWatch { path, mode };
    let (other, _) = c.connect(follower, None);
    c.send(follower, other, 1, lasting);
    assert_eq!(c.headers(watcher), [(1, 0)]);
    assert_eq!(c.headers(other), [(1, 0)]);

    c.send(follower, owner, 2, set_acl("/a", only_u()));
    c.send(follower, owner, 3, set("/a"));
    assert_eq!(events(&mut c, watcher), []);
    assert_eq!(events(&mut c, other), []);

    c.send(follower, owner, 4, set_acl("/a", open()));
    c.send(follower, owner, 5, set("/a"));
    assert_eq!(events(&mut c, watcher), []);
    let changed = (EventKind::NodeDataChanged, "/a".to_owned());
    assert_eq!(events(&mut c, other), [changed]);
}

#[test]
fn a_node_that_goes_is_announced_to_those_who_could_read_it() {
    let (mut c, follower) = three(AuthSettings::default());
    let (owner, _) = c.connect(follower, None);
    c.send(follower, owner, -4, auth("digest", "u:p"));
    let mode = 1;
    let watch = |path: &str| {
        let path = path.to_owned();
        Request::AddWatch { path, mode }
    };
    let (stranger, _) = c.connect(follower, None);
    c.send(follower, stranger, 1, watch("/"));
    c.send(follower, owner, 1, watch("/a"));
    c.take(stranger);
    c.take(owner);

    c.send(follower, owner, 2, create("/a", only_u()));
    c.send(follower, owner, 3, create("/a/b", open()));
    let path = "/a/b".to_owned();
    c.send(follower, owner, 4, Request::Delete { path, version: -1 });
    let told = |kind, path: &str| (kind, path.to_owned());
    assert_eq!(
        events(&mut c, stranger),
        [
            told(EventKind::NodeCreated, "/a/b"),
            told(EventKind::NodeDeleted, "/a/b")
        ]
    );
    let seen = c.headers(owner);
    let expected = [(-1, 0), (2, 0), (-1, 0), (3, 0), (-1, 0), (4, 0)];
    assert_eq!(seen, expected, "events come before what reveals them");
}
