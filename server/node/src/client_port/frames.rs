//! Frames as they come from a client's socket.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use zk_wire::frame::take_frame;

use crate::client_port::large::Large;
use crate::client_port::listener::ClientPort;
use crate::metrics::Limit;

/// What one read may bring at once, bytes.
const READ_CHUNK: usize = 8 * 1024;

/// What is read ahead while a request waits, bytes: enough to see that the client has gone.
const AHEAD_MAX: usize = 64 * 1024;

/// One frame, without its length.
pub(super) struct Frame {
    pub(super) payload: Bytes,
    /// Its share in the sum of large requests, when it is one.
    pub(super) large: Option<Large>,
}

/// The reading end of a connection.
pub(super) struct Frames<'a, R> {
    pub(super) port: &'a ClientPort,
    reader: R,
    buf: BytesMut,
    /// The share of the frame that is coming in.
    large: Option<Large>,
}

impl<'a, R: AsyncRead + Unpin> Frames<'a, R> {
    pub(super) fn new(port: &'a ClientPort, reader: R) -> Self {
        Self {
            port,
            reader,
            buf: BytesMut::new(),
            large: None,
        }
    }

    /// The first four bytes that are not taken yet.
    pub(super) fn head(&self) -> Option<[u8; 4]> {
        self.buf.first_chunk().copied()
    }

    /// The eight bytes behind those, as `stmk` has them.
    pub(super) fn after_head(&self) -> Option<[u8; 8]> {
        self.buf.get(4..)?.first_chunk().copied()
    }

    /// Takes a frame of at least `min` bytes, if a whole one is there.
    ///
    /// It comes in an allocation of its own: parts of it may be kept for years as a node's data, and
    /// must not keep a whole read buffer with them.
    pub(super) fn take(&mut self, min: usize) -> Result<Option<Frame>, String> {
        let max = self.port.monitor.settings.limits.jute_maxbuffer;
        let len = self.head().map(i32::from_be_bytes);
        if let Some(len) = len.and_then(|len| usize::try_from(len).ok())
            && len <= max
            && self.large.is_none()
        {
            self.large = self.port.large.enter(len as u64).map_err(|_| {
                let metrics = &self.port.monitor.metrics;
                metrics.large_requests_rejected.inc();
                metrics.limits.count(Limit::LargeRequests);
                format!(
                    "a request of {len} bytes is over largeRequestMaxBytes with those under way"
                )
            })?;
        }
        if len
            .and_then(|len| usize::try_from(len).ok())
            .is_some_and(|len| len > max)
        {
            let metrics = &self.port.monitor.metrics;
            metrics.limits.count(Limit::RequestSize);
        }
        let frame = take_frame(&mut self.buf, min, max).map_err(|e| e.to_string())?;
        Ok(frame.map(|frame| Frame {
            payload: Bytes::copy_from_slice(&frame),
            large: self.large.take(),
        }))
    }

    /// Reads some more bytes; says why there are none.
    pub(super) async fn more(&mut self) -> Result<(), String> {
        self.buf.reserve(READ_CHUNK);
        match self.reader.read_buf(&mut self.buf).await {
            Ok(0) => Err("closed by the client".into()),
            Ok(n) => {
                self.port.monitor.metrics.bytes_received.add(n as u64);
                Ok(())
            }
            Err(e) => Err(e.to_string()),
        }
    }

    /// Waits for the next frame of at least `min` bytes; says why there is none.
    pub(super) async fn next(&mut self, min: usize) -> Result<Frame, String> {
        loop {
            if let Some(frame) = self.take(min)? {
                return Ok(frame);
            }
            self.more().await?;
        }
    }

    /// Ends when the client is gone, and says how. Reads ahead a little, to see it.
    pub(super) async fn gone(&mut self) -> String {
        while self.buf.len() < AHEAD_MAX {
            if let Err(why) = self.more().await {
                return why;
            }
        }
        std::future::pending().await
    }
}
