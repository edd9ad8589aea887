//! Round trips, and bytes that Apache servers wrote.

use super::*;

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn header(zxid: u64) -> TxnHeader {
    TxnHeader {
        session: SessionId(9),
        xid: Xid(3),
        zxid: Zxid::from_u64(zxid),
        time_ms: 1000,
    }
}

#[test]
fn create_session_as_apache_logs_it() {
    let raw = hex(
        "0100000ce68a0000 00000000 0000000000000001 000001a202aaaf19 fffffff6
         00007530 00000002 0000000051c6d660",
    );
    let txn = Txn::decode(raw.clone()).unwrap();
    assert_eq!(txn.body, TxnBody::CreateSession { timeout_ms: 30000 });
    assert_eq!(txn.digest, Some(1_371_985_504));
    assert_eq!(txn.encode(), raw);
    assert_eq!(Txn::zxid_of(&raw), Ok(Zxid::from_u64(1)));
}

#[test]
fn every_body_survives_a_round_trip() {
    let create = |kind, create2| {
        TxnBody::Create(CreateTxn {
            path: "/a".into(),
            data: Some(Bytes::from_static(b"x")),
            acl: Some(vec![Acl::world(31)]),
            kind,
            parent_cversion: 4,
            create2,
        })
    };
    let bodies = vec![
        TxnBody::CreateSession { timeout_ms: 5 },
        TxnBody::CloseSession {
            paths: Some(vec!["/a".into(), "/b".into()]),
        },
        TxnBody::CloseSession {
            paths: Some(vec![]),
        },
        TxnBody::CloseSession { paths: None },
        TxnBody::Error { code: -101 },
        create(CreateKind::Persistent, false),
        create(CreateKind::Ephemeral, true),
        create(CreateKind::Container, false),
        create(CreateKind::Ttl(77), false),
        TxnBody::Delete {
            path: "/a".into(),
            container: false,
        },
        TxnBody::Delete {
            path: "/a".into(),
            container: true,
        },
        TxnBody::SetData {
            path: "/a".into(),
            data: None,
            version: 3,
            reconfig: false,
        },
        TxnBody::SetData {
            path: "/z".into(),
            data: None,
            version: -1,
            reconfig: true,
        },
        TxnBody::SetAcl {
            path: "/a".into(),
            acl: None,
            version: 1,
        },
        TxnBody::Multi(vec![
            TxnBody::Check {
                path: "/a".into(),
                version: 1,
            },
            TxnBody::Error { code: -2 },
            create(CreateKind::Persistent, true),
        ]),
    ];
    for body in bodies {
        for digest in [None, Some(7)] {
            let txn = Txn {
                header: header(5),
                body: body.clone(),
                digest,
            };
            assert_eq!(Txn::decode(txn.encode()), Ok(txn));
        }
    }
}

#[test]
fn old_create_without_parent_cversion_is_read() {
    let txn = Txn {
        header: header(5),
        body: TxnBody::Create(CreateTxn {
            path: "/a".into(),
            data: None,
            acl: Some(vec![]),
            kind: CreateKind::Persistent,
            parent_cversion: 1,
            create2: false,
        }),
        digest: None,
    };
    let raw = txn.encode();
    let old = raw.slice(..raw.len() - 4);
    let TxnBody::Create(read) = Txn::decode(old).unwrap().body else {
        panic!()
    };
    assert_eq!(read.parent_cversion, -1);
}

#[test]
fn a_check_or_an_unknown_type_outside_of_a_multi_is_refused() {
    for kind_no in [13, 0, 77, -3] {
        let mut w = Writer::new();
        w.i64(1);
        w.i32(1);
        w.i64(1);
        w.i64(1);
        w.i32(kind_no);
        w.string("/a");
        w.i32(1);
        assert!(Txn::decode(w.into_bytes()).is_err(), "{kind_no}");
    }
}
