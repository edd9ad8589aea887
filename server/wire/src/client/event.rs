//! Watch notifications (`WatcherEvent`), sent with xid -1.

use bytes::Bytes;

use crate::client::response::ReplyHeader;
use crate::error::DecodeError;
use crate::ids::{Xid, Zxid};
use crate::jute::{Reader, Writer};

/// The xid of a notification.
pub const EVENT_XID: Xid = Xid(-1);

/// `SyncConnected`, the only state that a server sends.
const STATE_SYNC_CONNECTED: i32 = 3;

/// What happened to the watched path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// The node appeared.
    NodeCreated,
    /// The node went.
    NodeDeleted,
    /// Its data was set.
    NodeDataChanged,
    /// A child came or went.
    NodeChildrenChanged,
}

impl EventKind {
    fn to_wire(self) -> i32 {
        match self {
            Self::NodeCreated => 1,
            Self::NodeDeleted => 2,
            Self::NodeDataChanged => 3,
            Self::NodeChildrenChanged => 4,
        }
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which path.
    pub path: String,
}

impl WatcherEvent {
    /// Writes header and record; `zxid` is the transaction's, or `None` for a catch-up event.
    #[must_use]
    pub fn encode(&self, zxid: Option<Zxid>) -> Bytes {
        let mut w = Writer::with_capacity(28 + self.path.len());
        let zxid = zxid.map_or(-1, Zxid::to_wire);
        ReplyHeader {
            xid: EVENT_XID,
            zxid,
            err: 0,
        }
        .encode(&mut w);
        w.i32(self.kind.to_wire());
        w.i32(STATE_SYNC_CONNECTED);
        w.java_string(&self.path);
        w.into_bytes()
    }

    /// Reads the record that follows a header with xid -1, for clients.
    ///
    /// # Errors
    /// Bytes that are no such record.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let number = r.i32()?;
        let _state = r.i32()?;
        let kind = match number {
            1 => EventKind::NodeCreated,
            2 => EventKind::NodeDeleted,
            3 => EventKind::NodeDataChanged,
            4 => EventKind::NodeChildrenChanged,
            _ => {
                return Err(DecodeError::UnknownType {
                    what: "event",
                    number: number.into(),
                });
            }
        };
        Ok(Self {
            kind,
            path: r.string_required("path")?,
        })
    }
}
