//! Replies: every answer is exactly what the one history says.
//!
//! A reply names a place in the history: a write the zxid of its own transaction, a read the state
//! that it saw. Since every server applies the same history, the answer follows from the place: the
//! outcome of a write from the state before it, the content of a read from the state at it. This is
//! linearizability of writes and sequential consistency of reads, checked without a search.

use bytes::Bytes;
use zk_wire::client::multi::decode_results;
use zk_wire::client::request::CreateRequest;
use zk_wire::client::{ErrorCode, MultiOp, MultiResult, OpCode, ReplyHeader, Request};
use zk_wire::jute::Reader;
use zk_wire::txn::TxnBody;
use zk_wire::{Acl, DecodeError, SessionId, Stat, Zxid};

use super::agreement::History;
use super::{Verdict, Violation, ensure};
use crate::oracle::{Node, Oracle, split};

const NAME: &str = "replies";

/// A reply as a client got it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub header: ReplyHeader,
    pub body: Bytes,
}

impl Reply {
    /// The place in the history; `None` when the reply names none.
    pub(crate) fn zxid(&self) -> Option<Zxid> {
        (self.header.zxid >= 0).then(|| Zxid::from_wire(self.header.zxid))
    }
}

fn undecodable(why: DecodeError) -> Violation {
    Violation {
        invariant: NAME,
        detail: format!("a reply does not decode: {why}"),
    }
}

/// Whether a request gets a transaction.
pub(crate) fn is_write(request: &Request) -> bool {
    let op = request.op();
    op.is_write() || op == OpCode::CloseSession
}

/// The final path of a create in the state `at`.
fn created_path(create: &CreateRequest, oracle: &Oracle, at: Zxid) -> String {
    let counter = split(&create.path)
        .and_then(|(parent, _)| oracle.node(parent, at))
        .map_or(0, |parent| parent.created);
    if create.flags & 2 == 0 {
        create.path.clone()
    } else {
        format!("{}{counter:010}", create.path)
    }
}

/// How a write must end in the state `at`; `None` is success.
fn outcome(op: &MultiOp, oracle: &Oracle, at: Zxid) -> Option<ErrorCode> {
    let versioned = |path: &str, version: i32| match oracle.node(path, at) {
        None => Some(ErrorCode::NoNode),
        Some(node) if version != -1 && version != node.version => Some(ErrorCode::BadVersion),
        Some(_) => None,
    };
    match op {
        MultiOp::Create { create, .. } => {
            let path = created_path(create, oracle, at);
            let (parent, _) = split(&path)?;
            if parent != "/" && oracle.node(parent, at).is_none() {
                Some(ErrorCode::NoNode)
            } else if oracle.node(&path, at).is_some() {
                Some(ErrorCode::NodeExists)
            } else {
                None
            }
        }
        MultiOp::Delete { path, version } => versioned(path, *version).or_else(|| {
            let children = oracle.node(path, at).map_or(0, |node| node.children.len());
            (children > 0).then_some(ErrorCode::NotEmpty)
        }),
        MultiOp::SetData { path, version, .. } | MultiOp::Check { path, version } => {
            versioned(path, *version)
        }
    }
}

/// A single write as an operation of a multi.
fn as_op(request: &Request) -> Option<MultiOp> {
    if let Request::Create { create, op } = request {
        let (create, op) = (create.clone(), *op);
        Some(MultiOp::Create { create, op })
    } else if let Request::Delete { path, version } = request {
        let (path, version) = (path.clone(), *version);
        Some(MultiOp::Delete { path, version })
    } else if let Request::SetData {
        path,
        data,
        version,
    } = request
    {
        Some(MultiOp::SetData {
            path: path.clone(),
            data: data.clone(),
            version: *version,
        })
    } else {
        None
    }
}

/// Checks the answer to a write of `session`.
pub(crate) fn check_write(
    session: SessionId,
    xid: zk_wire::Xid,
    request: &Request,
    reply: &Reply,
    history: &History,
    oracle: &Oracle,
) -> Verdict {
    let Some(zxid) = reply.zxid() else {
        return ensure(false, NAME, || {
            format!("{request:?} is answered without a zxid")
        });
    };
    let about = || format!("session {session}, {request:?} answered at {zxid}");
    ensure(history.is_committed(zxid), NAME, || {
        format!("{}: not committed", about())
    })?;
    let Some(txn) = history.txn(zxid) else {
        return ensure(false, NAME, || format!("{}: no transaction", about()));
    };
    ensure(
        txn.header.session == session && txn.header.xid == xid,
        NAME,
        || format!("{}: that is {:?}", about(), txn.header),
    )?;
    ensure(tells_of(request, &txn.body), NAME, || {
        format!("{}: that is {:?}", about(), txn.body)
    })?;
    let before = history.before(zxid).unwrap_or(Zxid::ZERO);
    if let Request::Multi(ops) = request {
        return check_multi(ops, reply, txn, before, oracle);
    }
    if let TxnBody::Error { code } = txn.body {
        ensure(code == reply.header.err, NAME, || {
            format!("{}: error {}, logged {code}", about(), reply.header.err)
        })?;
    } else {
        ensure(reply.header.err == 0, NAME, || {
            format!("{}: error {}", about(), reply.header.err)
        })?;
    }
    if let Request::SetAcl { path, version, .. } = request {
        return check_set_acl(path, *version, reply, (before, zxid), oracle);
    }
    let Some(op) = as_op(request) else {
        return Ok(());
    };
    let expected = outcome(&op, oracle, before).map_or(0, ErrorCode::to_wire);
    let expired = ErrorCode::SessionExpired.to_wire();
    ensure(
        expected == reply.header.err || reply.header.err == expired,
        NAME,
        || {
            format!(
                "{}: error {}, must be {expected}",
                about(),
                reply.header.err
            )
        },
    )?;
    if reply.header.err != 0 {
        return Ok(());
    }
    check_success(
        &op,
        &mut Reader::unlimited(reply.body.clone()),
        zxid,
        before,
        oracle,
    )
}

/// Whether a transaction can be that of the request; every value that is written is unique.
fn tells_of(request: &Request, body: &TxnBody) -> bool {
    match (request, body) {
        (Request::Create { create, .. }, TxnBody::Create(made)) => create.data == made.data,
        (
            Request::SetData { data, path, .. },
            TxnBody::SetData {
                data: d, path: p, ..
            },
        ) => data == d && path == p,
        (Request::Create { .. } | Request::SetData { .. }, other) => {
            matches!(other, TxnBody::Error { .. })
        }
        (Request::Delete { path, .. }, TxnBody::Delete { path: p, .. }) => path == p,
        (_, body) => !matches!(
            body,
            TxnBody::Create(_)
                | TxnBody::SetData {
                    reconfig: false,
                    ..
                }
        ),
    }
}

/// The states before a setACL and after it decide its answer.
fn check_set_acl(
    path: &str,
    version: i32,
    reply: &Reply,
    (before, zxid): (Zxid, Zxid),
    oracle: &Oracle,
) -> Verdict {
    let expected = match oracle.node(path, before) {
        None => Some(ErrorCode::NoNode),
        Some(node) if version != -1 && version != node.aversion => Some(ErrorCode::BadVersion),
        Some(_) => None,
    };
    let expected = expected.map_or(0, ErrorCode::to_wire);
    let err = reply.header.err;
    let expired = ErrorCode::SessionExpired.to_wire();
    ensure(err == expected || err == expired, NAME, || {
        format!("setACL {version} of {path} at {zxid}: error {err}, must be {expected}")
    })?;
    if err != 0 {
        return Ok(());
    }
    let stat = Stat::decode(&mut Reader::unlimited(reply.body.clone())).map_err(undecodable)?;
    let node = oracle.node(path, zxid);
    ensure(node.is_some_and(|node| node.stat() == stat), NAME, || {
        format!("setACL of {path} at {zxid} gives {stat:?}, must be {node:?}")
    })
}

fn check_success(
    op: &MultiOp,
    r: &mut Reader,
    zxid: Zxid,
    before: Zxid,
    oracle: &Oracle,
) -> Verdict {
    let result = match op {
        MultiOp::Create { op, .. } => {
            let path = r.string_required("path").map_err(undecodable)?;
            if op.replies_with_stat() {
                MultiResult::Create2(path, Stat::decode(r).map_err(undecodable)?)
            } else {
                MultiResult::Create(path)
            }
        }
        MultiOp::Delete { .. } => MultiResult::Delete,
        MultiOp::SetData { .. } => MultiResult::SetData(Stat::decode(r).map_err(undecodable)?),
        MultiOp::Check { .. } => MultiResult::Check,
    };
    check_result(op, &result, zxid, before, oracle)
}

fn check_result(
    op: &MultiOp,
    result: &MultiResult,
    zxid: Zxid,
    before: Zxid,
    oracle: &Oracle,
) -> Verdict {
    let stat = |path: &str| oracle.node(path, zxid).map(Node::stat).unwrap_or_default();
    let expected = match op {
        MultiOp::Create { create, op } => {
            let path = created_path(create, oracle, before);
            if op.replies_with_stat() {
                let stat = stat(&path);
                MultiResult::Create2(path, stat)
            } else {
                MultiResult::Create(path)
            }
        }
        MultiOp::Delete { .. } => MultiResult::Delete,
        MultiOp::SetData { path, .. } => MultiResult::SetData(stat(path)),
        MultiOp::Check { .. } => MultiResult::Check,
    };
    ensure(*result == expected, NAME, || {
        format!("{op:?} at {zxid} gives {result:?}, must be {expected:?}")
    })
}

/// The workload's multis touch each path once, so that every part is judged in the state before.
fn check_multi(
    ops: &[MultiOp],
    reply: &Reply,
    txn: &zk_wire::txn::Txn,
    before: Zxid,
    oracle: &Oracle,
) -> Verdict {
    if reply.header.err != 0 {
        return ensure(
            reply.header.err == ErrorCode::SessionExpired.to_wire(),
            NAME,
            || format!("multi {ops:?} fails as a whole with {}", reply.header.err),
        );
    }
    let mut r = Reader::unlimited(reply.body.clone());
    let results = decode_results(&mut r).map_err(undecodable)?;
    ensure(results.len() == ops.len(), NAME, || {
        format!("multi {ops:?} gives {results:?}")
    })?;
    let failed = ops
        .iter()
        .position(|op| outcome(op, oracle, before).is_some());
    for (i, (op, result)) in ops.iter().zip(&results).enumerate() {
        let code = match failed {
            None => {
                check_result(op, result, txn.header.zxid, before, oracle)?;
                continue;
            }
            Some(at) if i < at => 0,
            Some(at) if i == at => outcome(op, oracle, before).map_or(0, ErrorCode::to_wire),
            Some(_) => ErrorCode::RuntimeInconsistency.to_wire(),
        };
        ensure(*result == MultiResult::Error(code), NAME, || {
            format!("part {i} of multi {ops:?} gives {result:?}, must fail with {code}")
        })?;
    }
    Ok(())
}

/// Checks the answer to a read.
pub(crate) fn check_read(
    request: &Request,
    reply: &Reply,
    history: &History,
    oracle: &Oracle,
) -> Verdict {
    let (Request::Exists { path, .. }
    | Request::GetData { path, .. }
    | Request::GetAcl { path }
    | Request::GetChildren { path, .. }
    | Request::GetChildren2 { path, .. }) = request
    else {
        return ensure(reply.header.err == 0, NAME, || {
            format!("{request:?} fails with {}", reply.header.err)
        });
    };
    let Some(zxid) = reply.zxid() else {
        return ensure(false, NAME, || {
            format!("{request:?} is answered without a zxid")
        });
    };
    ensure(history.is_committed(zxid), NAME, || {
        format!("{request:?} is answered at {zxid}, which is not committed")
    })?;
    let Some(node) = oracle.node(path, zxid) else {
        return ensure(
            reply.header.err == ErrorCode::NoNode.to_wire(),
            NAME,
            || {
                format!(
                    "{request:?} at {zxid} gives error {}, must be NONODE",
                    reply.header.err
                )
            },
        );
    };
    ensure(reply.header.err == 0, NAME, || {
        format!(
            "{request:?} at {zxid} fails with {}, but the node is there",
            reply.header.err
        )
    })?;
    let mut r = Reader::unlimited(reply.body.clone());
    let r = &mut r;
    let same = if matches!(request, Request::Exists { .. }) {
        Stat::decode(r).map_err(undecodable)? == node.stat()
    } else if matches!(request, Request::GetAcl { .. }) {
        let acl = r.vector(Acl::decode).map_err(undecodable)?;
        acl == node.acl && Stat::decode(r).map_err(undecodable)? == node.stat()
    } else if matches!(request, Request::GetData { .. }) {
        let data = r.buffer().map_err(undecodable)?;
        data == node.data && Stat::decode(r).map_err(undecodable)? == node.stat()
    } else {
        let names = r
            .vector(|r| r.string_required("name"))
            .map_err(undecodable)?;
        let mut names = names.unwrap_or_default();
        names.sort_unstable();
        let full = matches!(request, Request::GetChildren2 { .. });
        names.iter().eq(node.children.iter())
            && (!full || Stat::decode(r).map_err(undecodable)? == node.stat())
    };
    ensure(same, NAME, || {
        format!(
            "{request:?} at {zxid} gives {:?}, must be {node:?}",
            reply.body
        )
    })
}

#[cfg(test)]
mod tests {
    use zk_wire::client::Response;
    use zk_wire::{Epoch, Xid};

    use zk_wire::client::request::{CreateOp, NO_TTL};

    use super::*;
    use crate::invariants::agreement::tests::history;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    fn reply(response: &Response, zxid: Zxid) -> Reply {
        let raw = response.encode(Xid(1), zxid.to_wire());
        let mut r = Reader::unlimited(raw);
        let header = ReplyHeader::decode(&mut r).unwrap();
        Reply {
            header,
            body: r.into_rest(),
        }
    }

    fn committed() -> (History, Oracle) {
        let (mut history, mut oracle) = (history(3), Oracle::default());
        history.commit(z(3), &mut oracle).unwrap();
        (history, oracle)
    }

    #[test]
    fn a_read_of_another_state_is_found() {
        let (history, oracle) = committed();
        let request = Request::Exists {
            path: "/n2".into(),
            watch: false,
        };
        let stat = oracle.now("/n2").unwrap().stat();
        let good = reply(&Response::Stat(stat), z(2));
        assert_eq!(check_read(&request, &good, &history, &oracle), Ok(()));
        let early = reply(&Response::Stat(stat), z(1));
        assert!(check_read(&request, &early, &history, &oracle).is_err());
        let other = Stat { version: 9, ..stat };
        let wrong = reply(&Response::Stat(other), z(3));
        assert!(check_read(&request, &wrong, &history, &oracle).is_err());
    }

    #[test]
    fn a_write_that_could_not_succeed_is_found() {
        let (history, oracle) = committed();
        let create = CreateRequest {
            path: "/n3".into(),
            data: Some(Bytes::from_static(b"x")),
            acl: None,
            flags: 0,
            ttl_ms: NO_TTL,
        };
        let request = Request::Create {
            create,
            op: CreateOp::Create,
        };
        let check = |zxid: Zxid, path: &str| {
            let reply = reply(&Response::Path(path.into()), zxid);
            let xid = Xid(i32::try_from(zxid.counter()).unwrap());
            check_write(SessionId(1), xid, &request, &reply, &history, &oracle)
        };
        assert_eq!(check(z(3), "/n3"), Ok(()));
        assert!(check(z(3), "/n4").is_err());
        assert!(check(z(4), "/n3").is_err());
    }
}
