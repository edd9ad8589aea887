//! The first frame in each direction (`ConnectRequest`, `ConnectResponse`); no headers around them.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::ids::{SessionId, Zxid};
use crate::jute::{Reader, Writer};

/// Length of a session password, bytes.
pub const PASSWORD_LEN: usize = 16;

/// A client asks for a new session or for its old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The newest state that the client has seen; a server that is behind must not take it.
    pub last_zxid_seen: Zxid,
    /// Wanted session time-out, ms; may be anything.
    pub timeout_ms: i32,
    /// `None`: a new session.
    pub session: Option<SessionId>,
    /// Proof of owning the session; anything for a new one.
    pub password: Bytes,
    /// Whether a read-only server will do; `None`: an old client that does not send the byte and
    /// does not expect it in the response.
    pub read_only: Option<bool>,
}

impl ConnectRequest {
    /// Reads the frame; trailing bytes are ignored.
    ///
    /// # Errors
    /// A frame that is too short or has a bad length in it.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::unlimited(frame);
        let _protocol_version = r.i32()?;
        let last_zxid_seen = Zxid::from_wire(r.i64()?);
        let timeout_ms = r.i32()?;
        let session = Some(SessionId(r.i64()?)).filter(|s| *s != SessionId::NONE);
        let password = r.buffer()?.unwrap_or_default();
        let read_only = if r.remaining() > 0 {
            Some(r.bool()?)
        } else {
            None
        };
        Ok(Self {
            last_zxid_seen,
            timeout_ms,
            session,
            password,
            read_only,
        })
    }

    /// Writes the frame's content, for clients.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(45);
        w.i32(0);
        w.i64(self.last_zxid_seen.to_wire());
        w.i32(self.timeout_ms);
        w.i64(self.session.unwrap_or(SessionId::NONE).0);
        w.buffer(Some(&self.password));
        if let Some(read_only) = self.read_only {
            w.bool(read_only);
        }
        w.into_bytes()
    }
}

/// The answer: a session, or a refusal (time-out 0), after which the server closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Negotiated time-out, ms; 0 refuses.
    pub timeout_ms: i32,
    /// The session; zero when refused.
    pub session: SessionId,
    /// Its password; zeros when refused.
    pub password: [u8; PASSWORD_LEN],
    /// Mirrors the request's byte: `None` when that was absent.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The session is unknown, expired, or not the asker's.
    #[must_use]
    pub fn refusal(read_only: Option<bool>) -> Self {
        Self {
            timeout_ms: 0,
            session: SessionId::NONE,
            password: [0; PASSWORD_LEN],
            read_only: read_only.map(|_| false),
        }
    }

    /// Writes the frame's content.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(37);
        w.i32(0);
        w.i32(self.timeout_ms);
        w.i64(self.session.0);
        w.buffer(Some(&self.password));
        if let Some(read_only) = self.read_only {
            w.bool(read_only);
        }
        w.into_bytes()
    }

    /// Reads the frame's content, for clients.
    ///
    /// # Errors
    /// Bytes that are no such record.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::unlimited(frame);
        let _protocol_version = r.i32()?;
        let timeout_ms = r.i32()?;
        let session = SessionId(r.i64()?);
        let raw = r.buffer()?.ok_or(DecodeError::Null("password"))?;
        let password = raw
            .as_ref()
            .try_into()
            .map_err(|_| DecodeError::Invalid(format!("a password of {} bytes", raw.len())))?;
        let read_only = if r.remaining() > 0 {
            Some(r.bool()?)
        } else {
            None
        };
        Ok(Self {
            timeout_ms,
            session,
            password,
            read_only,
        })
    }
}

/// The password of a session: a function of its id alone, the same on every server.
///
/// Apache feeds `id ^ 0xB3415C00` to `java.util.Random` and takes 16 bytes
/// (`SessionTrackerImpl`, `ZooKeeperServer.generatePasswd`); a checksum, not a secret.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the generator yields the low 32 bits"
)]
pub fn session_password(session: SessionId) -> [u8; PASSWORD_LEN] {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = ((session.0.cast_unsigned() ^ 0xB341_5C00) ^ MULTIPLIER) & MASK;
    let mut out = [0; PASSWORD_LEN];
    for chunk in out.chunks_exact_mut(4) {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        chunk.copy_from_slice(&((seed >> 16) as u32).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_the_one_that_apache_computes() {
        let expected = 0x8e0d_3c66_88d5_0d95_292c_72c7_00c3_ed0f_u128.to_be_bytes();
        assert_eq!(session_password(SessionId(0x0100_000c_f7f4_0083)), expected);
    }

    #[test]
    fn requests_with_and_without_the_read_only_byte() {
        let request = ConnectRequest {
            last_zxid_seen: Zxid::from_u64(5),
            timeout_ms: 10000,
            session: None,
            password: Bytes::from_static(&[0; 16]),
            read_only: Some(false),
        };
        let raw = request.encode();
        assert_eq!(raw.len(), 45);
        assert_eq!(ConnectRequest::decode(raw.clone()), Ok(request));
        assert_eq!(
            ConnectRequest::decode(raw.slice(..44)).unwrap().read_only,
            None
        );
        for len in 0..44 {
            assert!(ConnectRequest::decode(raw.slice(..len)).is_err(), "{len}");
        }
    }
}
