//! A connection of raw bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// How long opening may take.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// The longest frame that is believed; a server's replies are not limited, but these tests are.
const FRAME_LEN_MAX: usize = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A whole frame.
    Frame(Vec<u8>),
    /// The server closed; these bytes of no whole frame were left.
    Closed(Vec<u8>),
    /// Nothing within the limit.
    Silence,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// `None`: the server refused us so soon that we never saw it open.
    stream: Option<Stream>,
    buffer: Vec<u8>,
    start: usize,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not listen.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = match TcpStream::connect_timeout(&address, OPEN_LIMIT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(OPEN_LIMIT))?;
                stream.set_read_timeout(Some(OPEN_LIMIT))?;
                Some(Stream::Plain(stream))
            }
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                None
            }
            Err(e) => return Err(e).with_context(|| format!("cannot connect to {address}")),
        };
        Ok(Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        })
    }

    /// Connects with TLS; the handshake goes with what is sent first.
    ///
    /// # Errors
    /// When the server does not listen.
    pub fn open_tls(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Self> {
        let mut link = Self::open(address)?;
        if let Some(Stream::Plain(socket)) = link.stream.take() {
            let connection = ClientConnection::new(config, address.ip().into())?;
            let stream = StreamOwned::new(connection, socket);
            link.stream = Some(Stream::Tls(Box::new(stream)));
        }
        Ok(link)
    }

    /// Sends; whether the server still listens shows in what is heard.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(stream) = &mut self.stream {
            drop(stream.send(bytes));
        }
    }

    /// Takes the next frame, the end, or nothing after `limit`.
    ///
    /// # Errors
    /// As the system's, resets excepted: they are ends.
    pub fn hear(&mut self, limit: Duration) -> Result<Heard> {
        let until = Instant::now() + limit;
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Heard::Frame(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Silence);
            }
            match self.fill(left)? {
                Some(0) => {
                    let rest = self.buffer.split_off(self.start);
                    self.buffer.clear();
                    self.start = 0;
                    return Ok(Heard::Closed(rest));
                }
                Some(_) => {}
                None => return Ok(Heard::Silence),
            }
        }
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let waiting = self.buffer.get(self.start..)?;
        let (length, rest) = waiting.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        if length > FRAME_LEN_MAX {
            return None;
        }
        let frame = rest.get(..length)?.to_vec();
        self.start += 4 + length;
        Some(frame)
    }

    /// Reads once: how many bytes, 0 at the end, or `None` after `limit`.
    fn fill(&mut self, limit: Duration) -> Result<Option<usize>> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let Some(stream) = &mut self.stream else {
            return Ok(Some(0));
        };
        stream.socket().set_read_timeout(Some(limit))?;
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let into = self.buffer.get_mut(old..).unwrap_or_default();
        let read = stream.read(into);
        let length = read.as_ref().copied().unwrap_or(0);
        self.buffer.truncate(old + length);
        match read {
            Ok(length) => Ok(Some(length)),
            Err(error) => {
                let quiet = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                // The last two are a TLS session's: no farewell, or an alert.
                let ends = [
                    ErrorKind::ConnectionReset,
                    ErrorKind::BrokenPipe,
                    ErrorKind::UnexpectedEof,
                    ErrorKind::InvalidData,
                ];
                if quiet.contains(&error.kind()) {
                    Ok(None)
                } else if ends.contains(&error.kind()) {
                    Ok(Some(0))
                } else if error.kind() == ErrorKind::Interrupted {
                    self.fill(limit)
                } else {
                    Err(error.into())
                }
            }
        }
    }
}
