//! What comes over the client port, and what a client of ours reads from a server.

use bytes::{Bytes, BytesMut};
use zk_core::ClientFrame;
use zk_wire::client::request::{NO_TTL, PersistentWatches, ReconfigRequest};
use zk_wire::client::{
    CarriedWatches, ConnectRequest, ConnectResponse, CreateOp, CreateRequest, MultiOp, OpCode,
    ReadOp, ReplyHeader, Request, Response, WatcherEvent,
};
use zk_wire::data::Acl;
use zk_wire::frame::take_frame;
use zk_wire::jute::Reader;
use zk_wire::{Xid, Zxid};

use super::FIELD_LEN_MAX;
use crate::Target;

/// The first frame.
pub(crate) const CONNECT: Target = Target {
    name: "client-connect",
    run: connect,
    seeds: connect_seeds,
};

/// A stream of frames behind it.
pub(crate) const REQUEST: Target = Target {
    name: "client-request",
    run: request,
    seeds: request_seeds,
};

/// Replies and events.
pub(crate) const REPLY: Target = Target {
    name: "client-reply",
    run: reply,
    seeds: reply_seeds,
};

fn connect(data: &[u8]) {
    if let Ok(first) = ConnectRequest::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(ConnectRequest::decode(first.encode()), Ok(first));
    }
}

pub(crate) fn greeting() -> ConnectRequest {
    ConnectRequest {
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 10_000,
        session: None,
        password: Bytes::from_static(&[0; 16]),
        read_only: Some(false),
    }
}

fn connect_seeds() -> Vec<Vec<u8>> {
    let old = ConnectRequest {
        read_only: None,
        ..greeting()
    };
    vec![greeting().encode().to_vec(), old.encode().to_vec()]
}

fn request(data: &[u8]) {
    let mut stream = BytesMut::from(data);
    while let Ok(Some(frame)) = take_frame(&mut stream, 0, FIELD_LEN_MAX) {
        let Ok(ClientFrame::Request { request, xid, .. }) =
            ClientFrame::decode(frame, FIELD_LEN_MAX)
        else {
            continue;
        };
        let again = ClientFrame::decode(request.encode_with_header(xid), FIELD_LEN_MAX);
        let Ok(ClientFrame::Request { request: again, .. }) = again else {
            panic!("{request:?} is not read again: {again:?}");
        };
        assert_eq!(again, request);
    }
}

/// One request of each kind.
#[expect(clippy::too_many_lines, reason = "one sample per operation")]
pub(crate) fn requests() -> Vec<Request> {
    let path = || "/a".to_owned();
    let create = CreateRequest {
        path: path(),
        data: Some(Bytes::from_static(b"x")),
        acl: Some(vec![Acl::world(31)]),
        flags: 0,
        ttl_ms: NO_TTL,
    };
    let with_ttl = CreateRequest {
        flags: 5,
        ttl_ms: 1000,
        ..create.clone()
    };
    let carried = CarriedWatches {
        data: vec![path()],
        persistent: Some(PersistentWatches {
            exact: vec![path()],
            recursive: vec!["/".to_owned()],
        }),
        ..CarriedWatches::default()
    };
    let quota = CreateRequest {
        path: "/zookeeper/quota/a/zookeeper_limits".to_owned(),
        data: Some(Bytes::from_static(b"count=3,bytes=9=;byteHardLimit=20")),
        ..create.clone()
    };
    let plain = |create: &CreateRequest, op| Request::Create {
        create: create.clone(),
        op,
    };
    vec![
        plain(&create, CreateOp::Create),
        plain(&create, CreateOp::Create2),
        plain(&create, CreateOp::Container),
        plain(&with_ttl, CreateOp::Ttl),
        plain(&quota, CreateOp::Create),
        Request::Exists {
            path: path(),
            watch: true,
        },
        Request::GetData {
            path: path(),
            watch: true,
        },
        Request::GetChildren {
            path: path(),
            watch: true,
        },
        Request::GetChildren2 {
            path: path(),
            watch: true,
        },
        Request::SetData {
            path: path(),
            data: None,
            version: -1,
        },
        Request::GetAcl { path: path() },
        Request::SetAcl {
            path: path(),
            acl: Some(vec![Acl::world(1)]),
            version: -1,
        },
        Request::Sync { path: Some(path()) },
        Request::Multi(vec![
            MultiOp::Create {
                create,
                op: CreateOp::Create2,
            },
            MultiOp::Check {
                path: path(),
                version: 0,
            },
            MultiOp::SetData {
                path: path(),
                data: None,
                version: 0,
            },
            MultiOp::Delete {
                path: path(),
                version: -1,
            },
        ]),
        Request::MultiRead(vec![ReadOp::GetData { path: path() }]),
        Request::SetWatches(carried),
        Request::Reconfig(ReconfigRequest {
            joining: Some("server.4=h:1:2:observer;3".to_owned()),
            leaving: Some("1,2".to_owned()),
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
            scheme: Some("digest".to_owned()),
            auth: Some(Bytes::from_static(b"u:p")),
        },
        Request::Sasl {
            token: Bytes::from_static(
                b"charset=utf-8,username=\"bob\",realm=\"zk-sasl-md5\",nonce=\"n\",nc=00000001,\
                  cnonce=\"c\",digest-uri=\"zookeeper/zk-sasl-md5\",response=00,qop=auth",
            ),
        },
        Request::Delete {
            path: path(),
            version: -1,
        },
        Request::Ping,
        Request::CloseSession,
    ]
}

fn request_seeds() -> Vec<Vec<u8>> {
    let framed = |request: &Request| {
        let frame = request.encode_with_header(Xid(7));
        let len = u32::try_from(frame.len()).unwrap_or(0);
        [&len.to_be_bytes(), frame.as_ref()].concat()
    };
    let mut seeds: Vec<Vec<u8>> = requests().iter().map(framed).collect();
    seeds.push(seeds.concat());
    seeds
}

/// Operations whose replies have a body.
const ANSWERED: [OpCode; 16] = [
    OpCode::Create,
    OpCode::Create2,
    OpCode::Exists,
    OpCode::GetData,
    OpCode::GetAcl,
    OpCode::GetChildren,
    OpCode::GetChildren2,
    OpCode::Sync,
    OpCode::Multi,
    OpCode::MultiRead,
    OpCode::AddWatch,
    OpCode::GetEphemerals,
    OpCode::GetAllChildrenNumber,
    OpCode::WhoAmI,
    OpCode::Sasl,
    OpCode::SetAcl,
];

/// First byte of a character above U+FFFF, at the least.
const FOUR_BYTES: u8 = 0xf0;

fn reply(data: &[u8]) {
    let Some((kind, frame)) = data.split_first() else {
        return;
    };
    let frame = Bytes::copy_from_slice(frame);
    let mut r = Reader::new(frame.clone(), FIELD_LEN_MAX);
    match ANSWERED.get(usize::from(*kind)) {
        None => drop(ConnectResponse::decode(frame)),
        Some(op) => {
            let Ok(header) = ReplyHeader::decode(&mut r) else {
                return;
            };
            if header.xid == Xid(-1) {
                drop(WatcherEvent::decode(&mut r));
            } else if let Ok(response) = Response::decode(*op, &mut r) {
                let mut again =
                    Reader::new(response.encode(header.xid, header.zxid), FIELD_LEN_MAX);
                let header_again = ReplyHeader::decode(&mut again);
                assert!(header_again.is_ok(), "a header that was written is read");
                let once = Response::decode(*op, &mut again);
                // Java spells what is above U+FFFF in a way that it does not read itself: such text
                // changes when it is passed on, and only then (client.md, texts).
                if frame.iter().all(|byte| *byte < FOUR_BYTES) {
                    assert_eq!(once, Ok(response));
                } else {
                    assert!(once.is_ok(), "a reply that was written is read");
                }
            }
        }
    }
}

fn reply_seeds() -> Vec<Vec<u8>> {
    let refusal = ConnectResponse::refusal(Some(false)).encode();
    let names = Response::Children(vec!["a".to_owned(), "b".to_owned()]).encode(Xid(1), 5);
    let nothing = Response::Multi(Vec::new()).encode(Xid(1), 5);
    vec![
        [&[255], refusal.as_ref()].concat(),
        [&[5], names.as_ref()].concat(),
        [&[8], nothing.as_ref()].concat(),
        [&[9], nothing.as_ref()].concat(),
    ]
}
