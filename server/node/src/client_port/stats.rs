//! What is known about one connection, for `cons`, `stat` and the admin port.
//!
//! Source: `ServerCnxn` of Apache ZooKeeper 3.9. Replies leave in the order of their requests, so a
//! queue of what was asked tells which operation a reply belongs to.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zk_wire::client::{ConnectResponse, OpCode};

use crate::traces::Traced;

/// The numbers of one connection.
#[derive(Debug)]
pub struct ConnStats {
    established_ms: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each request without an answer, oldest first; as many as the gate lets in.
    asked: VecDeque<Asked>,
    session: Option<(i64, i32)>,
    last: Last,
    min_ms: Option<u64>,
    max_ms: u64,
    count: u64,
    total_ms: u64,
}

/// What is remembered of a request until its reply leaves.
#[derive(Debug)]
pub struct Asked {
    /// `None`: one that there is not, or none at all.
    pub operation: Option<OpCode>,
    xid: i64,
    /// More about it, where it is traced.
    pub traced: Option<Box<Traced>>,
}

#[derive(Debug, Clone)]
struct Last {
    operation: &'static str,
    cxid: i64,
    zxid: i64,
    response_ms: u64,
    latency_ms: u64,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            operation: "NA",
            cxid: -1,
            zxid: -1,
            response_ms: 0,
            latency_ms: 0,
        }
    }
}

/// What is shown of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnPicture {
    /// When it was accepted, epoch ms.
    pub established_ms: i64,
    /// Session and its time-out in ms; `None` before there is one.
    pub session: Option<(i64, i32)>,
    /// Operation of the last reply.
    pub last_operation: &'static str,
    /// xid of the last request that was answered; negative: not shown.
    pub last_cxid: i64,
    /// zxid of the last reply; -1: none yet.
    pub last_zxid: i64,
    /// When the last reply left, ms since the process began.
    pub last_response_ms: u64,
    /// What it took, ms.
    pub last_latency_ms: u64,
    /// The shortest, ms.
    pub min_latency_ms: u64,
    /// The mean, ms.
    pub avg_latency_ms: u64,
    /// The longest, ms.
    pub max_latency_ms: u64,
}

impl ConnStats {
    /// A connection that is accepted now.
    #[must_use]
    pub fn new(established_ms: i64) -> Self {
        Self {
            established_ms,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connect request came in; `renewal`: with a session.
    pub fn connect_asked(&self, renewal: bool) {
        // A session that comes back passes no pipeline, and leaves no operation behind.
        let operation = (!renewal).then_some(OpCode::CreateSession);
        self.lock().asked.push_back(Asked {
            operation,
            xid: 0,
            traced: None,
        });
    }

    /// A frame came in, of a request that is traced or not.
    pub fn asked(&self, frame: &[u8], traced: Option<Box<Traced>>) {
        let number = |at: usize| -> Option<i32> {
            let bytes = frame.get(at..at + 4)?;
            Some(i32::from_be_bytes(bytes.try_into().ok()?))
        };
        let operation = number(4).and_then(OpCode::from_wire);
        let xid = number(0).unwrap_or(-1);
        self.lock().asked.push_back(Asked {
            operation,
            xid: i64::from(xid),
            traced,
        });
    }

    /// A reply leaves; `zxid_applied` is this server's, for the replies that carry none.
    ///
    /// Returns what it answers; `None`: nothing was asked.
    pub fn replied(
        &self,
        frame: &bytes::Bytes,
        latency_ms: u64,
        now_ms: u64,
        zxid_applied: i64,
    ) -> Option<Asked> {
        let mut state = self.lock();
        let asked = state.asked.pop_front()?;
        let is_connect = state.session.is_none();
        if is_connect && let Ok(answer) = ConnectResponse::decode(frame.clone()) {
            state.session = Some((answer.session.0, answer.timeout_ms));
        }
        let Some(operation) = asked.operation else {
            return Some(asked);
        };
        let in_frame = frame.get(4..12).and_then(|b| b.try_into().ok());
        let zxid = match in_frame.map(i64::from_be_bytes) {
            Some(zxid) if !is_connect => zxid,
            _ => zxid_applied,
        };
        state.last = Last {
            operation: operation.short_name(),
            cxid: asked.xid,
            zxid,
            response_ms: now_ms,
            latency_ms,
        };
        state.count += 1;
        state.total_ms += latency_ms;
        state.max_ms = state.max_ms.max(latency_ms);
        state.min_ms = Some(state.min_ms.map_or(latency_ms, |min| min.min(latency_ms)));
        Some(asked)
    }

    /// Forgets what was measured (`crst`).
    pub fn reset(&self) {
        let mut state = self.lock();
        *state = State {
            asked: std::mem::take(&mut state.asked),
            session: state.session,
            ..State::default()
        };
    }

    /// What is shown.
    #[must_use]
    pub fn picture(&self) -> ConnPicture {
        let state = self.lock();
        ConnPicture {
            established_ms: self.established_ms,
            session: state.session,
            last_operation: state.last.operation,
            last_cxid: state.last.cxid,
            last_zxid: state.last.zxid,
            last_response_ms: state.last.response_ms,
            last_latency_ms: state.last.latency_ms,
            min_latency_ms: state.min_ms.unwrap_or(0),
            avg_latency_ms: state.total_ms.checked_div(state.count).unwrap_or(0),
            max_latency_ms: state.max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::SessionId;

    use super::*;

    fn reply(xid: i32, zxid: i64) -> Bytes {
        let mut frame = xid.to_be_bytes().to_vec();
        frame.extend_from_slice(&zxid.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.into()
    }

    #[test]
    fn replies_are_matched_with_their_requests() {
        let stats = ConnStats::new(77);
        stats.connect_asked(false);
        let answer = ConnectResponse {
            timeout_ms: 4000,
            session: SessionId(5),
            password: [0; 16],
            read_only: Some(false),
        };
        stats.replied(&answer.encode(), 3, 10, 9);
        let first = stats.picture();
        assert_eq!((first.session, first.last_zxid), (Some((5, 4000)), 9));
        assert_eq!((first.last_operation, first.last_cxid), ("SESS", 0));
        stats.asked(&[0, 0, 0, 7, 0, 0, 0, 4, 0], None);
        stats.replied(&reply(7, 11), 1, 20, 0);
        let p = stats.picture();
        assert_eq!(
            (p.last_operation, p.last_cxid, p.last_zxid),
            ("GETD", 7, 11)
        );
        assert_eq!(
            (p.min_latency_ms, p.avg_latency_ms, p.max_latency_ms),
            (1, 2, 3)
        );
        stats.reset();
        let p = stats.picture();
        assert_eq!(
            (p.last_operation, p.last_cxid, p.max_latency_ms),
            ("NA", -1, 0)
        );
        assert_eq!(p.session, Some((5, 4000)));
    }
}
