//! How servers prove to each other who they are, right behind the connection (and its TLS): SASL with
//! DIGEST-MD5.
//!
//! ```text
//! dialer                                   acceptor
//!   magic, 0, empty token ------------------->
//!          <------------------- magic, 0, challenge
//!   magic, 0, response --------------------->
//!          <------------------- magic, 1, proof       or magic, -1
//! ```
//! Source: `SaslQuorumAuthServer`, `SaslQuorumAuthLearner` and `QuorumAuth` of Apache ZooKeeper 3.9.
//! Left out: Kerberos, and the host names that authorize its principals.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tracing::warn;
use zk_core::sasl::{Client, DigestMd5, Service, Step};

use crate::config::PeerAuthSettings;
use crate::nonce;
use crate::tls::PeerStream;

/// What begins each packet, and nothing else that servers send.
const MAGIC: u64 = 0x5f24_3501_3501_edcc;

/// Longest token that is taken.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// A peer that is silent in the middle of it is worth no longer than this.
const DIALOGUE_MAX: Duration = Duration::from_secs(10);

/// `status` of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    InProgress,
    Success,
    Error,
}

/// Whether and how this server proves who it is, and asks others to.
#[derive(Debug, Clone, Default)]
pub struct PeerAuth {
    settings: Option<Arc<PeerAuthSettings>>,
}

impl PeerAuth {
    /// By these settings; `None`: nobody proves anything.
    #[must_use]
    pub fn new(settings: Option<PeerAuthSettings>) -> Self {
        Self {
            settings: settings.map(Arc::new),
        }
    }

    /// The side that made the connection.
    ///
    /// # Errors
    /// The other side does not take this server's word, or does not prove its own.
    pub async fn dialed(&self, stream: PeerStream) -> Result<PeerStream, String> {
        let Some(settings) = self.settings.as_ref().filter(|s| s.dialing.is_some()) else {
            return Ok(stream);
        };
        timeout(DIALOGUE_MAX, prove(settings, stream))
            .await
            .map_err(|_| "SASL: no answer in time".to_owned())?
    }

    /// The side that accepted it.
    ///
    /// # Errors
    /// The other side must prove who it is, and does not.
    pub async fn accepted(&self, stream: PeerStream) -> Result<PeerStream, String> {
        let Some(settings) = &self.settings else {
            return Ok(stream);
        };
        timeout(DIALOGUE_MAX, verify(settings, stream))
            .await
            .map_err(|_| "SASL: no answer in time".to_owned())?
    }
}

async fn prove(settings: &PeerAuthSettings, mut stream: PeerStream) -> Result<PeerStream, String> {
    let Some((user, password)) = &settings.dialing else {
        return Ok(stream);
    };
    send(&mut stream, Status::InProgress, b"").await?;
    let (status, challenge) = receive(&mut stream).await?;
    if status != Status::InProgress {
        return Err("SASL: the other server refuses".into());
    }
    let random = nonce::fresh();
    let client = Client::answer(Service::QUORUM, user, password, &challenge, random)
        .map_err(|e| e.to_string())?;
    send(&mut stream, Status::InProgress, &client.token()).await?;
    match receive(&mut stream).await? {
        (Status::Success, last) => client.check(&last).map_err(|e| e.to_string())?,
        _ => return Err("SASL: the other server refuses user and password".into()),
    }
    Ok(stream)
}

async fn verify(settings: &PeerAuthSettings, mut stream: PeerStream) -> Result<PeerStream, String> {
    let mut head = [0; 8];
    stream
        .read_exact(&mut head)
        .await
        .map_err(|e| e.to_string())?;
    stream.put_back(&head);
    if u64::from_be_bytes(head) != MAGIC {
        if settings.required {
            return Err("SASL: quorum.auth.serverRequireSasl asks for it".into());
        }
        warn!("a server that does not prove who it is by SASL is let in");
        return Ok(stream);
    }
    let mut exchange = DigestMd5::new(Service::QUORUM, nonce::fresh());
    loop {
        let (_, token) = receive(&mut stream).await?;
        match exchange.step(&token, &settings.users) {
            Ok(Step::Challenge(challenge)) => {
                send(&mut stream, Status::InProgress, &challenge).await?;
            }
            Ok(Step::Proven { answer, .. }) => {
                send(&mut stream, Status::Success, &answer).await?;
                return Ok(stream);
            }
            Err(e) => {
                send(&mut stream, Status::Error, b"").await?;
                return Err(e.to_string());
            }
        }
    }
}

async fn send(stream: &mut PeerStream, status: Status, token: &[u8]) -> Result<(), String> {
    let status = match status {
        Status::InProgress => 0,
        Status::Success => 1,
        Status::Error => -1,
    };
    let mut packet = BytesMut::with_capacity(16 + token.len());
    packet.put_u64(MAGIC);
    packet.put_i32(status);
    packet.put_i32(i32::try_from(token.len()).map_err(|e| e.to_string())?);
    packet.put_slice(token);
    let written = async {
        stream.write_all(&packet).await?;
        stream.flush().await
    };
    written.await.map_err(|e| e.to_string())
}

async fn receive(stream: &mut PeerStream) -> Result<(Status, Bytes), String> {
    let failed = |e: std::io::Error| format!("SASL: {e}");
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.map_err(failed)?;
    let mut head = head.as_slice();
    if head.get_u64() != MAGIC {
        return Err("SASL: no packet of it".into());
    }
    let status = match head.get_i32() {
        0 => Status::InProgress,
        1 => Status::Success,
        _ => Status::Error,
    };
    let len = match head.get_i32() {
        // No token at all.
        -1 => 0,
        len => usize::try_from(len).unwrap_or(usize::MAX),
    };
    if len > TOKEN_LEN_MAX {
        return Err("SASL: a token of an impossible length".into());
    }
    let mut token = vec![0; len];
    stream.read_exact(&mut token).await.map_err(failed)?;
    Ok((status, token.into()))
}
