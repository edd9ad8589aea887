//! A client that writes and reads frames one by one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{ConnectRequest, ConnectResponse, Request};
use zk_wire::{Acl, SessionId, Xid, Zxid};

use crate::process::PATIENCE;

/// Whatever carries frames.
pub(crate) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    next_xid: i32,
    pub(crate) session: ConnectResponse,
}

/// A reply: xid, error and body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) error: i32,
    pub(crate) body: Bytes,
}

pub(crate) fn read_frame(stream: &mut dyn Stream) -> std::io::Result<Bytes> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let len = usize::try_from(i32::from_be_bytes(head)).map_err(std::io::Error::other)?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok(body.into())
}

pub(crate) fn write_frame(stream: &mut dyn Stream, payload: &[u8]) -> std::io::Result<()> {
    let mut raw = i32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    raw.extend_from_slice(payload);
    stream.write_all(&raw)
}

impl Client {
    /// Connects and opens a session, a new one or that of `old`.
    pub(crate) fn connect(address: &str, old: Option<&ConnectResponse>) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        Self::open(socket.try_clone()?, Box::new(socket), old)
    }

    /// Opens a session over `stream`, whose socket is `socket`.
    pub(crate) fn open(
        socket: TcpStream,
        mut stream: Box<dyn Stream>,
        old: Option<&ConnectResponse>,
    ) -> std::io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let request = ConnectRequest {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 10_000,
            session: old.map(|o| o.session),
            password: Bytes::copy_from_slice(&old.map_or([0; 16], |o| o.password)),
            read_only: Some(false),
        };
        write_frame(stream.as_mut(), &request.encode())?;
        let frame = read_frame(stream.as_mut())?;
        let session = ConnectResponse::decode(frame).map_err(std::io::Error::other)?;
        Ok(Self {
            stream,
            socket,
            next_xid: 1,
            session,
        })
    }

    /// Sends a request and reads its reply, skipping events.
    pub(crate) fn call(&mut self, request: &Request) -> std::io::Result<Reply> {
        let xid = self.send(request)?;
        loop {
            let reply = self.read()?;
            if reply.xid == xid {
                return Ok(reply);
            }
        }
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request) -> std::io::Result<i32> {
        let xid = self.next_xid;
        self.next_xid += 1;
        write_frame(self.stream.as_mut(), &request.encode_with_header(Xid(xid)))?;
        Ok(xid)
    }

    /// Reads a reply or an event.
    pub(crate) fn read(&mut self) -> std::io::Result<Reply> {
        let frame = read_frame(self.stream.as_mut())?;
        let mut r = zk_wire::jute::Reader::unlimited(frame);
        let bad = std::io::Error::other;
        let (xid, zxid, error) = (
            r.i32().map_err(bad)?,
            r.i64().map_err(bad)?,
            r.i32().map_err(bad)?,
        );
        Ok(Reply {
            xid,
            zxid,
            error,
            body: r.into_rest(),
        })
    }

    /// Creates a node that everyone may use.
    pub(crate) fn create(&mut self, path: &str, data: &[u8], flags: i32) -> std::io::Result<Reply> {
        let create = CreateRequest {
            path: path.into(),
            data: Some(Bytes::copy_from_slice(data)),
            acl: Some(vec![Acl::world(31)]),
            flags,
            ttl_ms: NO_TTL,
        };
        self.call(&Request::Create {
            create,
            op: CreateOp::Create,
        })
    }

    /// The data of a node; an error number when there is none.
    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Result<Bytes, i32>> {
        let reply = self.call(&Request::GetData {
            path: path.into(),
            watch: false,
        })?;
        if reply.error != 0 {
            return Ok(Err(reply.error));
        }
        let mut r = zk_wire::jute::Reader::unlimited(reply.body);
        Ok(Ok(r
            .buffer()
            .map_err(std::io::Error::other)?
            .unwrap_or_default()))
    }

    /// Waits until the server closes; true when it sent nothing more.
    pub(crate) fn ends(mut self) -> bool {
        self.socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    /// Whether the session was refused.
    pub(crate) fn refused(&self) -> bool {
        self.session.timeout_ms == 0 && self.session.session == SessionId::NONE
    }
}
