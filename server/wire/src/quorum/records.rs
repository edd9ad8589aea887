//! Records in packets between leader and learner.

use bytes::Bytes;

use crate::data::Id;
use crate::error::DecodeError;
use crate::ids::{Epoch, SessionId, Sid, Xid, Zxid};
use crate::jute::{Reader, Writer};

/// Protocol version in FOLLOWERINFO, OBSERVERINFO and LEADERINFO.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// A learner introduces itself (`LearnerInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Highest epoch that it promised to follow.
    pub accepted_epoch: Epoch,
    /// Who.
    pub sid: Sid,
    /// Version of its committed config.
    pub config_version: i64,
    /// Whether it understands [`super::Packet::HandOver`]: a blob behind what Apache reads.
    pub hands_over: bool,
}

/// Marks what a server of ours can do, behind what Apache reads of a record.
const CAPABILITIES_MAGIC: i32 = 0x5152_5431;

/// It understands [`super::Packet::HandOver`].
const HANDS_OVER: i32 = 1;

/// Passing on the lead; only said to servers that announced to understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// Leader to successor: lead next, if this is the end of your history.
    Offer(Zxid),
    /// Successor to leader: it leads from here on.
    Accepted,
    /// Successor to leader: it will not.
    Refused,
    /// Leader to learner: this one leads from here on.
    Follow(Sid),
    /// Learner to leader: it is about to stop.
    Leaves,
    /// Leader to learner: a quorum follows without it.
    MayLeave,
    /// Leader to learner: this session acts through another server now.
    Moved(SessionId),
    /// Leader to learner: the config that it commits next names another leader. It commits nothing
    /// after that and serves nobody any more.
    GivesUp,
}

impl HandOver {
    pub(super) fn parts(self) -> (Zxid, Bytes) {
        let (zxid, step, sid) = match self {
            Self::Offer(zxid) => (zxid, 1, 0),
            Self::Accepted => (Zxid::ZERO, 2, 0),
            Self::Refused => (Zxid::ZERO, 3, 0),
            Self::Follow(sid) => (Zxid::ZERO, 4, sid.0),
            Self::Leaves => (Zxid::ZERO, 5, 0),
            Self::MayLeave => (Zxid::ZERO, 6, 0),
            Self::Moved(session) => (Zxid::ZERO, 7, session.0),
            Self::GivesUp => (Zxid::ZERO, 8, 0),
        };
        let mut w = Writer::with_capacity(12);
        w.i32(step);
        w.i64(sid);
        (zxid, w.into_bytes())
    }

    pub(super) fn decode(zxid: Zxid, mut r: Reader) -> Result<Option<Self>, DecodeError> {
        let (step, sid) = (r.i32()?, Sid(r.i64()?));
        Ok(match step {
            1 => Some(Self::Offer(zxid)),
            2 => Some(Self::Accepted),
            3 => Some(Self::Refused),
            4 => Some(Self::Follow(sid)),
            5 => Some(Self::Leaves),
            6 => Some(Self::MayLeave),
            7 => Some(Self::Moved(SessionId(sid.0))),
            8 => Some(Self::GivesUp),
            _ => None,
        })
    }
}

/// A request that a learner forwards for its client, or makes for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// Whose.
    pub session: SessionId,
    /// The client's number; 0 when the server made it.
    pub xid: Xid,
    /// Operation number.
    pub op: i32,
    /// The request record, byte for byte as the client sent it.
    pub body: Bytes,
    /// Identities of the connection.
    pub auth: Vec<Id>,
}

impl LearnerInfo {
    pub(super) fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(20);
        w.i64(self.sid.0);
        w.i32(PROTOCOL_VERSION);
        w.i64(self.config_version);
        if self.hands_over {
            w.i32(CAPABILITIES_MAGIC);
            w.i32(HANDS_OVER);
        }
        w.into_bytes()
    }

    pub(super) fn decode(zxid: Zxid, mut r: Reader) -> Result<Self, DecodeError> {
        let sid = Sid(r.i64()?);
        let version = r.i32()?;
        if version < PROTOCOL_VERSION {
            return Err(DecodeError::Invalid(format!(
                "learner protocol version {version:#x}"
            )));
        }
        let config_version = if r.remaining() >= 8 { r.i64()? } else { 0 };
        let hands_over =
            r.remaining() >= 8 && r.i32()? == CAPABILITIES_MAGIC && r.i32()? & HANDS_OVER != 0;
        Ok(Self {
            accepted_epoch: zxid.epoch(),
            sid,
            config_version,
            hands_over,
        })
    }
}

impl ForwardedRequest {
    pub(super) fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(16 + self.body.len());
        w.i64(self.session.0);
        w.i32(self.xid.0);
        w.i32(self.op);
        w.raw(&self.body);
        w.into_bytes()
    }

    pub(super) fn decode(mut r: Reader, auth: Option<Vec<Id>>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: SessionId(r.i64()?),
            xid: Xid(r.i32()?),
            op: r.i32()?,
            body: r.into_rest(),
            auth: auth.unwrap_or_default(),
        })
    }
}
