//! What is still to be written to one socket.
//!
//! The core's thread puts frames in and never waits; the socket's task takes everything that is
//! there in one piece and writes it. Frames of one turn thus leave in one write, and a slow reader
//! costs memory up to a limit and then its connection, but never a moment of the core.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Duration, timeout};

/// From this size on a piece is queued by reference and not copied.
const COPY_MAX_BYTES: usize = 16 * 1024;

/// How long the last bytes of a closing connection may take: enough for a healthy peer, and a dead
/// one is not worth more.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The queue of one socket.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    queued_bytes: usize,
    finished: Option<String>,
}

/// The queue is over its limit: the connection must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

impl Outbox {
    /// An empty queue that takes `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            limit_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a payload behind its four-byte length.
    ///
    /// # Errors
    /// [`Overflow`]; nothing was added.
    pub fn push_frame(&self, payload: &Bytes) -> Result<(), Overflow> {
        let len = i32::try_from(payload.len()).map_err(|_| Overflow)?;
        let mut state = self.lock();
        state.reserve(4 + payload.len(), self.limit_bytes)?;
        state.tail.put_i32(len);
        state.append(payload.clone());
        Ok(())
    }

    /// Adds bytes as they are.
    ///
    /// # Errors
    /// [`Overflow`]; nothing was added.
    pub fn push(&self, raw: Bytes) -> Result<(), Overflow> {
        let mut state = self.lock();
        state.reserve(raw.len(), self.limit_bytes)?;
        state.append(raw);
        Ok(())
    }

    /// Adds bytes that the limit does not count: a snapshot, of which a link gets one.
    pub fn push_unlimited(&self, raw: Bytes) {
        self.lock().append(raw);
    }

    /// Tells the socket's task that there is something; once per turn is enough.
    pub fn flush(&self) {
        self.wake.notify_one();
    }

    /// Ends the queue: what is in it is written, then the connection closes.
    pub fn finish(&self, why: impl Into<String>) {
        self.lock().finished.get_or_insert(why.into());
        self.wake.notify_one();
    }

    /// Waits for [`Outbox::finish`] while there is no socket yet; returns why.
    pub async fn finished(&self) -> String {
        loop {
            if let Some(why) = self.lock().finished.clone() {
                return why;
            }
            self.wake.notified().await;
        }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lock().queued_bytes
    }

    /// Writes what comes, until the queue is finished and empty; returns why it was finished.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn drain_to<W: AsyncWrite + Unpin>(&self, socket: &mut W) -> std::io::Result<String> {
        loop {
            let (chunks, finished) = self.lock().take();
            if chunks.is_empty() {
                if let Some(why) = finished {
                    return Ok(why);
                }
                self.wake.notified().await;
                continue;
            }
            let write = async {
                for chunk in &chunks {
                    socket.write_all(chunk).await?;
                }
                socket.flush().await
            };
            if finished.is_some() {
                timeout(DRAIN_MAX, write)
                    .await
                    .map_err(|_| std::io::ErrorKind::TimedOut)??;
            } else {
                tokio::select! {
                    done = write => done?,
                    () = self.finished_for_long() => return Err(std::io::ErrorKind::TimedOut.into()),
                }
            }
        }
    }

    /// Ends some time after the queue was finished, so that a stuck write cannot hold the socket.
    async fn finished_for_long(&self) {
        loop {
            self.wake.notified().await;
            if self.lock().finished.is_some() {
                tokio::time::sleep(DRAIN_MAX).await;
                // The writer may need the wake-up that was used up here.
                self.wake.notify_one();
                return;
            }
        }
    }
}

impl State {
    fn reserve(&mut self, len: usize, limit: usize) -> Result<(), Overflow> {
        // A single reply may be larger than the limit; a pile may not.
        if self.queued_bytes > 0 && self.queued_bytes.saturating_add(len) > limit {
            return Err(Overflow);
        }
        self.queued_bytes += len;
        Ok(())
    }

    fn append(&mut self, raw: Bytes) {
        if raw.len() < COPY_MAX_BYTES {
            self.tail.extend_from_slice(&raw);
        } else {
            let tail = self.tail.split().freeze();
            if !tail.is_empty() {
                self.chunks.push_back(tail);
            }
            self.chunks.push_back(raw);
        }
    }

    fn take(&mut self) -> (VecDeque<Bytes>, Option<String>) {
        let mut chunks = std::mem::take(&mut self.chunks);
        let tail = self.tail.split().freeze();
        if !tail.is_empty() {
            chunks.push_back(tail);
        }
        self.queued_bytes = 0;
        (chunks, self.finished.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_leave_in_order_and_then_the_connection_closes() {
        let outbox = Outbox::new(1 << 20);
        let large = Bytes::from(vec![7; COPY_MAX_BYTES]);
        outbox.push_frame(&Bytes::from_static(b"ab")).unwrap();
        outbox.push(large.clone()).unwrap();
        outbox.push(Bytes::from_static(b"c")).unwrap();
        outbox.finish("done");
        let mut sink = Vec::new();
        assert_eq!(outbox.drain_to(&mut sink).await.unwrap(), "done");
        let mut expected = b"\0\0\0\x02ab".to_vec();
        expected.extend_from_slice(&large);
        expected.push(b'c');
        assert_eq!(sink, expected);
    }

    #[test]
    fn a_pile_over_the_limit_is_refused_and_a_single_large_reply_is_not() {
        let outbox = Outbox::new(10);
        outbox
            .push(Bytes::from_static(b"more than ten bytes"))
            .unwrap();
        assert_eq!(outbox.push(Bytes::from_static(b"x")), Err(Overflow));
    }
}
