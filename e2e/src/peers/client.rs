//! A small blocking client: one session, one request under way at a time, nothing done behind the
//! caller's back. It neither reconnects nor pings; every request keeps the session alive.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use thiserror::Error;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{
    ConnectRequest, ConnectResponse, MultiOp, MultiResult, ReplyHeader, Request, WatcherEvent,
    event, multi,
};
use zk_wire::jute::Reader;
use zk_wire::{Acl, DecodeError, SessionId, Stat, Xid, Zxid, frame};

/// Longest frame that is taken from a server.
const FRAME_LEN_MAX: usize = 64 << 20;

/// Bytes asked from the socket at once.
const READ_LEN: usize = 16 << 10;

/// `flags` of a create.
pub mod flags {
    /// Stays until it is deleted.
    pub const PERSISTENT: i32 = 0;
    /// Goes with its session.
    pub const EPHEMERAL: i32 = 1;
    /// Goes with its session and gets a number.
    pub const EPHEMERAL_SEQUENTIAL: i32 = 3;
}

/// Why a request did not succeed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The server said so; nothing was changed.
    #[error("the server answered error {0}")]
    Refused(i32),
    /// The connection broke or stalled; whether a write was done is unknown.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
    /// The session is not known or expired.
    #[error("the server refused the session")]
    Session,
    /// The server sent something that is no reply to the request.
    #[error("bad reply: {0}")]
    Reply(#[from] DecodeError),
}

impl Failure {
    /// The error number of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Refused(code) => Some(*code),
            Self::Lost(_) | Self::Session | Self::Reply(_) => None,
        }
    }
}

/// A connection, plain or with TLS.
trait Wire: Read + Write + Send + Debug {}

impl<T: Read + Write + Send + Debug> Wire for T {}

/// A session with one server.
#[derive(Debug)]
pub struct Client {
    stream: Box<dyn Wire>,
    unread: BytesMut,
    next_xid: i32,
    session: ConnectResponse,
    zxid: i64,
    events: VecDeque<WatcherEvent>,
}

impl Client {
    /// Opens a new session; `limit` is its time-out and the longest wait for any reply.
    ///
    /// # Errors
    /// When the server is not there or does not want it.
    pub fn connect(address: SocketAddr, limit: Duration) -> Result<Self, Failure> {
        Self::connect_as(address, limit, None, false)
    }

    /// The same with TLS, with a server whose certificate has to have this name.
    ///
    /// # Errors
    /// As [`Client::connect`], also when server and client do not trust each other.
    pub fn connect_tls(
        address: SocketAddr,
        limit: Duration,
        config: Arc<ClientConfig>,
        name: &str,
    ) -> Result<Self, Failure> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(tls, open(address, limit)?);
        Self::connect_over(Box::new(stream), limit, None, false)
    }

    /// Opens a session with a server that has no quorum, if `old` is none; otherwise goes on with
    /// that one.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_read_only(
        address: SocketAddr,
        limit: Duration,
        old: Option<&ConnectResponse>,
    ) -> Result<Self, Failure> {
        Self::connect_as(address, limit, old, true)
    }

    /// Goes on with a session that began on another connection.
    ///
    /// # Errors
    /// As [`Client::connect`]; [`Failure::Session`] when it is over.
    pub fn resume(
        address: SocketAddr,
        limit: Duration,
        session: &ConnectResponse,
    ) -> Result<Self, Failure> {
        Self::connect_as(address, limit, Some(session), false)
    }

    fn connect_as(
        address: SocketAddr,
        limit: Duration,
        old: Option<&ConnectResponse>,
        read_only: bool,
    ) -> Result<Self, Failure> {
        let stream = open(address, limit)?;
        Self::connect_over(Box::new(stream), limit, old, read_only)
    }

    fn connect_over(
        mut stream: Box<dyn Wire>,
        limit: Duration,
        old: Option<&ConnectResponse>,
        read_only: bool,
    ) -> Result<Self, Failure> {
        let password = old.map_or([0; 16], |old| old.password);
        let request = ConnectRequest {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: i32::try_from(limit.as_millis()).unwrap_or(i32::MAX),
            session: old.map(|old| old.session),
            password: Bytes::copy_from_slice(&password),
            read_only: Some(read_only),
        };
        stream.write_all(&framed(&request.encode()))?;
        let mut unread = BytesMut::new();
        let session = ConnectResponse::decode(read_frame(stream.as_mut(), &mut unread)?)?;
        if session.timeout_ms <= 0 {
            return Err(Failure::Session);
        }
        Ok(Self {
            stream,
            unread,
            next_xid: 1,
            session,
            zxid: 0,
            events: VecDeque::new(),
        })
    }

    /// The session as the server granted it.
    #[must_use]
    pub fn session(&self) -> &ConnectResponse {
        &self.session
    }

    /// Its id.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.session.session
    }

    /// The number of the next request.
    #[must_use]
    pub fn next_xid(&self) -> i32 {
        self.next_xid
    }

    /// Goes on with the numbers of an earlier connection of the session: servers tell the writes of a
    /// session apart by them, and one may still be under way.
    pub fn number_from(&mut self, xid: i32) {
        self.next_xid = xid;
    }

    /// The zxid of the last reply.
    #[must_use]
    pub fn last_zxid(&self) -> i64 {
        self.zxid
    }

    /// Sends a request and returns the body of its reply; events on the way are kept.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn call(&mut self, request: &Request) -> Result<Reader, Failure> {
        let xid = if *request == Request::Ping {
            Xid(-2)
        } else {
            Xid(self.next_xid)
        };
        self.next_xid = self.next_xid.wrapping_add(1).max(1);
        self.stream
            .write_all(&framed(&request.encode_with_header(xid)))?;
        loop {
            let mut reader = Reader::unlimited(read_frame(self.stream.as_mut(), &mut self.unread)?);
            let header = ReplyHeader::decode(&mut reader)?;
            if header.xid == event::EVENT_XID {
                self.events.push_back(WatcherEvent::decode(&mut reader)?);
                continue;
            }
            if header.xid != xid {
                let text = format!("xid {} where {xid} was due", header.xid);
                return Err(DecodeError::Invalid(text).into());
            }
            self.zxid = header.zxid;
            return match header.err {
                0 => Ok(reader),
                code => Err(Failure::Refused(code)),
            };
        }
    }

    /// Sends several requests at once and returns the bodies of their replies, in order; a refusal is
    /// the error number. Events on the way are kept.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn call_all(&mut self, requests: &[Request]) -> Result<Vec<Result<Reader, i32>>, Failure> {
        let mut bytes = Vec::new();
        let first = self.next_xid;
        for request in requests {
            bytes.extend_from_slice(&framed(&request.encode_with_header(Xid(self.next_xid))));
            self.next_xid = self.next_xid.wrapping_add(1).max(1);
        }
        self.stream.write_all(&bytes)?;
        let mut replies = Vec::with_capacity(requests.len());
        let mut due = Xid(first);
        while replies.len() < requests.len() {
            let mut reader = Reader::unlimited(read_frame(self.stream.as_mut(), &mut self.unread)?);
            let header = ReplyHeader::decode(&mut reader)?;
            if header.xid == event::EVENT_XID {
                self.events.push_back(WatcherEvent::decode(&mut reader)?);
                continue;
            }
            if header.xid != due {
                let text = format!("xid {} where {due} was due", header.xid);
                return Err(DecodeError::Invalid(text).into());
            }
            due = Xid(due.0.wrapping_add(1).max(1));
            self.zxid = header.zxid;
            replies.push(match header.err {
                0 => Ok(reader),
                code => Err(code),
            });
        }
        Ok(replies)
    }

    /// Creates a node for everyone and returns its path.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn create(&mut self, path: &str, data: &[u8], flags: i32) -> Result<String, Failure> {
        let create = CreateRequest {
            path: path.to_owned(),
            data: Some(Bytes::copy_from_slice(data)),
            acl: Some(vec![Acl::world(31)]),
            flags,
            ttl_ms: NO_TTL,
        };
        let mut reader = self.call(&Request::Create {
            create,
            op: CreateOp::Create,
        })?;
        Ok(reader.string_required("path")?)
    }

    /// Reads a node.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn get(&mut self, path: &str, watch: bool) -> Result<(Option<Bytes>, Stat), Failure> {
        let mut reader = self.call(&Request::GetData {
            path: path.to_owned(),
            watch,
        })?;
        Ok((reader.buffer()?, Stat::decode(&mut reader)?))
    }

    /// Sets the data of a node, whatever its version.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn set(&mut self, path: &str, data: &[u8]) -> Result<Stat, Failure> {
        let mut reader = self.call(&Request::SetData {
            path: path.to_owned(),
            data: Some(Bytes::copy_from_slice(data)),
            version: -1,
        })?;
        Ok(Stat::decode(&mut reader)?)
    }

    /// Deletes a node, whatever its version.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn delete(&mut self, path: &str) -> Result<(), Failure> {
        self.call(&Request::Delete {
            path: path.to_owned(),
            version: -1,
        })?;
        Ok(())
    }

    /// Lists the children of a node, sorted.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn children(&mut self, path: &str) -> Result<Vec<String>, Failure> {
        let request = Request::GetChildren {
            path: path.to_owned(),
            watch: false,
        };
        let mut reader = self.call(&request)?;
        let names = reader.vector(|r| r.string_required("child"))?;
        let mut names = names.unwrap_or_default();
        names.sort();
        Ok(names)
    }

    /// Waits until the server has everything that the leader had when this was asked.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn sync(&mut self) -> Result<(), Failure> {
        self.call(&Request::Sync {
            path: Some("/".to_owned()),
        })?;
        Ok(())
    }

    /// Runs several writes as one.
    ///
    /// # Errors
    /// See [`Failure`]; a multi that is rolled back is no failure, its results tell.
    pub fn multi(&mut self, ops: Vec<MultiOp>) -> Result<Vec<MultiResult>, Failure> {
        let mut reader = self.call(&Request::Multi(ops))?;
        Ok(multi::decode_results(&mut reader)?)
    }

    /// Returns the next event that came, with a ping to fetch it where none is there yet.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn event(&mut self) -> Result<Option<WatcherEvent>, Failure> {
        if self.events.is_empty() {
            self.call(&Request::Ping)?;
        }
        Ok(self.events.pop_front())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn close(mut self) -> Result<(), Failure> {
        self.call(&Request::CloseSession)?;
        Ok(())
    }
}

fn open(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// Puts the length in front.
#[must_use]
pub fn framed(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut raw = Vec::with_capacity(content.len() + 4);
    raw.extend_from_slice(&len.to_be_bytes());
    raw.extend_from_slice(content);
    raw
}

fn read_frame(stream: &mut dyn Wire, unread: &mut BytesMut) -> Result<Bytes, Failure> {
    loop {
        if let Some(content) = frame::take_frame(unread, 0, FRAME_LEN_MAX)? {
            return Ok(content);
        }
        let mut part = [0; READ_LEN];
        let len = stream.read(&mut part)?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        unread.extend_from_slice(part.get(..len).unwrap_or_default());
    }
}
