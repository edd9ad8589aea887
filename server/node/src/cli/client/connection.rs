//! One connection: frames in and out.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zk_wire::client::{ConnectRequest, ConnectResponse, ReplyHeader};
use zk_wire::frame;
use zk_wire::jute::Reader;

use super::transport::Stream;

/// Longest frame that is taken from a server.
const FRAME_LEN_MAX: usize = 64 << 20;

/// An open connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    unread: BytesMut,
}

impl Connection {
    /// Asks for a session on a fresh stream.
    pub(super) async fn open(
        stream: Box<dyn Stream>,
        request: &ConnectRequest,
    ) -> io::Result<(Self, ConnectResponse)> {
        let mut connection = Self {
            stream,
            unread: BytesMut::new(),
        };
        connection.send(&request.encode()).await?;
        let frame = connection.frame().await?;
        let response = ConnectResponse::decode(frame).map_err(io::Error::other)?;
        Ok((connection, response))
    }

    /// Sends one frame.
    pub(super) async fn send(&mut self, content: &[u8]) -> io::Result<()> {
        let len = i32::try_from(content.len()).map_err(io::Error::other)?;
        let mut raw = Vec::with_capacity(content.len() + 4);
        raw.extend_from_slice(&len.to_be_bytes());
        raw.extend_from_slice(content);
        self.stream.write_all(&raw).await?;
        self.stream.flush().await
    }

    /// The next frame; may be given up at any time without losing bytes.
    async fn frame(&mut self) -> io::Result<Bytes> {
        loop {
            let whole = frame::take_frame(&mut self.unread, 0, FRAME_LEN_MAX);
            if let Some(content) = whole.map_err(io::Error::other)? {
                return Ok(content);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next reply or event; may be given up at any time without losing bytes.
    pub(super) async fn reply(&mut self) -> io::Result<(ReplyHeader, Reader)> {
        let mut reader = Reader::unlimited(self.frame().await?);
        let header = ReplyHeader::decode(&mut reader).map_err(io::Error::other)?;
        Ok((header, reader))
    }
}
