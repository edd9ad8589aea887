//! The port between leader and learners: open while leading, dialed while following.
//!
//! Sources: `Leader.LearnerCnxAcceptor`, `LearnerHandler` and `Learner` of Apache ZooKeeper 3.9.

mod leader_side;
mod learner_side;

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tracing::debug;
use zk_wire::quorum::{From, Packet};

pub use leader_side::{LeaderPort, LeaderSide, OBSERVER_BIND_PAUSE, QUORUM_BIND_PAUSE};
pub use learner_side::{Dial, LearnerSide};

/// Packets that may wait for one learner or leader, bytes: some seconds of a full network. Who is
/// behind by more is faster with a new synchronization.
pub(crate) const LINK_QUEUE_MAX_BYTES: usize = 256 * 1024 * 1024;

/// How long the last packets of a link that ends may be on the way.
const LAST_WORDS: Duration = Duration::from_secs(1);

const READ_CHUNK: usize = 64 * 1024;

/// Largest field of a packet: what a client may send, the slack that Apache allows for what the
/// server adds, and the names and numbers around it.
pub(crate) fn field_len_max(jute_maxbuffer: usize) -> usize {
    jute_maxbuffer.saturating_mul(2).saturating_add(64 * 1024)
}

/// The next packet of a link.
///
/// # Errors
/// Why the link is over.
async fn next_packet<R: AsyncRead + Unpin>(
    reader: &mut R,
    buf: &mut BytesMut,
    side: From,
    field_len_max: usize,
) -> Result<Packet, String> {
    loop {
        if let Some(packet) = Packet::take(buf, side, field_len_max).map_err(|e| e.to_string())? {
            return Ok(packet);
        }
        read_more(reader, buf).await?;
    }
}

/// Carries packets both ways and returns why that ended.
///
/// Where writing fails because the other side has closed, what it said before is still to be read.
async fn carry(
    read: impl Future<Output = String>,
    write: impl Future<Output = io::Result<String>>,
) -> String {
    let mut read = pin!(read);
    tokio::select! {
        why = &mut read => why,
        done = write => match done {
            Ok(why) => why,
            Err(e) => timeout(LAST_WORDS, read).await.unwrap_or_else(|_| e.to_string()),
        },
    }
}

/// Closes a connection so that the other side gets all that was written: a socket that is dropped
/// with something unread in it resets the connection, and with that what is on the way.
async fn part(mut reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) {
    let parted = timeout(LAST_WORDS, async {
        writer.shutdown().await?;
        tokio::io::copy(&mut reader, &mut tokio::io::sink()).await
    });
    match parted.await {
        Ok(Ok(_)) => {}
        Ok(Err(e)) => debug!("closing a link: {e}"),
        Err(_) => debug!("closing a link: the other side goes on"),
    }
}

async fn read_more<R: AsyncRead + Unpin>(reader: &mut R, buf: &mut BytesMut) -> Result<(), String> {
    buf.reserve(READ_CHUNK);
    match reader.read_buf(buf).await {
        Ok(0) => Err("closed by the other side".into()),
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}
