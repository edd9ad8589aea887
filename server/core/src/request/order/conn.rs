//! One connection: who is at its other end, and what it waits for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use zk_wire::client::{ErrorCode, OpCode, Request};
use zk_wire::{Id, SessionId, Xid};

use super::backlog::Backlog;
use crate::io::ConnId;
use crate::request::auth::DigestMd5;
use crate::time::Mono;

/// A write under way, as it was asked: what the next leader is asked in case it never came to be.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) op: OpCode,
    pub(super) body: Bytes,
    pub(super) identities: Arc<[Id]>,
}

/// What a connection waits for, oldest first.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The transaction that creates its session.
    Connect,
    /// A write of its own.
    Write { xid: Xid, kept: Kept },
    /// Its closeSession.
    Close { xid: Xid },
    /// Nothing but what is before it; then the end of a session that no other server knows.
    CloseLocal { xid: Xid },
    /// The leader's answer to a sync.
    Sync {
        xid: Xid,
        path: Option<String>,
        body: Bytes,
        done: bool,
    },
    /// Nothing but what is before it; asked by whoever the client was at that time.
    Read {
        xid: Xid,
        request: Request,
        identities: Arc<[Id]>,
    },
    /// Nothing but what is before it; then an error as of then.
    Error { xid: Xid, code: ErrorCode },
    /// Nothing but what is before it; then an error and the end of an empty list, as of then.
    MultiReadError { xid: Xid, code: ErrorCode },
    /// Nothing but what is before it; the answer is known.
    Known(Bytes),
    /// Nothing but what is before it; then the end, perhaps with a last word.
    Last {
        frame: Option<Bytes>,
        why: &'static str,
    },
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) session: SessionId,
    pub(super) timeout_ms: i32,
    /// Who the client is by now; grows with each auth.
    pub(super) identities: Arc<[Id]>,
    /// The exchange that proves a name; `None`: SASL is not configured.
    pub(super) sasl: Option<Box<DigestMd5>>,
    /// Mirrors the request's trailing byte in the response.
    pub(super) read_only: Option<bool>,
    /// Whether the session is settled; until then frames are held.
    pub(super) open: bool,
    /// Without a leader that knows the session: frames are held, and this is when the connection
    /// closes at last.
    pub(super) suspended: Option<Mono>,
    /// Whether the client is known to have come back on another connection.
    pub(super) moved: bool,
    /// Whether the last frame that counts has come: the end is in the queue.
    pub(super) deaf: bool,
    pub(super) held: Backlog,
    pub(super) queue: VecDeque<Waiting>,
}

impl Conn {
    /// Adds identities; the same one twice is one.
    pub(super) fn add_identities(&mut self, ids: impl IntoIterator<Item = Id>) {
        for id in ids {
            if !self.identities.contains(&id) {
                self.identities = self.identities.iter().cloned().chain([id]).collect();
            }
        }
    }
}

/// A request that the leader has to see.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) conn: ConnId,
    pub(crate) session: SessionId,
    pub(crate) xid: Xid,
    pub(crate) auth: Vec<Id>,
    pub(crate) what: Submitted,
}

/// What is submitted.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// A write, and its body as the client sent it.
    Write(Request, Bytes),
    /// A write that cannot be carried out, but takes its place among the others; and its body.
    Undecodable(OpCode, Bytes),
    /// closeSession.
    Close,
    /// sync.
    Sync(Bytes),
}
