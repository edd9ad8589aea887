//! Notifications and the connect header of the election port (`QuorumCnxManager`,
//! `FastLeaderElection`).

use bytes::{Buf, Bytes, BytesMut};

use crate::error::DecodeError;
use crate::ids::{Epoch, Round, Sid, Zxid};
use crate::jute::{Reader, Writer};

/// Largest message on an election connection, bytes (`PACKETMAXSIZE`).
pub const MESSAGE_LEN_MAX: usize = 512 * 1024;

/// Largest address list in the initial message, bytes.
pub const ADDRESS_LEN_MAX: usize = 2048;

const VERSION_1: i64 = -65536;
const VERSION_2: i64 = -65535;
const NOTIFICATION_VERSION: i32 = 2;

/// Server state as election messages carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerState {
    /// Without a leader.
    Looking,
    /// Voter with a leader.
    Following,
    /// The leader.
    Leading,
    /// Non-voter with a leader.
    Observing,
}

impl ServerState {
    fn from_wire(n: i32) -> Option<Self> {
        [
            Self::Looking,
            Self::Following,
            Self::Leading,
            Self::Observing,
        ]
        .get(usize::try_from(n).ok()?)
        .copied()
    }

    fn to_wire(self) -> i32 {
        match self {
            Self::Looking => 0,
            Self::Following => 1,
            Self::Leading => 2,
            Self::Observing => 3,
        }
    }
}

/// A vote: who should lead, and the history that makes it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireVote {
    /// Proposed leader; `None`: a server that may not vote proposes nobody.
    pub leader: Option<Sid>,
    /// Its last zxid; `None` when its database may be incomplete or there is no leader.
    pub zxid: Option<Zxid>,
    /// Its current epoch; `None` as above.
    pub epoch: Option<Epoch>,
}

/// One message of the election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Sender's state.
    pub state: ServerState,
    /// Its vote.
    pub vote: WireVote,
    /// Its round, or the round of the election that chose its leader.
    pub round: Round,
    /// Text of its committed config; `None` from servers older than 3.5.
    pub config: Option<String>,
}

impl Notification {
    /// Writes the message body, without the frame length.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let config = self.config.as_deref().unwrap_or_default();
        let mut w = Writer::with_capacity(44 + config.len());
        w.i32(self.state.to_wire());
        w.i64(self.vote.leader.map_or(i64::MIN, |sid| sid.0));
        w.i64(match (self.vote.leader, self.vote.zxid) {
            (_, Some(zxid)) => zxid.to_wire(),
            (Some(_), None) => -1,
            (None, None) => i64::MIN,
        });
        w.i64(self.round.0);
        w.i64(match (self.vote.leader, self.vote.epoch) {
            (_, Some(epoch)) => i64::from(epoch.0),
            // A leader that was designated has no epoch yet.
            (Some(_), None) => -1,
            (None, None) => i64::MIN,
        });
        w.i32(NOTIFICATION_VERSION);
        w.string(config);
        w.into_bytes()
    }

    /// Reads a message body of any version.
    ///
    /// # Errors
    /// Bytes to be ignored: too short, cut, or with an unknown state.
    pub fn decode(body: Bytes) -> Result<Self, DecodeError> {
        let total = body.len();
        let mut r = Reader::unlimited(body);
        let state_no = r.i32()?;
        let leader = Some(r.i64()?).filter(|sid| *sid != i64::MIN).map(Sid);
        let zxid = Some(r.i64()?).filter(|z| *z >= 0).map(Zxid::from_wire);
        let round = Round(r.i64()?);
        let epoch = if total == 28 {
            zxid.map(Zxid::epoch)
        } else {
            u32::try_from(r.i64()?).ok().map(Epoch)
        };
        let version = if total > 40 { r.i32()? } else { 0 };
        let config = if version >= NOTIFICATION_VERSION {
            Some(r.string_required("config")?)
        } else {
            None
        };
        let state = ServerState::from_wire(state_no).ok_or(DecodeError::UnknownType {
            what: "server state",
            number: i64::from(state_no),
        })?;
        Ok(Self {
            state,
            vote: WireVote {
                leader,
                zxid,
                epoch,
            },
            round,
            config,
        })
    }
}

/// The first bytes from the server that dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMessage {
    /// Who dials.
    pub sid: Sid,
    /// Where it can be dialed back, `host:port`; empty from very old servers.
    pub addresses: Vec<String>,
}

impl InitialMessage {
    /// Writes version 1, which every server since 3.5 understands. Send it in one write.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let text = self.addresses.join("|");
        let mut w = Writer::with_capacity(20 + text.len());
        w.i64(VERSION_1);
        w.i64(self.sid.0);
        w.string(&text);
        w.into_bytes()
    }

    /// Takes the message off the front of `buf`; `None` when more bytes are needed.
    ///
    /// # Errors
    /// Another version, or a bad length or address: close.
    pub fn take(buf: &mut BytesMut) -> Result<Option<Self>, DecodeError> {
        let long_at = |at: usize| -> Option<i64> {
            buf.get(at..)?
                .first_chunk::<8>()
                .map(|raw| i64::from_be_bytes(*raw))
        };
        let Some(version) = long_at(0) else {
            return Ok(None);
        };
        if version >= 0 {
            buf.advance(8);
            return Ok(Some(Self {
                sid: Sid(version),
                addresses: Vec::new(),
            }));
        }
        if version != VERSION_1 && version != VERSION_2 {
            return Err(DecodeError::UnknownType {
                what: "election protocol",
                number: version,
            });
        }
        let Some(sid) = long_at(8) else {
            return Ok(None);
        };
        let Some(raw_len) = buf.get(16..).and_then(|b| b.first_chunk::<4>()) else {
            return Ok(None);
        };
        let announced = i32::from_be_bytes(*raw_len);
        let len = usize::try_from(announced)
            .ok()
            .filter(|n| (1..=ADDRESS_LEN_MAX).contains(n))
            .ok_or(DecodeError::UnreasonableLength(i64::from(announced)))?;
        if buf.len() < 20 + len {
            return Ok(None);
        }
        buf.advance(20);
        let raw = buf.split_to(len);
        let text = std::str::from_utf8(&raw)
            .map_err(|_| DecodeError::Invalid("an address that is not UTF-8".into()))?;
        let addresses = text
            .split('|')
            .map(parse_address)
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            sid: Sid(sid),
            addresses,
        }))
    }
}

fn parse_address(text: &str) -> Result<String, DecodeError> {
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(text.to_owned()),
        None => Err(DecodeError::Invalid(format!(
            "the address {text:?} has no port"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification() -> Notification {
        Notification {
            state: ServerState::Looking,
            vote: WireVote {
                leader: Some(Sid(2)),
                zxid: Some(Zxid::from_u64(5)),
                epoch: Some(Epoch(1)),
            },
            round: Round(3),
            config: Some("server.1=a:1:2:participant\nversion=0".into()),
        }
    }

    #[test]
    fn notifications_survive_a_round_trip() {
        let n = notification();
        assert_eq!(Notification::decode(n.encode()), Ok(n.clone()));
        let observer = Notification {
            vote: WireVote {
                leader: None,
                zxid: None,
                epoch: None,
            },
            ..n
        };
        assert_eq!(
            observer.encode().get(4..12),
            Some(&i64::MIN.to_be_bytes()[..])
        );
        assert_eq!(Notification::decode(observer.encode()), Ok(observer));
    }

    #[test]
    fn short_forms_of_old_servers() {
        let raw = notification().encode();
        assert!(Notification::decode(raw.slice(..27)).is_err());
        let v33 = Notification::decode(raw.slice(..28)).unwrap();
        assert_eq!((v33.vote.epoch, v33.config), (Some(Epoch(0)), None));
        assert!(Notification::decode(raw.slice(..50)).is_err());
        let mut longer = BytesMut::from(raw.as_ref());
        longer.extend_from_slice(b"trailer");
        assert_eq!(Notification::decode(longer.freeze()), Ok(notification()));
    }

    #[test]
    fn initial_message_in_all_forms() {
        let m = InitialMessage {
            sid: Sid(2),
            addresses: vec!["127.0.0.1:21112".into()],
        };
        let raw = m.encode();
        assert_eq!(
            raw.get(..8),
            Some(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0][..])
        );
        for cut in 0..raw.len() {
            assert_eq!(
                InitialMessage::take(&mut BytesMut::from(&raw[..cut])),
                Ok(None)
            );
        }
        assert_eq!(
            InitialMessage::take(&mut BytesMut::from(raw.as_ref())),
            Ok(Some(m))
        );
        let mut old = BytesMut::from(&7_i64.to_be_bytes()[..]);
        assert_eq!(InitialMessage::take(&mut old).unwrap().unwrap().sid, Sid(7));
        let mut bad = BytesMut::from(&(-65534_i64).to_be_bytes()[..]);
        assert!(InitialMessage::take(&mut bad).is_err());
    }
}
