//! What is known of a request that is traced.

use std::net::SocketAddr;
use std::time::Duration;

use zk_core::ClientFrame;
use zk_wire::client::{ErrorCode, OpCode};

use super::writes::WriteTimes;
use crate::client_port::Client;

/// A request under way. Times are since the start of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// What it wants; `None`: something that there is not.
    pub operation: Option<OpCode>,
    /// The node that it is about.
    pub path: Option<String>,
    /// The client's number.
    pub xid: i32,
    /// When it had come in.
    pub came: Duration,
    /// When no limit held it back any more.
    pub admitted: Duration,
}

impl Traced {
    /// One that comes in now.
    #[must_use]
    pub fn new(frame: &ClientFrame, now: Duration) -> Self {
        let (operation, path) = match frame {
            ClientFrame::Request { request, .. } => (Some(request.op()), request.path()),
            ClientFrame::Undecodable { op, .. } => (Some(*op), None),
            ClientFrame::WritesInMultiRead { .. } => (Some(OpCode::MultiRead), None),
            ClientFrame::Unimplemented { .. } | ClientFrame::Throttled { .. } => (None, None),
        };
        Self {
            operation,
            path: path.map(str::to_owned),
            xid: frame.xid().0,
            came: now,
            admitted: now,
        }
    }
}

/// A request whose reply leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What is known from before.
    pub asked: Traced,
    /// Whose.
    pub session: Option<i64>,
    /// From where.
    pub address: SocketAddr,
    /// When, since the start of the process.
    pub at: Duration,
    /// zxid of the reply.
    pub zxid: i64,
    /// Why it failed, by its number; 0: it did not.
    pub error: i32,
    /// Of a write: its way through the log.
    pub write: Option<WriteTimes>,
}

impl Answered {
    /// The reply `frame` leaves for `client`.
    #[must_use]
    pub fn new(asked: Traced, client: &Client, frame: &[u8], at: Duration) -> Self {
        let (zxid, error) = outcome(frame).unwrap_or_default();
        Self {
            asked,
            session: client.stats.picture().session.map(|(id, _)| id),
            address: client.address,
            at,
            zxid,
            error,
            write: None,
        }
    }

    /// Name of the error; the number of one without a name.
    #[must_use]
    pub fn error_name(&self) -> Option<String> {
        let name = || match ErrorCode::from_wire(self.error) {
            Some(code) => code.name().to_owned(),
            None => self.error.to_string(),
        };
        (self.error != 0).then(name)
    }
}

/// zxid and error of a reply's frame; `None` where it has none.
fn outcome(frame: &[u8]) -> Option<(i64, i32)> {
    let zxid = frame.get(4..12)?.try_into().ok()?;
    let error = frame.get(12..16)?.try_into().ok()?;
    Some((i64::from_be_bytes(zxid), i32::from_be_bytes(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_tells_its_zxid_and_its_error() {
        let mut frame = vec![0, 0, 0, 7];
        frame.extend_from_slice(&9_i64.to_be_bytes());
        assert_eq!(outcome(&frame), None);
        frame.extend_from_slice(&(-101_i32).to_be_bytes());
        assert_eq!(outcome(&frame), Some((9, -101)));
    }
}
