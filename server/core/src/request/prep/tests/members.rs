//! reconfig: which check wins.

use zk_wire::client::request::ReconfigRequest;
use zk_wire::membership::Membership;

use super::*;

fn line(n: u8) -> String {
    format!("server.{n}=10.0.0.{n}:2888:3888:participant;10.0.0.{n}:2181")
}

fn reconfig(joining: Option<&str>, leaving: Option<&str>, from_config: i64) -> Write {
    Write::Client(Request::Reconfig(ReconfigRequest {
        joining: joining.map(str::to_owned),
        leaving: leaving.map(str::to_owned),
        new_members: None,
        from_config,
    }))
}

fn replace(members: &str) -> Write {
    Write::Client(Request::Reconfig(ReconfigRequest {
        new_members: Some(members.to_owned()),
        from_config: -1,
        ..ReconfigRequest::default()
    }))
}

#[test]
fn the_first_failing_check_of_reconfig_wins() {
    let mut b = Bench::new();
    b.cfg.reconfig.enabled = false;
    check(&mut b, reconfig(Some("rubbish"), None, 5), -123);
    b.cfg.reconfig.enabled = true;
    check(&mut b, reconfig(Some("rubbish"), None, 5), -6);
    let text = [line(1), line(2), line(3)].join("\n");
    let text = format!("{text}\nversion=100000000");
    b.cfg.membership = Some(Membership::parse(&text).unwrap());
    check(&mut b, reconfig(Some("rubbish"), None, 5), -103);
    check(&mut b, reconfig(Some("rubbish"), None, 0x1_0000_0000), -8);
    check(&mut b, reconfig(None, Some("x"), -1), -5);
    check(&mut b, reconfig(None, Some("1,2"), -1), -8);
    check(&mut b, replace(&line(1)), -8);
    // Of 1, 4 and 5 only 1 is connected.
    let joining = [line(4), line(5)].join(",");
    check(&mut b, reconfig(Some(&joining), Some("2,3"), -1), -13);
    check(&mut b, replace(&[line(1), line(4)].join(",")), -13);
    check(&mut b, reconfig(Some(&line(4)), Some("3"), -1), -102);
    check(&mut b, reconfig(None, None, -1), -102);
    check(&mut b, replace(&[line(1), line(2)].join(",")), -102);
    b.auth = vec![Id::new("super", "")];
    b.cfg.reconfig.standalone_enabled = false;
    b.apply();
    let text = [line(1), line(2), line(4)].join("\n");
    let TxnBody::SetData { data, version, .. } =
        b.prep(9, reconfig(Some(&line(4)), Some("3"), 0x1_0000_0000))
    else {
        panic!("1 and 2 are a quorum of three");
    };
    let expected = format!(
        "{text}\nversion={:x}",
        0x1_0000_0000_i64 + i64::from(b.counter)
    );
    assert_eq!((data, version), (Some(expected.into()), -1));
    b.apply();
}
