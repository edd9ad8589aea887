//! What becomes of a frame: an answer at once, a place in the queue, a request to the leader.

use std::sync::Arc;

use bytes::Bytes;
use zk_wire::client::multi::NULL_ACL;
use zk_wire::client::response::{encode_error, encode_sasl_refusal};
use zk_wire::client::{ErrorCode, OpCode, Request, Response};
use zk_wire::{Id, Xid};

use super::Clients;
use super::audit::Login;
use super::conn::{Conn, Kept, Submission, Submitted, Waiting};
use crate::config::AuthSettings;
use crate::db::{Database, TxnOutcome};
use crate::io::{ClientFrame, ConnId, Outputs};
use crate::request::auth::{self, eager};

/// The xid of every answer to a ping.
pub(super) const PING_XID: Xid = Xid(-2);

/// zxid of answers that no state is behind.
const NO_ZXID: i64 = 0;

/// zxid of the answer to an operation that does not exist.
const UNKNOWN_ZXID: i64 = -1;

impl Clients {
    /// Gives a frame back if it is to be handled now; else it is kept until the session is settled,
    /// or comes after the last one that counts.
    pub(crate) fn hold(
        &mut self,
        id: ConnId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) -> Option<ClientFrame> {
        let conn = self.conns.get_mut(&id)?;
        if !conn.open {
            self.held.push(&mut conn.held, frame);
            if let Some(why) = self.held.excess(&self.hold) {
                self.end_hold(id, why, out);
            }
            return None;
        }
        (!conn.deaf).then_some(frame)
    }

    /// Answers a frame with an error, in its turn; a session that moved costs the connection.
    pub(crate) fn refuse(
        &mut self,
        db: &Database,
        id: ConnId,
        xid: Xid,
        code: ErrorCode,
        out: &mut Outputs,
    ) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.deaf = code == ErrorCode::SessionMoved;
            conn.queue.push_back(Waiting::Error { xid, code });
        }
        self.drain(db, id, out);
    }

    /// Closes a session that has no transaction to wait for, in its turn.
    pub(crate) fn close_local(&mut self, db: &Database, id: ConnId, xid: Xid, out: &mut Outputs) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.deaf = true;
            conn.queue.push_back(Waiting::CloseLocal { xid });
        }
        self.drain(db, id, out);
    }

    /// A frame that [`Clients::hold`] gave back: answered at once, queued, or to be submitted.
    pub(crate) fn frame(
        &mut self,
        db: &Database,
        id: ConnId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) -> Option<Submission> {
        let conn = self.conns.get_mut(&id)?;
        let xid = frame.xid();
        let refused = if let ClientFrame::Request { request, .. } = &frame
            && self.eager_check
        {
            eager::check(&self.settings, db, request, &conn.identities).err()
        } else {
            None
        };
        let mut login = None;
        let mut admitted = admit(&self.settings, conn, frame, &mut login);
        if let Some(login) = login
            && self.auditor.on
        {
            self.auditor.login(conn, login, out);
        }
        if let (Some(code), Waiting::Write { kept, .. }) = (refused, &admitted.0) {
            if self.auditor.on {
                let outcome = TxnOutcome::Failed(code.to_wire());
                self.auditor.write(conn, kept, Some(outcome), out);
            }
            let frame = encode_error(xid, NO_ZXID, code.to_wire());
            admitted = (Waiting::Known(frame), None);
        }
        let (waiting, what) = admitted;
        conn.deaf = matches!(waiting, Waiting::Last { .. } | Waiting::Close { .. });
        conn.queue.push_back(waiting);
        let submission = what.map(|what| Submission {
            conn: id,
            session: conn.session,
            xid,
            auth: conn.identities.to_vec(),
            what,
        });
        self.drain(db, id, out);
        submission
    }
}

/// Gives a frame its place, and what the leader has to see of it.
fn admit(
    settings: &AuthSettings,
    conn: &mut Conn,
    frame: ClientFrame,
    login: &mut Option<Login>,
) -> (Waiting, Option<Submitted>) {
    let xid = frame.xid();
    match frame {
        ClientFrame::Request {
            request: Request::Auth { scheme, auth },
            ..
        } => {
            let proven = auth::add(
                settings,
                scheme.as_deref(),
                auth.as_deref(),
                &conn.identities,
            );
            *login = Some(Login {
                scheme,
                proven: proven.as_ref().ok().cloned(),
            });
            (auth_packet(conn, xid, proven), None)
        }
        ClientFrame::Request {
            request: Request::Sasl { token },
            ..
        } => (sasl_token(settings, conn, xid, &token, login), None),
        ClientFrame::Undecodable {
            op: OpCode::Auth | OpCode::Sasl,
            ..
        } => {
            *login = Some(Login {
                scheme: None,
                proven: None,
            });
            let why = "credentials that do not decode";
            (Waiting::Last { frame: None, why }, None)
        }
        _ if !auth::is_enough(settings, &conn.identities) => {
            let code = ErrorCode::SessionClosedRequireSaslAuth;
            (last(xid, NO_ZXID, code, "authentication is required"), None)
        }
        ClientFrame::Throttled { .. } => {
            let code = ErrorCode::ThrottledOp;
            (Waiting::Error { xid, code }, None)
        }
        ClientFrame::Undecodable { op, body, .. } => undecodable(conn, xid, op, body),
        ClientFrame::WritesInMultiRead { .. } => {
            let code = ErrorCode::MarshallingError;
            (Waiting::MultiReadError { xid, code }, None)
        }
        ClientFrame::Unimplemented { .. } => {
            let code = ErrorCode::Unimplemented;
            (last(xid, UNKNOWN_ZXID, code, "unknown operation"), None)
        }
        ClientFrame::Request { request, body, .. } => admit_request(conn, xid, request, body),
    }
}

fn kept(conn: &Conn, op: OpCode, body: Bytes) -> Kept {
    let identities = Arc::clone(&conn.identities);
    Kept {
        op,
        body,
        identities,
    }
}

fn last(xid: Xid, zxid: i64, code: ErrorCode, why: &'static str) -> Waiting {
    let frame = Some(encode_error(xid, zxid, code.to_wire()));
    Waiting::Last { frame, why }
}

/// Some take their place among the writes even so, as in Apache.
fn undecodable(conn: &Conn, xid: Xid, op: OpCode, body: Bytes) -> (Waiting, Option<Submitted>) {
    if op == OpCode::Multi && has_null_acl(&body) {
        let code = ErrorCode::MarshallingError;
        return (Waiting::Error { xid, code }, None);
    }
    if op == OpCode::Multi || has_null_path(op, &body) {
        let kept = kept(conn, op, body.clone());
        let what = Submitted::Undecodable(op, body);
        return (Waiting::Write { xid, kept }, Some(what));
    }
    let code = ErrorCode::MarshallingError;
    (Waiting::Error { xid, code }, None)
}

/// Whether this is a multi of which nothing before a null ACL is wrong; it takes no zxid.
fn has_null_acl(body: &Bytes) -> bool {
    Request::decode(OpCode::Multi, body.clone(), body.len()).is_err_and(|why| why == NULL_ACL)
}

/// Whether this is a create or delete to which nothing is wrong but that its path is null: Apache
/// finds out only when the write has its zxid.
fn has_null_path(op: OpCode, body: &[u8]) -> bool {
    let is_of_a_child = matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
    );
    let Some(rest) = body.strip_prefix(&[0xff; 4]).filter(|_| is_of_a_child) else {
        return false;
    };
    let with_a_path = Bytes::from([&[0; 4], rest].concat());
    Request::decode(op, with_a_path, body.len()).is_ok()
}

fn admit_request(
    conn: &Conn,
    xid: Xid,
    request: Request,
    body: Bytes,
) -> (Waiting, Option<Submitted>) {
    let op = request.op();
    if op.is_write() {
        let kept = kept(conn, op, body.clone());
        let what = Submitted::Write(request, body);
        return (Waiting::Write { xid, kept }, Some(what));
    }
    if op == OpCode::CloseSession {
        return (Waiting::Close { xid }, Some(Submitted::Close));
    }
    if let Request::Sync { path } = request {
        let waiting = Waiting::Sync {
            xid,
            path,
            body: body.clone(),
            done: false,
        };
        return (waiting, Some(Submitted::Sync(body)));
    }
    let xid = if op == OpCode::Ping { PING_XID } else { xid };
    let identities = Arc::clone(&conn.identities);
    let read = Waiting::Read {
        xid,
        request,
        identities,
    };
    (read, None)
}

fn auth_packet(conn: &mut Conn, xid: Xid, proven: Result<Vec<Id>, auth::Refused>) -> Waiting {
    match proven {
        Ok(ids) => {
            conn.add_identities(ids);
            Waiting::Known(Response::Empty.encode(xid, NO_ZXID))
        }
        Err(auth::Refused::Told) => {
            last(xid, NO_ZXID, ErrorCode::AuthFailed, "authentication failed")
        }
        Err(auth::Refused::Untold) => {
            let why = "the client is of another ensemble";
            Waiting::Last { frame: None, why }
        }
    }
}

fn sasl_token(
    settings: &AuthSettings,
    conn: &mut Conn,
    xid: Xid,
    token: &[u8],
    login: &mut Option<Login>,
) -> Waiting {
    let ended = |proven| {
        Some(Login {
            scheme: Some("sasl".to_owned()),
            proven,
        })
    };
    let answer = |token| Waiting::Known(Response::Token(token).encode(xid, NO_ZXID));
    let (Some(exchange), Some(users)) = (&mut conn.sasl, &settings.sasl_users) else {
        return answer(None);
    };
    match exchange.step(token, users) {
        Ok(auth::Step::Challenge(challenge)) => answer(Some(challenge)),
        Ok(auth::Step::Proven {
            user,
            answer: token,
        }) => {
            let ids = auth::of_sasl_user(settings, &user);
            *login = ended(Some(ids.clone()));
            conn.add_identities(ids);
            answer(Some(token))
        }
        Err(why) => {
            tracing::debug!("session {}: {why}", conn.session);
            *login = ended(None);
            let required = settings.enforced_schemes.contains("sasl");
            if settings.allow_sasl_failed && !required {
                return answer(None);
            }
            let code = if required {
                ErrorCode::SessionClosedRequireSaslAuth
            } else {
                ErrorCode::AuthFailed
            };
            let frame = Some(encode_sasl_refusal(xid, code.to_wire()));
            let why = "SASL authentication failed";
            Waiting::Last { frame, why }
        }
    }
}
