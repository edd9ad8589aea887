//! Hard quotas.

use super::*;

fn with_data(path: &str, data: &'static str) -> Write {
    let create = CreateRequest {
        data: Some(Bytes::from_static(data.as_bytes())),
        ..create_request(path, 0)
    };
    Write::Client(Request::Create {
        create,
        op: CreateOp::Create,
    })
}

fn set_to(path: &str, data: &'static str, version: i32) -> Write {
    Write::Client(Request::SetData {
        path: path.into(),
        data: Some(Bytes::from_static(data.as_bytes())),
        version,
    })
}

/// `/q` with one byte, under a quota with these limits, enforced.
fn limited(limits: &'static str) -> Bench {
    let mut b = Bench::new();
    for write in [
        with_data("/q", "1"),
        with_data("/zookeeper/quota/q", ""),
        with_data("/zookeeper/quota/q/zookeeper_limits", limits),
        with_data("/zookeeper/quota/q/zookeeper_stats", ""),
    ] {
        check(&mut b, write, 0);
    }
    b.apply();
    b.cfg.kinds.enforce_quota = true;
    b
}

#[test]
fn hard_limits_refuse_and_soft_ones_do_not() {
    let mut b = limited("count=1,bytes=1=;byteHardLimit=3;countHardLimit=2");
    check(&mut b, set_to("/q", "1234", 7), -125);
    check(&mut b, set_to("/q", "123", 7), -103);
    check(&mut b, set_to("/q", "123", 0), 0);
    b.apply();
    check(&mut b, set_to("/q", "456", -1), 0);
    check(&mut b, with_data("/q/a", "1"), -125);
    check(&mut b, with_data("/q", "1234"), -110);
    check(&mut b, with_data("/q/..", "1234"), -8);
    // Usage is what is committed: both pass, although there is room for one.
    check(&mut b, with_data("/q/a", ""), 0);
    check(&mut b, with_data("/q/b", ""), 0);
    b.apply();
    check(&mut b, with_data("/q/c", ""), -125);
    check(&mut b, delete("/q/b", -1), 0);
    b.apply();
    check(&mut b, with_data("/q/c", ""), -125);
    check(&mut b, with_data("/elsewhere", "123456"), 0);
    b.cfg.kinds.enforce_quota = false;
    check(&mut b, with_data("/q/c", "123456"), 0);
    b.apply();
}

#[test]
fn multi_tells_which_operation_was_too_much() {
    let mut b = limited("count=-1,bytes=-1=;countHardLimit=1");
    let op = |path: &str| MultiOp::Create {
        create: create_request(path, 0),
        op: CreateOp::Create,
    };
    let ops = vec![op("/free"), op("/q/a")];
    let TxnBody::Multi(bodies) = b.prep(1, Write::Client(Request::Multi(ops))) else {
        panic!()
    };
    assert_eq!(bodies[1], TxnBody::Error { code: -125 });
    b.apply();
}

#[test]
fn limits_that_are_no_numbers_stop_every_write_below() {
    let mut b = limited("ten nodes");
    check(&mut b, with_data("/q/a", ""), -5);
    check(&mut b, set_to("/q", "1", 9), -5);
    check(&mut b, delete("/q", 9), -103);
    let multi = Write::Client(Request::Multi(vec![
        MultiOp::Create {
            create: create_request("/free", 0),
            op: CreateOp::Create,
        },
        MultiOp::SetData {
            path: "/q".into(),
            data: None,
            version: -1,
        },
    ]));
    check(&mut b, multi, -5);
    check(&mut b, create("/free", 0), 0);
    b.apply();
}
