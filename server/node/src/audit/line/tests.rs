use zk_wire::client::CreateRequest;
use zk_wire::client::request::NO_TTL;
use zk_wire::{SessionId, Stat};

use super::*;

fn who() -> Asker {
    Asker {
        session: SessionId(0x1ff),
        users: "127.0.0.1,alice".to_owned(),
        ip: "127.0.0.1".to_owned(),
    }
}

/// The lines of a write, without what they say of who asks.
fn told(request: &Request, outcome: Option<TxnOutcome>) -> Vec<String> {
    let entry = Entry::Core(Audited::Write {
        who: who(),
        op: request.op(),
        body: request.encode(),
        outcome,
    });
    lines(&entry, "zoo").iter().map(text).collect()
}

fn text(line: &Line) -> String {
    let start = "session=0x1ff user=127.0.0.1,alice ip=127.0.0.1 operation=";
    let fields = line.fields.iter();
    let fields: Vec<String> = fields.map(|(name, v)| format!("{name}={v}")).collect();
    let text = format!("{} {}", fields.join(" "), line.outcome.name());
    text.strip_prefix(start).unwrap_or(&text).to_owned()
}

fn create(path: &str, flags: i32, op: CreateOp) -> (CreateRequest, CreateOp) {
    let create = CreateRequest {
        path: path.to_owned(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        flags,
        ttl_ms: if op == CreateOp::Ttl { 1 } else { NO_TTL },
    };
    (create, op)
}

fn made(path: &str) -> TxnOutcome {
    TxnOutcome::Created {
        path: path.to_owned(),
        stat: Stat::default(),
        create2: false,
    }
}

#[test]
fn writes_are_told_as_by_apache() {
    let (asked, op) = create("/a-", 3, CreateOp::Create);
    let request = Request::Create { create: asked, op };
    assert_eq!(
        told(&request, Some(made("/a-0000000007"))),
        ["create znode=/a-0000000007 znode_type=ephemeral_sequential success"]
    );
    assert_eq!(
        told(&request, Some(TxnOutcome::Failed(-102))),
        ["create znode=/a- znode_type=ephemeral_sequential failure"]
    );
    assert_eq!(
        told(&request, None),
        ["create znode=/a- znode_type=ephemeral_sequential invoked"]
    );
    let path = "/a".to_owned();
    let mut acl = vec![Acl::world(31), Acl::world(1)];
    acl[1].id.id = None;
    let acl = Some(acl);
    let set_acl = Request::SetAcl {
        path: path.clone(),
        acl,
        version: -1,
    };
    assert_eq!(
        told(&set_acl, Some(TxnOutcome::AclSet(Stat::default()))),
        ["setAcl znode=/a acl=world:anyone:cdrwaworld:null:r success"]
    );
    let delete = Request::Delete { path, version: -1 };
    let deleted = told(&delete, Some(TxnOutcome::Deleted));
    assert_eq!(deleted, ["delete znode=/a success"]);
}

#[test]
fn a_multi_is_told_by_its_changes_or_as_one() {
    let creates = [
        create("/a", 0, CreateOp::Create2),
        create("/b-", 2, CreateOp::Create),
        create("/c", 5, CreateOp::Ttl),
    ];
    let mut ops: Vec<MultiOp> = creates
        .into_iter()
        .map(|(create, op)| MultiOp::Create { create, op })
        .collect();
    let path = || "/a".to_owned();
    let version = -1;
    ops.push(MultiOp::Check {
        path: path(),
        version,
    });
    ops.push(MultiOp::SetData {
        path: path(),
        data: None,
        version,
    });
    let request = Request::Multi(ops);
    let outcomes = vec![
        made("/a"),
        made("/b-0000000000"),
        made("/c"),
        TxnOutcome::Checked,
        TxnOutcome::DataSet(Stat::default()),
    ];
    assert_eq!(
        told(&request, Some(TxnOutcome::Multi(outcomes))),
        [
            "create znode=/a znode_type=persistent success",
            "create znode=/b-0000000000 success",
            "create znode=/c success",
            "setData znode=/a success",
        ]
    );
    let failed = [0, -101, -2, -2, -2].map(TxnOutcome::Failed).to_vec();
    let told = told(&request, Some(TxnOutcome::Multi(failed)));
    assert_eq!(told, ["multiOperation failure"]);
}

#[test]
fn logins_and_what_a_server_does_are_told() {
    let login = |proven| {
        let (who, scheme) = (who(), Some("digest".to_owned()));
        Entry::Core(Audited::Login {
            who,
            scheme,
            proven,
        })
    };
    let of = |entry: &Entry| text(&lines(entry, "zoo")[0]);
    assert_eq!(of(&login(true)), "authenticate scheme=digest success");
    assert_eq!(of(&login(false)), "authenticate scheme=digest failure");
    let ip = "::1".to_owned();
    let subject = Some("CN=alice".to_owned());
    assert_eq!(
        of(&Entry::Certificate { ip, subject }),
        "user=CN=alice ip=::1 operation=authenticate scheme=x509 success"
    );
    let (session, path) = (SessionId(-1), "/e".to_owned());
    assert_eq!(
        of(&Entry::Core(Audited::EphemeralGone { session, path })),
        "session=0xffffffffffffffff user=zoo \
         operation=ephemeralZNodeDeletionOnSessionCloseOrExpire znode=/e success"
    );
}

#[test]
fn what_clients_write_does_not_look_like_lines_of_the_log() {
    assert_eq!(
        printable("/a\tresult=success\nuser=b"),
        "/a\\tresult=success\\nuser=b"
    );
    assert_eq!(printable("/grüße\u{7f}"), "/grüße\\u{7f}");
    let long = printable(&"x".repeat(10_000));
    assert_eq!((long.len(), long.ends_with("x...")), (4099, true));
}

#[test]
fn a_write_that_does_not_decode_is_told_without_its_path() {
    let body = Bytes::from_static(&[0xff; 4]);
    let lines = of_write(&who(), OpCode::Delete, &body, Some(&TxnOutcome::Failed(-5)));
    let lines: Vec<String> = lines.iter().map(text).collect();
    assert_eq!(lines, ["delete failure"]);
    let body = Bytes::from_static(&[0; 4]);
    assert_eq!(of_write(&who(), OpCode::Check, &body, None), []);
}
