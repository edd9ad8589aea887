//! Answers: to what waits for nothing more, and to what a transaction was waited for.

use bytes::Bytes;
use zk_wire::client::response::{encode_error, encode_multi_read_refusal};
use zk_wire::client::{ErrorCode, Request, Response};
use zk_wire::data::perms;
use zk_wire::txn::TxnHeader;
use zk_wire::{Id, SessionId, Xid};

use super::conn::Waiting;
use super::reply::{accepted, encode_outcome, says_moved};
use super::{Clients, Released};
use crate::db::{Change, Database, TxnOutcome};
use crate::io::{ConnId, Output, Outputs};
use crate::request::acl;
use crate::request::read::{Asker, read};
use crate::status::PeerEvent;
use crate::watch::{self, Mode, WatcherType};

impl Clients {
    /// Answers whatever at the front of the queue waits for nothing more.
    pub(super) fn drain(&mut self, db: &Database, id: ConnId, out: &mut Outputs) {
        let zxid = db.last_applied().to_wire();
        while let Some(conn) = self.conns.get_mut(&id) {
            match conn.queue.front() {
                Some(
                    Waiting::Read { .. }
                    | Waiting::Error { .. }
                    | Waiting::MultiReadError { .. }
                    | Waiting::CloseLocal { .. }
                    | Waiting::Known(_)
                    | Waiting::Last { .. }
                    | Waiting::Sync { done: true, .. },
                ) => {}
                Some(
                    Waiting::Connect
                    | Waiting::Write { .. }
                    | Waiting::Close { .. }
                    | Waiting::Sync { done: false, .. },
                )
                | None => return,
            }
            let session = conn.session;
            let frame = match conn.queue.pop_front() {
                Some(Waiting::Read {
                    xid,
                    request,
                    identities,
                }) => self.answer(db, id, session, &identities, xid, &request, out),
                Some(Waiting::Sync { xid, path, .. }) => Response::Sync(path).encode(xid, zxid),
                Some(Waiting::CloseLocal { xid }) => {
                    let frame = Response::Empty.encode(xid, zxid);
                    out.push(Output::ToClient { conn: id, frame });
                    self.close(id, "the session ended", out);
                    return;
                }
                Some(Waiting::Error {
                    code: ErrorCode::SessionMoved,
                    ..
                }) => {
                    self.close(id, "the session moved", out);
                    return;
                }
                Some(Waiting::Error { xid, code }) => encode_error(xid, zxid, code.to_wire()),
                Some(Waiting::MultiReadError { xid, code }) => {
                    encode_multi_read_refusal(xid, zxid, code.to_wire())
                }
                Some(Waiting::Known(frame)) => frame,
                Some(Waiting::Last { frame, why }) => {
                    out.extend(frame.map(|frame| Output::ToClient { conn: id, frame }));
                    self.close(id, why, out);
                    return;
                }
                Some(Waiting::Connect | Waiting::Write { .. } | Waiting::Close { .. }) | None => {
                    return;
                }
            };
            out.push(Output::ToClient { conn: id, frame });
        }
    }

    /// The oldest sync of a connection is through.
    pub(crate) fn synced(&mut self, db: &Database, id: ConnId, out: &mut Outputs) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let waiting = conn.queue.iter_mut().find_map(|w| {
            if let Waiting::Sync { done, .. } = w {
                Some(done).filter(|done| !**done)
            } else {
                None
            }
        });
        if let Some(done) = waiting {
            *done = true;
            self.drain(db, id, out);
        }
    }

    /// Whether a connection here acts for this session.
    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        self.by_session.contains_key(&session)
    }

    /// A transaction was applied: events first, then the reply of the one who asked, then the reads
    /// that waited for it. Gives the frames that a new session sent ahead.
    pub(crate) fn applied(
        &mut self,
        db: &Database,
        header: &TxnHeader,
        outcome: TxnOutcome,
        changes: &[Change],
        out: &mut Outputs,
    ) -> Option<Released> {
        for change in changes {
            self.tell(header, change, out);
        }
        let id = *self.by_session.get(&header.session)?;
        let ended = outcome == TxnOutcome::SessionClosed;
        let held = self.reply(db, id, header, outcome, out);
        if ended && self.conns.contains_key(&id) {
            self.close(id, "the session ended", out);
        }
        held
    }

    /// Tells of a change those who watch and may read.
    fn tell(&mut self, header: &TxnHeader, change: &Change, out: &mut Outputs) {
        for told in watch::fire(&mut self.watches, change) {
            out.push(Output::Event(PeerEvent::WatchesFired {
                kind: told.event.kind,
                count: told.conns.len() as u64,
            }));
            let frame = told.event.encode(Some(header.zxid));
            for id in told.conns {
                let may_read = self.conns.get(&id).is_some_and(|conn| {
                    let acl = told.acl.as_deref();
                    acl::permits(acl, perms::READ, &conn.identities, &self.settings)
                });
                if may_read {
                    let frame = frame.clone();
                    out.push(Output::ToClient { conn: id, frame });
                }
            }
        }
    }

    fn reply(
        &mut self,
        db: &Database,
        id: ConnId,
        header: &TxnHeader,
        outcome: TxnOutcome,
        out: &mut Outputs,
    ) -> Option<Released> {
        let conn = self.conns.get_mut(&id)?;
        let session_txn = matches!(
            outcome,
            TxnOutcome::SessionCreated | TxnOutcome::SessionClosed
        );
        let mine = match conn.queue.front() {
            Some(Waiting::Connect) => outcome == TxnOutcome::SessionCreated,
            Some(Waiting::Write { xid, .. }) => *xid == header.xid && !session_txn,
            Some(Waiting::Close { xid }) => {
                *xid == header.xid && outcome == TxnOutcome::SessionClosed
            }
            Some(
                Waiting::Sync { .. }
                | Waiting::Read { .. }
                | Waiting::Error { .. }
                | Waiting::MultiReadError { .. }
                | Waiting::CloseLocal { .. }
                | Waiting::Known(_)
                | Waiting::Last { .. },
            )
            | None => false,
        };
        let unseen = self.bugs.resubmit_without_looking() && conn.suspended.is_some();
        if !mine || unseen {
            if !session_txn && !unseen {
                self.doubt(id, header.xid, out);
            }
            return None;
        }
        let waited = conn.queue.pop_front();
        if let Some(Waiting::Write { kept, .. }) = &waited
            && self.auditor.on
        {
            self.auditor.write(conn, kept, Some(outcome.clone()), out);
        }
        if matches!(waited, Some(Waiting::Connect)) {
            conn.open = true;
            let frame = accepted(conn, false);
            out.push(Output::ToClient { conn: id, frame });
            return Some(Released::frames(id, self.held.take(&mut conn.held)));
        }
        if says_moved(&outcome) {
            self.close(id, "the session moved", out);
            return None;
        }
        let ended = outcome == TxnOutcome::SessionClosed;
        let frame = encode_outcome(header.xid, header.zxid, outcome);
        out.push(Output::ToClient { conn: id, frame });
        if !ended {
            self.drain(db, id, out);
        }
        None
    }

    /// Answers a request that takes no transaction.
    #[expect(clippy::too_many_arguments, reason = "one answer needs them all")]
    fn answer(
        &mut self,
        db: &Database,
        id: ConnId,
        session: SessionId,
        identities: &[Id],
        xid: Xid,
        request: &Request,
        out: &mut Outputs,
    ) -> Bytes {
        let zxid = db.last_applied().to_wire();
        if let Request::SetWatches(carried) = request {
            for event in watch::catch_up(&mut self.watches, db, id, carried) {
                let frame = event.encode(None);
                out.push(Output::ToClient { conn: id, frame });
            }
        }
        let reply = if let Some(reply) = self.answer_about_watches(id, request) {
            reply
        } else {
            let asker = Asker {
                session,
                identities,
                settings: &self.settings,
            };
            let outcome = read(db, asker, request);
            if let Some(wanted) = outcome.watch {
                self.watches
                    .add(id, wanted.registry, Mode::Standard, wanted.path);
            }
            outcome.reply
        };
        match reply {
            Ok(response) => response.encode(xid, zxid),
            Err(code) => encode_error(xid, zxid, code.to_wire()),
        }
    }

    /// The requests that only concern watches; `None`: not one of them.
    fn answer_about_watches(
        &mut self,
        id: ConnId,
        request: &Request,
    ) -> Option<Result<Response, ErrorCode>> {
        let of_type = |kind: &i32| WatcherType::from_wire(*kind).ok_or(ErrorCode::MarshallingError);
        let found = |found: bool| found.then_some(Response::Empty).ok_or(ErrorCode::NoWatcher);
        Some(if let Request::SetWatches(carried) = request {
            match carried.cut_short {
                true => Err(ErrorCode::MarshallingError),
                false => Ok(Response::Empty),
            }
        } else if let Request::AddWatch { path, mode } = request {
            let mode = Mode::from_wire(*mode).ok_or(ErrorCode::MarshallingError);
            mode.map(|mode| {
                self.watches.add_lasting(id, mode, path);
                Response::WatchAdded
            })
        } else if let Request::CheckWatches { path, kind } = request {
            of_type(kind).and_then(|kind| found(self.watches.has(id, kind, path)))
        } else if let Request::RemoveWatches { path, kind } = request {
            of_type(kind).and_then(|kind| found(self.watches.remove(id, kind, path)))
        } else {
            return None;
        })
    }
}
