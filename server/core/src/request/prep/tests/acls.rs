//! setACL, and who may what.

use super::*;

fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Write {
    Write::Client(Request::SetAcl {
        path: path.into(),
        acl: Some(acl),
        version,
    })
}

fn digest(name: &str) -> Id {
    Id::new("digest", name)
}

fn only(id: Id) -> Vec<Acl> {
    vec![Acl { perms: 31, id }]
}

#[test]
fn the_first_failing_check_of_set_acl_wins() {
    let mut b = Bench::new();
    check(&mut b, create("/p", 0), 0);
    let open = || vec![Acl::world(31)];
    check(&mut b, set_acl("p", vec![], 9), -8);
    check(&mut b, set_acl("", open(), -1), -8);
    check(&mut b, set_acl("/none", vec![], 9), -114);
    check(&mut b, set_acl("/none", open(), 9), -101);
    check(&mut b, set_acl("/zookeeper/config", open(), 9), -102);
    check(&mut b, set_acl("/p", open(), 9), -103);
    check(&mut b, set_acl("/p", open(), -2), -103);
    check(&mut b, set_acl("/p", open(), 0), 0);
    check(&mut b, set_acl("/p", open(), 0), -103);
    check(&mut b, set_acl("/p", open(), -1), 0);
    check(&mut b, set_acl("/", open(), 0), 0);
    check(&mut b, set("/p", 0), 0);
    b.apply();
    let stat = b.db.node("/p").unwrap().stat();
    assert_eq!((stat.version, stat.aversion), (1, 2));
}

#[test]
fn a_new_acl_holds_for_the_writes_right_behind_it() {
    let mut b = Bench::new();
    check(&mut b, create("/p", 0), 0);
    check(&mut b, create("/p/c", 0), 0);
    check(&mut b, set_acl("/p", only(digest("u:h")), -1), 0);
    check(&mut b, set("/p", 7), -102);
    check(&mut b, create("/p/d", 0), -102);
    check(&mut b, create("/p/..", 0), -102);
    check(&mut b, delete("/p/c", 7), -102);
    check(&mut b, delete("/p/none", -1), -102);
    check(&mut b, set("/p/c", 0), 0);
    check(&mut b, set_acl("/p", vec![Acl::world(31)], 7), -102);
    b.auth.push(digest("u:h"));
    check(&mut b, delete("/p/c", 7), -103);
    check(&mut b, delete("/p/c", 1), 0);
    b.auth = vec![Id::new("super", "")];
    check(&mut b, set("/p", 0), 0);
    check(&mut b, set("/zookeeper/config", -1), 0);
    b.apply();
}

#[test]
fn auth_is_stored_as_the_identities_of_the_moment() {
    let mut b = Bench::new();
    let mine = || {
        only(Id {
            scheme: Some("auth".into()),
            id: None,
        })
    };
    let made = |acl| {
        let create = CreateRequest {
            acl: Some(acl),
            ..create_request("/a", 0)
        };
        Write::Client(Request::Create {
            create,
            op: CreateOp::Create,
        })
    };
    check(&mut b, made(mine()), -114);
    check(&mut b, made(only(Id::new("world", "someone"))), -114);
    check(
        &mut b,
        made(only(Id {
            scheme: Some("ip".into()),
            id: None,
        })),
        -5,
    );
    b.auth.extend([digest("a:h"), digest("b:h")]);
    let TxnBody::Create(txn) = b.prep(1, made(mine())) else {
        panic!()
    };
    let stored = txn.acl.unwrap();
    assert_eq!(stored, [only(digest("a:h")), only(digest("b:h"))].concat());
    b.cfg.auth.skip_acl = true;
    b.auth.clear();
    check(&mut b, set("/a", 0), 0);
    b.apply();
}
