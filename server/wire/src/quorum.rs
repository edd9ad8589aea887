//! Leader <-> learner packets (`QuorumPacket`) as an enum.
//!
//! On the wire: `int type, long zxid, buffer data, vector<Id> authinfo`, back to back without an
//! outer length. Null data and null authinfo make 20 bytes.

mod records;

use bytes::{Bytes, BytesMut};

use crate::data::Id;
use crate::error::DecodeError;
use crate::ids::{Epoch, SessionId, Sid, Zxid};
use crate::jute::{Reader, Writer};
pub use records::{ForwardedRequest, HandOver, LearnerInfo, PROTOCOL_VERSION};

/// Number of [`Packet::HandOver`]; Apache has none above 19.
const HAND_OVER: i32 = 1101;

/// A packet between leader and learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// 1: learner to leader.
    Request(ForwardedRequest),
    /// 2: an encoded transaction.
    Proposal {
        /// Its zxid.
        zxid: Zxid,
        /// The transaction, encoded.
        txn: Bytes,
    },
    /// 3: durable at the sender.
    Ack(Zxid),
    /// 4: durable on a quorum.
    Commit(Zxid),
    /// 5 from the leader.
    Ping {
        /// Leader's last proposal.
        zxid: Zxid,
    },
    /// 5 from a learner: never without data, at which Apache's leader would stumble.
    PingReply {
        /// Copied from the ping.
        zxid: Zxid,
        /// Sessions that showed life since the last ping: id, time-out in ms.
        touched: Vec<(SessionId, i32)>,
    },
    /// 6 from a learner: does this session live, and may it move to me?
    Revalidate {
        /// Which.
        session: SessionId,
        /// The client's time-out, ms.
        timeout_ms: i32,
    },
    /// 6 from the leader.
    Revalidated {
        /// Which.
        session: SessionId,
        /// The answer.
        valid: bool,
    },
    /// 7: the oldest sync of this learner is through.
    Sync,
    /// 8: a committed transaction, to observers.
    Inform {
        /// Its zxid.
        zxid: Zxid,
        /// The transaction, encoded.
        txn: Bytes,
    },
    /// 9: the config of this transaction is in force from here on.
    CommitAndActivate {
        /// zxid of the reconfiguration.
        zxid: Zxid,
        /// Who leads from here on.
        leader: Sid,
    },
    /// 10: end of the history; from here a new epoch.
    NewLeader {
        /// The epoch, counter 0.
        zxid: Zxid,
        /// Text of the leader's config.
        config: Option<Bytes>,
    },
    /// 11.
    FollowerInfo(LearnerInfo),
    /// 12: serve.
    UpToDate,
    /// 13: what follows continues the learner's history; the zxid is information only.
    Diff(Zxid),
    /// 14: cut the log behind this zxid.
    Trunc(Zxid),
    /// 15: a snapshot stream follows.
    Snap(Zxid),
    /// 16.
    ObserverInfo(LearnerInfo),
    /// 17: the epoch to come.
    LeaderInfo(Epoch),
    /// 18: the learner's last zxid and current epoch; `None` when it accepted that epoch before.
    AckEpoch {
        /// Last logged.
        last_zxid: Zxid,
        /// Epoch of the last leader that it acknowledged.
        current_epoch: Option<Epoch>,
    },
    /// 1101, ours: passing on the lead.
    HandOver(HandOver),
    /// 19: 9 for observers, with the transaction.
    InformAndActivate {
        /// zxid of the reconfiguration.
        zxid: Zxid,
        /// Who leads from here on.
        leader: Sid,
        /// The transaction, encoded.
        txn: Bytes,
    },
    /// Anything else, which both sides ignore outside of the handshake.
    Unknown {
        /// The number on the wire.
        kind: i32,
    },
}

/// Which side's packets are read: PING and REVALIDATE differ by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Read by a learner.
    Leader,
    /// Read by the leader.
    Learner,
}

fn epoch_of(raw: i32) -> Option<Epoch> {
    u32::try_from(raw).ok().map(Epoch)
}

impl Packet {
    /// Writes the packet.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (kind, zxid, data, auth) = self.parts();
        let mut w = Writer::with_capacity(20 + data.as_ref().map_or(0, Bytes::len));
        w.i32(kind);
        w.i64(zxid);
        w.buffer(data.as_deref());
        match auth {
            None => w.i32(-1),
            Some(ids) => {
                w.count(ids.len());
                for id in ids {
                    id.encode(&mut w);
                }
            }
        }
        w.into_bytes()
    }

    #[expect(clippy::too_many_lines, reason = "one arm per packet")]
    fn parts(&self) -> (i32, i64, Option<Bytes>, Option<&[Id]>) {
        let simple = |kind, zxid: Zxid| (kind, zxid.to_wire(), None, None);
        match self {
            Self::Request(request) => (1, -1, Some(request.encode()), Some(&request.auth)),
            Self::Proposal { zxid, txn } => (2, zxid.to_wire(), Some(txn.clone()), None),
            Self::Ack(zxid) => simple(3, *zxid),
            Self::Commit(zxid) => simple(4, *zxid),
            Self::Ping { zxid } => simple(5, *zxid),
            Self::PingReply { zxid, touched } => {
                (5, zxid.to_wire(), Some(encode_touched(touched)), None)
            }
            Self::Revalidate {
                session,
                timeout_ms,
            } => {
                let mut w = Writer::with_capacity(12);
                w.i64(session.0);
                w.i32(*timeout_ms);
                (6, -1, Some(w.into_bytes()), None)
            }
            Self::Revalidated { session, valid } => {
                let mut w = Writer::with_capacity(9);
                w.i64(session.0);
                w.bool(*valid);
                (6, -1, Some(w.into_bytes()), None)
            }
            Self::Sync => simple(7, Zxid::ZERO),
            Self::Inform { zxid, txn } => (8, zxid.to_wire(), Some(txn.clone()), None),
            Self::CommitAndActivate { zxid, leader } => {
                let data = Bytes::copy_from_slice(&leader.0.to_be_bytes());
                (9, zxid.to_wire(), Some(data), None)
            }
            Self::NewLeader { zxid, config } => (10, zxid.to_wire(), config.clone(), None),
            Self::FollowerInfo(info) => (
                11,
                Zxid::new(info.accepted_epoch, 0).to_wire(),
                Some(info.encode()),
                None,
            ),
            Self::UpToDate => (12, -1, None, None),
            Self::Diff(zxid) => simple(13, *zxid),
            Self::Trunc(zxid) => simple(14, *zxid),
            Self::Snap(zxid) => simple(15, *zxid),
            Self::ObserverInfo(info) => (
                16,
                Zxid::new(info.accepted_epoch, 0).to_wire(),
                Some(info.encode()),
                None,
            ),
            Self::LeaderInfo(epoch) => {
                let version = Bytes::copy_from_slice(&PROTOCOL_VERSION.to_be_bytes());
                (17, Zxid::new(*epoch, 0).to_wire(), Some(version), None)
            }
            Self::AckEpoch {
                last_zxid,
                current_epoch,
            } => {
                let epoch = current_epoch.map_or(-1, |e| e.0.cast_signed());
                let data = Bytes::copy_from_slice(&epoch.to_be_bytes());
                (18, last_zxid.to_wire(), Some(data), None)
            }
            Self::HandOver(step) => {
                let (zxid, data) = step.parts();
                (HAND_OVER, zxid.to_wire(), Some(data), None)
            }
            Self::InformAndActivate { zxid, leader, txn } => {
                let mut w = Writer::with_capacity(8 + txn.len());
                w.i64(leader.0);
                w.raw(txn);
                (19, zxid.to_wire(), Some(w.into_bytes()), None)
            }
            Self::Unknown { kind } => simple(*kind, Zxid::ZERO),
        }
    }

    /// Takes one packet off the front of `buf`; `None` when more bytes are needed.
    ///
    /// # Errors
    /// A length above `field_len_max`, or data that does not fit the type: the link must close.
    pub fn take(
        buf: &mut BytesMut,
        side: From,
        field_len_max: usize,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(len) = packet_len(buf, field_len_max)? else {
            return Ok(None);
        };
        let mut r = Reader::new(buf.split_to(len).freeze(), field_len_max);
        let kind = r.i32()?;
        let zxid = Zxid::from_wire(r.i64()?);
        let data = r.buffer()?;
        let auth = r.vector(Id::decode)?;
        Self::from_parts(side, kind, zxid, data, auth).map(Some)
    }

    fn from_parts(
        side: From,
        kind: i32,
        zxid: Zxid,
        data: Option<Bytes>,
        auth: Option<Vec<Id>>,
    ) -> Result<Self, DecodeError> {
        let required = || data.clone().ok_or(DecodeError::Null("packet data"));
        let reader = || required().map(Reader::unlimited);
        Ok(match (kind, side) {
            (1, _) => Self::Request(ForwardedRequest::decode(reader()?, auth)?),
            (2, _) => Self::Proposal {
                zxid,
                txn: required()?,
            },
            (3, _) => Self::Ack(zxid),
            (4, _) => Self::Commit(zxid),
            (5, From::Leader) => Self::Ping { zxid },
            (5, From::Learner) => Self::PingReply {
                zxid,
                touched: decode_touched(data)?,
            },
            (6, From::Learner) => {
                let mut r = reader()?;
                Self::Revalidate {
                    session: SessionId(r.i64()?),
                    timeout_ms: r.i32()?,
                }
            }
            (6, From::Leader) => {
                let mut r = reader()?;
                Self::Revalidated {
                    session: SessionId(r.i64()?),
                    valid: r.bool()?,
                }
            }
            (7, _) => Self::Sync,
            (8, _) => Self::Inform {
                zxid,
                txn: required()?,
            },
            (9, From::Leader) => Self::CommitAndActivate {
                zxid,
                leader: Sid(reader()?.i64()?),
            },
            (10, _) => Self::NewLeader { zxid, config: data },
            (11, _) => Self::FollowerInfo(LearnerInfo::decode(zxid, reader()?)?),
            (12, _) => Self::UpToDate,
            (13, _) => Self::Diff(zxid),
            (14, _) => Self::Trunc(zxid),
            (15, _) => Self::Snap(zxid),
            (16, _) => Self::ObserverInfo(LearnerInfo::decode(zxid, reader()?)?),
            (17, _) => {
                reader()?.i32()?;
                Self::LeaderInfo(zxid.epoch())
            }
            (18, _) => Self::AckEpoch {
                last_zxid: zxid,
                current_epoch: epoch_of(reader()?.i32()?),
            },
            (HAND_OVER, _) => match HandOver::decode(zxid, reader()?)? {
                Some(step) => Self::HandOver(step),
                None => Self::Unknown { kind },
            },
            (19, From::Leader) => {
                let mut r = reader()?;
                Self::InformAndActivate {
                    zxid,
                    leader: Sid(r.i64()?),
                    txn: r.into_rest(),
                }
            }
            _ => Self::Unknown { kind },
        })
    }
}

/// Length of the packet at the front of `buf`, once all of it is there.
fn packet_len(buf: &[u8], field_len_max: usize) -> Result<Option<usize>, DecodeError> {
    let int_at = |at: usize| -> Option<i32> {
        buf.get(at..)?
            .first_chunk::<4>()
            .map(|raw| i32::from_be_bytes(*raw))
    };
    let length = |raw: i32| -> Result<usize, DecodeError> {
        if raw == -1 {
            return Ok(0);
        }
        usize::try_from(raw)
            .ok()
            .filter(|n| *n <= field_len_max)
            .ok_or(DecodeError::UnreasonableLength(i64::from(raw)))
    };
    let Some(data_len) = int_at(12) else {
        return Ok(None);
    };
    let mut at = 16 + length(data_len)?;
    let Some(ids) = int_at(at) else {
        return Ok(None);
    };
    at += 4;
    // Each identity takes at least its two length words, so this many fit into the limit at most.
    if ids > 0 && length(ids)? > field_len_max / 8 {
        return Err(DecodeError::UnreasonableLength(i64::from(ids)));
    }
    for _ in 0..ids.max(0).cast_unsigned() * 2 {
        let Some(len) = int_at(at) else {
            return Ok(None);
        };
        at += 4 + length(len)?;
        if at > 2 * field_len_max + 20 {
            return Err(DecodeError::Invalid(
                "identities above the packet limit".into(),
            ));
        }
    }
    Ok((buf.len() >= at).then_some(at))
}

fn encode_touched(touched: &[(SessionId, i32)]) -> Bytes {
    let mut w = Writer::with_capacity(touched.len() * 12);
    for (session, timeout_ms) in touched {
        w.i64(session.0);
        w.i32(*timeout_ms);
    }
    w.into_bytes()
}

fn decode_touched(data: Option<Bytes>) -> Result<Vec<(SessionId, i32)>, DecodeError> {
    let mut r = Reader::unlimited(data.unwrap_or_default());
    let mut touched = Vec::with_capacity(r.remaining() / 12);
    while r.remaining() > 0 {
        touched.push((SessionId(r.i64()?), r.i32()?));
    }
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Xid;

    fn round_trip(packet: Packet, side: From) {
        let raw = packet.encode();
        let mut buf = BytesMut::new();
        for (i, byte) in raw.iter().enumerate() {
            assert_eq!(
                Packet::take(&mut buf, side, 4096),
                Ok(None),
                "{packet:?} at {i}"
            );
            buf.extend_from_slice(&[*byte]);
        }
        assert_eq!(Packet::take(&mut buf, side, 4096), Ok(Some(packet)));
        assert!(buf.is_empty());
    }

    #[test]
    fn packets_survive_a_round_trip_byte_by_byte() {
        let z = Zxid::new(Epoch(1), 2);
        let info = LearnerInfo {
            accepted_epoch: Epoch(3),
            sid: Sid(1),
            config_version: 0x1_0000_0000,
            hands_over: false,
        };
        let request = ForwardedRequest {
            session: SessionId(5),
            xid: Xid(1),
            op: 1,
            body: Bytes::from_static(b"body"),
            auth: vec![Id::new("ip", "127.0.0.1")],
        };
        let txn = Bytes::from_static(b"txn");
        for packet in [
            Packet::Request(request),
            Packet::Proposal {
                zxid: z,
                txn: txn.clone(),
            },
            Packet::Ack(z),
            Packet::Commit(z),
            Packet::PingReply {
                zxid: z,
                touched: vec![(SessionId(1), 2)],
            },
            Packet::PingReply {
                zxid: z,
                touched: vec![],
            },
            Packet::Revalidate {
                session: SessionId(1),
                timeout_ms: 4,
            },
            Packet::FollowerInfo(info.clone()),
            Packet::ObserverInfo(info),
            Packet::AckEpoch {
                last_zxid: z,
                current_epoch: Some(Epoch(0)),
            },
            Packet::AckEpoch {
                last_zxid: z,
                current_epoch: None,
            },
        ] {
            round_trip(packet, From::Learner);
        }
        for packet in [
            Packet::Ping { zxid: z },
            Packet::Revalidated {
                session: SessionId(1),
                valid: true,
            },
            Packet::Sync,
            Packet::Inform { zxid: z, txn },
            Packet::NewLeader {
                zxid: z,
                config: None,
            },
            Packet::UpToDate,
            Packet::Diff(z),
            Packet::Trunc(z),
            Packet::Snap(z),
            Packet::LeaderInfo(Epoch(1)),
        ] {
            round_trip(packet, From::Leader);
        }
    }

    #[test]
    fn a_ping_is_answered_with_data_even_if_there_is_none() {
        let zxid = Zxid::from_u64(7);
        let raw = Packet::PingReply {
            zxid,
            touched: vec![],
        }
        .encode();
        assert_eq!(raw.get(12..16), Some(&[0; 4][..]));
        let raw = Packet::Ping { zxid }.encode();
        assert_eq!(raw.get(12..16), Some(&[0xff; 4][..]));
    }

    #[test]
    fn hostile_lengths_are_refused_before_the_bytes_arrive() {
        for len in [-2, 4097, i32::MAX] {
            let mut w = Writer::new();
            w.i32(2);
            w.i64(1);
            w.i32(len);
            let mut buf = BytesMut::from(w.into_bytes().as_ref());
            assert!(Packet::take(&mut buf, From::Leader, 4096).is_err(), "{len}");
        }
        let mut w = Writer::new();
        w.i32(2);
        w.i64(1);
        w.i32(-1);
        w.i32(i32::MAX);
        let mut buf = BytesMut::from(w.into_bytes().as_ref());
        assert!(Packet::take(&mut buf, From::Leader, 4096).is_err());
    }
}
