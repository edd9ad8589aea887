//! Connects to the leader and follows its stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncRead;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info};
use zk_core::{Database, Input, LinkId, RecoveryBuilder};
use zk_wire::Zxid;
use zk_wire::membership::HostPort;
use zk_wire::quorum::{From, Packet};
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::{BodyParser, Progress, SNAP_SIGNATURE};

use super::{LINK_QUEUE_MAX_BYTES, carry, next_packet, part, read_more};
use crate::messages::PeerMessage;
use crate::nonce;
use crate::outbox::Outbox;
use crate::peer_auth::PeerAuth;
use crate::reach;
use crate::resolve;
use crate::tls::{PeerSecurity, PeerStream};

/// Longest pauses that attempts to connect may take together. A leader that has won opens its port
/// at once; one that does not within these is better elected anew. Apache tries 5 times.
const ATTEMPTS: u32 = 10;

/// Pause after the first attempt; it doubles up to `leaderConnectDelayDuringRetryMs`.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Bound of one attempt where there is more than one place.
const ATTEMPT_MAX: Duration = Duration::from_secs(1);

/// How long to go on where nobody answers: the leader's name may still lead to where it was before. The
/// machine of the leader may as well be gone, which an election finds out.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// An attempt without success.
#[derive(Debug, Default)]
struct Missed {
    why: String,
    /// Nobody answered.
    silent: bool,
}

impl Missed {
    fn silent(why: String) -> Self {
        Self { why, silent: true }
    }
}

/// A connection to be made.
#[derive(Debug)]
pub struct Dial {
    /// Odd number, chosen by the core.
    pub link: LinkId,
    /// Where the leader may be.
    pub addresses: Vec<HostPort>,
    /// Bound of all attempts.
    pub patience: Duration,
}

/// What every dialed link needs.
#[derive(Debug, Clone)]
pub struct LearnerSide {
    /// Where the sockets live.
    pub runtime: Handle,
    /// Pause between attempts.
    pub retry_delay: Duration,
    /// Bound of a packet's field.
    pub field_len_max: usize,
    /// Whether and how connections are secured.
    pub security: PeerSecurity,
    /// Whether and how this server proves who it is.
    pub auth: PeerAuth,
    /// To the core.
    pub to_core: mpsc::Sender<PeerMessage>,
}

/// Up to half as much again, so that learners do not come all at once.
fn jitter(pause: Duration) -> Duration {
    let [random, ..] = nonce::fresh();
    pause * u32::from(random) / 512
}

impl LearnerSide {
    /// Begins to connect; the queue is there at once, so that the core may close what it dials.
    #[must_use]
    pub fn dial(&self, dial: Dial) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(LINK_QUEUE_MAX_BYTES));
        let (side, queue) = (self.clone(), outbox.clone());
        self.runtime.spawn(async move {
            let link = dial.link;
            let why = side.follow(dial, &queue).await;
            info!("link {} to the leader ended: {why}", link.0);
            if side.send(Input::LinkClosed { link }).await.is_err() {
                debug!("shutting down");
            }
        });
        outbox
    }

    async fn send(&self, input: Input) -> Result<(), String> {
        self.to_core
            .send(PeerMessage::Input(input))
            .await
            .map_err(|_| "shutting down".to_owned())
    }

    async fn follow(&self, dial: Dial, outbox: &Outbox) -> String {
        let stream = tokio::select! {
            connected = timeout(dial.patience, self.connect(&dial.addresses)) => connected,
            why = outbox.finished() => return why,
        };
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return why,
            Err(_) => return "no connection to the leader in time".into(),
        };
        let (mut reader, mut writer) = stream.into_split();
        let read = async {
            let end = self.read(dial.link, &mut reader).await;
            end.err().unwrap_or_default()
        };
        let why = carry(read, outbox.drain_to(&mut writer)).await;
        tokio::spawn(part(reader, writer));
        why
    }

    async fn connect(&self, leader: &[HostPort]) -> Result<PeerStream, String> {
        let start = Instant::now();
        let mut patience = self.retry_delay * ATTEMPTS;
        let mut pause = PAUSE_MIN.min(self.retry_delay);
        loop {
            let mut last = String::new();
            for place in leader {
                let attempt = self.attempt(place);
                // Where there is more than one place, none may hold up the others.
                let outcome = match leader.len() {
                    1 => attempt.await,
                    _ => timeout(ATTEMPT_MAX, attempt).await.unwrap_or_else(|_| {
                        Err(Missed::silent(format!("{place} does not answer")))
                    }),
                };
                match outcome {
                    Ok(stream) => return Ok(stream),
                    Err(missed) => {
                        if missed.silent {
                            patience = patience.max(SILENCE_MAX);
                        }
                        last = missed.why;
                    }
                }
            }
            if start.elapsed() >= patience {
                return Err(last);
            }
            sleep(pause + jitter(pause)).await;
            pause = (pause * 2).min(self.retry_delay);
        }
    }

    /// One attempt at each address of one place.
    async fn attempt(&self, place: &HostPort) -> Result<PeerStream, Missed> {
        let addresses = resolve::addresses(&place.host, place.port).await;
        let mut last = Missed::default();
        for address in addresses.map_err(|e| Missed::silent(e.to_string()))? {
            let named = |why: String| format!("{place} ({address}): {why}");
            let stream = match reach::server(address).await {
                Ok(stream) => stream,
                Err(e) => {
                    last = Missed {
                        silent: reach::is_silence(&e),
                        why: named(e.to_string()),
                    };
                    continue;
                }
            };
            let proven = match self.security.dialed(stream, &place.host).await {
                Ok(stream) => self.auth.dialed(stream).await,
                Err(e) => Err(e),
            };
            match proven {
                Ok(stream) => return Ok(stream),
                Err(e) => {
                    last = Missed {
                        silent: false,
                        why: named(e),
                    };
                }
            }
        }
        Err(last)
    }

    async fn read<R: AsyncRead + Unpin>(&self, link: LinkId, reader: &mut R) -> Result<(), String> {
        self.send(Input::LeaderConnected { link }).await?;
        let mut buf = BytesMut::new();
        loop {
            let packet = next_packet(reader, &mut buf, From::Leader, self.field_len_max).await?;
            let input = if let Packet::Snap(zxid) = packet {
                let database = read_snapshot(reader, &mut buf, zxid, self.field_len_max).await?;
                Input::LeaderSnapshot {
                    link,
                    zxid,
                    database,
                }
            } else {
                Input::LeaderPacket { link, packet }
            };
            self.send(input).await?;
        }
    }
}

/// Reads a snapshot stream with its signature and builds the tree as it comes.
async fn read_snapshot<R: AsyncRead + Unpin>(
    reader: &mut R,
    buf: &mut BytesMut,
    zxid: Zxid,
    field_len_max: usize,
) -> Result<Box<Database>, String> {
    let mut parser = BodyParser::new(field_len_max);
    let mut builder = RecoveryBuilder::new();
    builder.begin(zxid);
    loop {
        match parser
            .next(buf)
            .map_err(|e| format!("snapshot stream: {e}"))?
        {
            Progress::NeedMore => read_more(reader, buf).await?,
            Progress::Item(item) => builder.item(item)?,
            Progress::End => break,
        }
    }
    let len = 4 + SNAP_SIGNATURE.len();
    while buf.len() < len {
        read_more(reader, buf).await?;
    }
    if buf.get(4..len) != Some(SNAP_SIGNATURE.as_bytes()) {
        return Err("the snapshot stream does not end with its signature".into());
    }
    buf.advance(len);
    builder.into_database()
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes};

    use super::*;

    fn stream(signature: &str) -> BytesMut {
        let mut raw = BytesMut::from(Database::new().to_snapshot_body().as_ref());
        raw.put_u32(10);
        raw.put(signature.as_bytes());
        raw
    }

    fn side() -> LearnerSide {
        LearnerSide {
            runtime: Handle::current(),
            retry_delay: Duration::from_millis(10),
            field_len_max: 4096,
            security: PeerSecurity::default(),
            auth: PeerAuth::default(),
            to_core: mpsc::channel(1).0,
        }
    }

    fn at(address: std::net::SocketAddr) -> Vec<HostPort> {
        vec![HostPort {
            host: address.ip().to_string(),
            port: address.port(),
        }]
    }

    #[tokio::test]
    async fn a_leader_that_does_not_answer_yet_is_asked_again() {
        let (listener, _queued) = reach::tests::silent();
        let leader = at(listener.local_addr().unwrap());
        let side = side();
        let accepting = async {
            // Once the first attempt is over.
            sleep(reach::ANSWER_MAX).await;
            let mut accepted = Vec::new();
            loop {
                accepted.push(listener.accept().await.unwrap());
            }
        };
        tokio::select! {
            connected = side.connect(&leader) => { connected.unwrap(); }
            () = accepting => {}
        }
    }

    #[tokio::test]
    async fn a_leader_that_refuses_is_not_asked_for_long() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let leader = at(listener.local_addr().unwrap());
        drop(listener);
        let start = Instant::now();
        assert!(side().connect(&leader).await.is_err());
        assert!(start.elapsed() < SILENCE_MAX);
    }

    #[tokio::test]
    async fn a_snapshot_stream_needs_its_signature() {
        let more = Bytes::from_static(b"next packet");
        let mut raw = stream(SNAP_SIGNATURE);
        raw.put(more.clone());
        let mut buf = BytesMut::new();
        let mut source: &[u8] = &raw;
        let database = read_snapshot(&mut source, &mut buf, Zxid::from_u64(7), 4096)
            .await
            .unwrap();
        assert_eq!(database.last_applied(), Zxid::from_u64(7));
        assert_eq!(buf, more);
        let mut bad = stream("BenWasNot!");
        assert!(
            read_snapshot(&mut &b""[..], &mut bad, Zxid::ZERO, 4096)
                .await
                .is_err()
        );
    }
}
