use super::*;

/// One request of each kind.
#[expect(clippy::too_many_lines, reason = "one sample per operation")]
fn samples() -> Vec<Request> {
    let create = CreateRequest {
        path: "/vec".into(),
        data: Some(Bytes::from_static(b"hi")),
        acl: Some(vec![Acl::world(31)]),
        flags: 0,
        ttl_ms: NO_TTL,
    };
    let path = || "/vec".to_owned();
    let carried = CarriedWatches {
        relative_zxid: Zxid::from_u64(4),
        data: vec![path()],
        exist: vec![],
        child: vec![path(), path()],
        persistent: None,
        cut_short: false,
    };
    vec![
        Request::Create {
            create: create.clone(),
            op: CreateOp::Create,
        },
        Request::Create {
            create: create.clone(),
            op: CreateOp::Create2,
        },
        Request::Delete {
            path: path(),
            version: 7,
        },
        Request::Exists {
            path: path(),
            watch: true,
        },
        Request::GetData {
            path: path(),
            watch: false,
        },
        Request::SetData {
            path: path(),
            data: None,
            version: -1,
        },
        Request::GetAcl { path: path() },
        Request::GetChildren {
            path: path(),
            watch: true,
        },
        Request::GetChildren2 {
            path: path(),
            watch: true,
        },
        Request::Sync { path: None },
        Request::Multi(vec![
            MultiOp::Create {
                create: create.clone(),
                op: CreateOp::Create2,
            },
            MultiOp::Check {
                path: path(),
                version: 0,
            },
        ]),
        Request::Create {
            create: create.clone(),
            op: CreateOp::Container,
        },
        Request::Create {
            create: CreateRequest {
                flags: 5,
                ttl_ms: 36_000_000,
                acl: None,
                ..create
            },
            op: CreateOp::Ttl,
        },
        Request::MultiRead(vec![
            ReadOp::GetData { path: path() },
            ReadOp::GetChildren { path: path() },
        ]),
        Request::SetWatches(carried.clone()),
        Request::SetWatches(CarriedWatches {
            cut_short: true,
            ..carried.clone()
        }),
        Request::SetWatches(CarriedWatches {
            cut_short: true,
            persistent: Some(PersistentWatches::default()),
            ..carried.clone()
        }),
        Request::SetWatches(CarriedWatches {
            persistent: Some(PersistentWatches {
                exact: vec![path()],
                recursive: vec![],
            }),
            ..carried
        }),
        Request::SetAcl {
            path: path(),
            acl: Some(vec![Acl::world(1)]),
            version: 2,
        },
        Request::Reconfig(ReconfigRequest {
            joining: Some("server.4=h:1:2;3".into()),
            leaving: None,
            new_members: None,
            from_config: -1,
        }),
        Request::CheckWatches {
            path: path(),
            kind: 3,
        },
        Request::RemoveWatches {
            path: path(),
            kind: 5,
        },
        Request::AddWatch {
            path: path(),
            mode: 1,
        },
        Request::GetEphemerals { prefix: None },
        Request::GetAllChildrenNumber { path: path() },
        Request::WhoAmI,
        Request::Auth {
            scheme: Some("digest".into()),
            auth: Some(Bytes::from_static(b"u:p")),
        },
        Request::Sasl {
            token: Bytes::new(),
        },
        Request::Ping,
        Request::CloseSession,
    ]
}

#[test]
fn bodies_survive_a_round_trip() {
    for request in samples() {
        let frame = request.encode_with_header(Xid(3));
        let (header, body) = RequestHeader::split(frame).unwrap();
        assert_eq!(header.xid, Xid(3));
        let op = OpCode::from_wire(header.op).unwrap();
        assert_eq!(
            Request::decode(op, body.clone(), 4096),
            Ok(Some(request.clone()))
        );
        for cut in 0..body.len() {
            // Cut anywhere a body must fail or be shorter, and never panic.
            let outcome = Request::decode(op, body.slice(..cut), 4096);
            assert_ne!(outcome, Ok(Some(request.clone())), "{op:?} cut at {cut}");
        }
    }
}

#[test]
fn create_as_captured() {
    let raw: &[u8] = &[
        0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, b'/', b'v', b'e', b'c', 0, 0, 0, 2, b'h', b'i', 0, 0,
        0, 1, 0, 0, 0, 0x1f, 0, 0, 0, 5, b'w', b'o', b'r', b'l', b'd', 0, 0, 0, 6, b'a', b'n',
        b'y', b'o', b'n', b'e', 0, 0, 0, 0,
    ];
    let (header, body) = RequestHeader::split(Bytes::from_static(raw)).unwrap();
    let request = Request::decode(OpCode::Create, body, 4096)
        .unwrap()
        .unwrap();
    assert_eq!(request.encode_with_header(header.xid), raw);
}

/// The form that a create in a multi takes; `None` when the whole multi fails.
fn form_in_multi(sent: CreateOp, flags: i32) -> Option<CreateOp> {
    let create = CreateRequest {
        path: "/a".into(),
        data: None,
        acl: Some(vec![Acl::world(31)]),
        flags,
        ttl_ms: if sent == CreateOp::Ttl { 5 } else { NO_TTL },
    };
    let body = Request::Multi(vec![MultiOp::Create { create, op: sent }]).encode();
    let decoded = Request::decode(OpCode::Multi, body, 1 << 20).ok()??;
    let Request::Multi(ops) = &decoded else {
        panic!("{decoded:?}");
    };
    let Some(MultiOp::Create { create, op }) = ops.first() else {
        panic!("{ops:?}");
    };
    assert!(*op == CreateOp::Ttl || create.ttl_ms == NO_TTL);
    Some(*op)
}

#[test]
fn creates_in_a_multi_take_the_form_that_flags_or_number_say() {
    use CreateOp::{Container, Create, Create2, Ttl};
    for sent in [Create, Create2, Container] {
        assert_eq!(form_in_multi(sent, 3), Some(sent));
        for flags in [5, 6, 7] {
            assert_eq!(form_in_multi(sent, flags), None);
        }
    }
    assert_eq!(form_in_multi(Ttl, 0), Some(Create));
    assert_eq!(form_in_multi(Ttl, 7), Some(Ttl));
    for sent in [Create, Create2, Container, Ttl] {
        assert_eq!(form_in_multi(sent, 4), Some(Container));
    }
    assert_eq!(form_in_multi(Ttl, 6), Some(Ttl));
}
