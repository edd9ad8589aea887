//! Which check wins, and that what is prepared is what applying does: the digest in a transaction
//! is the digest of the tree after it.

use zk_wire::Acl;
use zk_wire::client::request::NO_TTL;
use zk_wire::client::{CreateOp, CreateRequest, MultiOp};
use zk_wire::txn::{Txn, TxnHeader};
use zk_wire::{Epoch, Sid, Xid};

mod acls;
mod kinds;
mod members;
mod quotas;

use super::*;
use crate::bugs::Bugs;
use crate::config::{AuthSettings, NodeKinds, ReconfigSettings, SessionKinds};

struct Bench {
    db: Database,
    out: Outstanding,
    counter: u32,
    queued: Vec<Txn>,
    cfg: PeerConfig,
    auth: Vec<Id>,
}

fn settings() -> PeerConfig {
    PeerConfig {
        sid: Sid(1),
        joining: None,
        membership: None,
        proposed: None,
        tick_ms: 2000,
        init_limit: 10,
        sync_limit: 5,
        session_timeout_min_ms: 4000,
        session_timeout_max_ms: 40_000,
        snap_count: 100_000,
        snap_bytes: 1 << 32,
        history_len: 500,
        seed: 1,
        auth: AuthSettings::default(),
        sessions: SessionKinds::default(),
        kinds: NodeKinds::default(),
        audit: false,
        roll_over_at: crate::config::ROLL_OVER_AT,
        observer_masters: false,
        hand_over: true,
        hold: Default::default(),
        reconfig: ReconfigSettings::default(),
        bugs: Bugs::default(),
    }
}

impl Bench {
    fn new() -> Self {
        let db = Database::new();
        let out = Outstanding::new(db.digest());
        Self {
            db,
            out,
            counter: 0,
            queued: Vec::new(),
            cfg: settings(),
            auth: vec![Id::new("ip", "127.0.0.1")],
        }
    }

    /// Prepares without applying.
    fn prep(&mut self, session: i64, write: Write) -> TxnBody {
        self.counter += 1;
        let zxid = Zxid::new(Epoch(1), self.counter);
        let ensemble = match &self.cfg.membership {
            Some(membership) => Ensemble::new(membership.clone(), Sid(1), Bugs::default()),
            None => Ensemble::standalone(Sid(1)),
        };
        let asker = Asker {
            standing: crate::session::Standing::GOOD,
            session: SessionId(session),
            auth: &self.auth,
            zxid,
            time_ms: 5,
            cfg: &self.cfg,
            ensemble: &ensemble,
            synced: &[Sid(1), Sid(2)],
        };
        let body = prepare(&self.db, &mut self.out, asker, &write);
        let header = TxnHeader {
            session: SessionId(session),
            xid: Xid(0),
            zxid,
            time_ms: 5,
        };
        let digest = Some(self.out.digest());
        self.queued.push(Txn {
            header,
            body: body.clone(),
            digest,
        });
        body
    }

    /// Applies all that was prepared, checking each digest.
    fn apply(&mut self) {
        for txn in std::mem::take(&mut self.queued) {
            self.db.apply(&txn, &mut Vec::new());
            assert_eq!(Some(self.db.digest()), txn.digest, "{txn:?}");
            self.out.applied(txn.header.zxid);
        }
        assert_eq!(self.out.digest(), self.db.digest());
    }
}

fn create_request(path: &str, flags: i32) -> CreateRequest {
    let acl = Some(vec![Acl::world(31)]);
    CreateRequest {
        path: path.into(),
        data: Some(Bytes::from_static(b"d")),
        acl,
        flags,
        ttl_ms: NO_TTL,
    }
}

fn create(path: &str, flags: i32) -> Write {
    Write::Client(Request::Create {
        create: create_request(path, flags),
        op: CreateOp::Create,
    })
}

fn delete(path: &str, version: i32) -> Write {
    Write::Client(Request::Delete {
        path: path.into(),
        version,
    })
}

fn set(path: &str, version: i32) -> Write {
    Write::Client(Request::SetData {
        path: path.into(),
        data: None,
        version,
    })
}

#[track_caller]
fn check(bench: &mut Bench, write: Write, code: i32) {
    let body = bench.prep(1, write.clone());
    let found = if let TxnBody::Error { code } = &body {
        *code
    } else {
        0
    };
    assert_eq!(found, code, "{write:?} gave {body:?}");
}

#[test]
fn the_first_failing_check_wins() {
    let mut b = Bench::new();
    check(&mut b, create("/p", 0), 0);
    check(&mut b, create("/e", 1), 0);
    for (path, flags, code) in [
        ("foo", 0, -8),
        ("foo/bar", 0, -101),
        ("/nope//x", 0, -101),
        ("/p//x", 0, -101),
        ("//x", 0, -8),
        ("/", 0, -110),
        ("/e/c", 0, -108),
        ("/e/..", 0, -8),
        ("/p", 0, -110),
        ("/nope/x", 7, -8),
        ("/nope/x", 5, -6),
        ("/zookeeper/config/x", 0, -102),
        ("/a\0", 0, -8),
        ("/b\u{1e}", 0, -8),
    ] {
        check(&mut b, create(path, flags), code);
    }
    let bad_acl = |path: &str| {
        let create = CreateRequest {
            acl: Some(vec![]),
            ..create_request(path, 0)
        };
        Write::Client(Request::Create {
            create,
            op: CreateOp::Create2,
        })
    };
    check(&mut b, bad_acl("/nope/x"), -114);
    check(&mut b, bad_acl("/p"), -114);
    for (path, version, code) in [
        ("/", -1, -8),
        ("/zookeeper/quota", 0, -8),
        ("/p/x/y", -1, -101),
        ("/p/", -1, -101),
        ("/p", 3, -103),
        ("/p", -2, -103),
        ("nope", -1, -8),
        ("/zookeeper", 5, -8),
    ] {
        check(&mut b, delete(path, version), code);
    }
    check(&mut b, create("/p/c", 0), 0);
    check(&mut b, delete("/p", -1), -111);
    check(&mut b, delete("/p", 9), -103);
    check(&mut b, set("/p", 0), 0);
    check(&mut b, set("/p", 0), -103);
    check(&mut b, set("/p", 1), 0);
    check(&mut b, set("", -1), -8);
    check(&mut b, set("/none", -1), -101);
    check(&mut b, set("/zookeeper/config", -1), -102);
    b.apply();
}

#[test]
fn sequence_numbers_count_creations_and_survive_deletions() {
    let mut b = Bench::new();
    check(&mut b, create("/s", 0), 0);
    let name = |body: TxnBody| {
        let TxnBody::Create(c) = body else {
            panic!("{body:?}")
        };
        c.path
    };
    assert_eq!(name(b.prep(1, create("/s/a", 2))), "/s/a0000000000");
    assert_eq!(name(b.prep(1, create("/s/b", 3))), "/s/b0000000001");
    check(&mut b, delete("/s/a0000000000", -1), 0);
    b.apply();
    assert_eq!(name(b.prep(1, create("/s/", 2))), "/s/0000000002");
    assert_eq!(name(b.prep(1, create("/s/..", 2))), "/s/..0000000003");
    b.apply();
}

#[test]
fn a_failing_multi_leaves_no_trace_in_what_follows() {
    let mut b = Bench::new();
    let seq = || MultiOp::Create {
        create: create_request("/q", 2),
        op: CreateOp::Create2,
    };
    let fail = MultiOp::Delete {
        path: "/nope".into(),
        version: -1,
    };
    let multi = |ops| Write::Client(Request::Multi(ops));
    let TxnBody::Multi(bodies) = b.prep(1, multi(vec![seq(), fail, seq()])) else {
        panic!()
    };
    let codes: Vec<_> = bodies
        .iter()
        .map(|body| {
            if let TxnBody::Error { code } = body {
                *code
            } else {
                0
            }
        })
        .collect();
    assert_eq!(codes, [0, -101, -2]);
    let TxnBody::Multi(bodies) = b.prep(1, multi(vec![seq(), seq()])) else {
        panic!()
    };
    let paths: Vec<_> = bodies
        .iter()
        .map(|body| {
            if let TxnBody::Create(c) = body {
                c.path.clone()
            } else {
                String::new()
            }
        })
        .collect();
    // /zookeeper does not count: it was not created by a transaction.
    assert_eq!(paths, ["/q0000000000", "/q0000000001"]);
    let steps = vec![
        MultiOp::Create {
            create: create_request("/m", 0),
            op: CreateOp::Create,
        },
        MultiOp::SetData {
            path: "/m".into(),
            data: None,
            version: 0,
        },
        MultiOp::Check {
            path: "/m".into(),
            version: 1,
        },
        MultiOp::Delete {
            path: "/m".into(),
            version: 1,
        },
    ];
    let TxnBody::Multi(bodies) = b.prep(1, multi(steps)) else {
        panic!()
    };
    assert!(
        bodies
            .iter()
            .all(|body| !matches!(body, TxnBody::Error { .. }))
    );
    let TxnBody::Multi(none) = b.prep(1, multi(vec![])) else {
        panic!()
    };
    assert!(none.is_empty());
    b.apply();
}

#[test]
fn the_end_of_a_session_lists_committed_and_queued_ephemerals() {
    let mut b = Bench::new();
    let ephemeral = |path: &str| create(path, 1);
    b.prep(7, ephemeral("/a"));
    b.prep(7, ephemeral("/b"));
    b.apply();
    b.prep(7, ephemeral("/c"));
    b.prep(8, ephemeral("/d"));
    b.prep(7, delete("/a", -1));
    let TxnBody::CloseSession { paths } = b.prep(7, Write::CloseSession) else {
        panic!()
    };
    assert_eq!(paths.unwrap(), ["/b", "/c"]);
    let again = b.prep(7, Write::CloseSession);
    assert_eq!(
        again,
        TxnBody::CloseSession {
            paths: Some(vec![])
        }
    );
    b.apply();
}
