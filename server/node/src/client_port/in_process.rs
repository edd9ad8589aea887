//! A client within the process: what the admin port asks for goes the way of any client's request, and
//! needs neither a listener, nor a place among the connections, nor a password.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout, timeout_at};
use zk_wire::client::request::ReconfigRequest;
use zk_wire::client::{ConnectRequest, ConnectResponse, OpCode, ReplyHeader, Request, Response};
use zk_wire::frame::take_frame;
use zk_wire::jute::Reader;
use zk_wire::{Id, Xid, Zxid};

use super::connection;
use super::listener::ClientPort;

/// Bound of the whole conversation.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Bound of its end: a session that is not closed ends by its time-out.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Wanted session time-out, ms.
const SESSION_MS: i32 = 30_000;

/// Bytes that may be under way in each direction.
const PIPE_LEN: usize = 64 * 1024;

/// Longest config that is taken, bytes: a few lines a server.
const CONFIG_LEN_MAX: usize = 4 << 20;

/// No change, or none that is known.
#[derive(Debug, Error)]
pub enum InProcessError {
    /// The server refuses.
    #[error("error {0} of the client protocol")]
    Code(i32),
    /// It did not come to the request.
    #[error("{0}; nothing was asked")]
    NotAsked(String),
    /// The request is with the server.
    #[error("{0}; whether the members changed is unknown: look at config in /v1/status")]
    Unknown(String),
}

/// Changes the members with all rights; gives the new config's text.
///
/// # Errors
/// See [`InProcessError`].
pub async fn change_members(
    port: &Arc<ClientPort>,
    change: ReconfigRequest,
) -> Result<Bytes, InProcessError> {
    let deadline = Instant::now() + ANSWER_MAX;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut link = Link::begin(port, address, all_rights(port), deadline, CONFIG_LEN_MAX);
    let late = |_| "no answer in time".to_owned();
    let connected = timeout_at(deadline, link.connect()).await;
    connected
        .map_err(late)
        .and_then(|connected| connected)
        .map_err(InProcessError::NotAsked)?;
    let asked = timeout_at(deadline, link.ask(Xid(1), &Request::Reconfig(change))).await;
    let (code, mut body) = asked
        .map_err(late)
        .and_then(|asked| asked)
        .map_err(InProcessError::Unknown)?;
    link.close(Xid(2)).await;
    if code != 0 {
        return Err(InProcessError::Code(code));
    }
    match Response::decode(OpCode::Reconfig, &mut body) {
        Ok(Response::Data(Some(config), _)) => Ok(config),
        _ => Err(InProcessError::Unknown("an answer without a config".into())),
    }
}

/// Super, and something of each scheme without which no client is served.
fn all_rights(port: &ClientPort) -> Vec<Id> {
    let required = port.monitor.settings.auth.enforced_schemes.iter();
    let required = required.map(|scheme| Id::new(scheme, "admin"));
    std::iter::once(Id::new("super", ""))
        .chain(required)
        .collect()
}

/// The client's end of a connection within the process.
pub(super) struct Link {
    stream: DuplexStream,
    unread: BytesMut,
    frame_len_max: usize,
}

impl Link {
    /// Opens a connection as `identities` from `address`, whose first frame must be there by `deadline`;
    /// longer answers than `frame_len_max` bytes are an error.
    pub(super) fn begin(
        port: &Arc<ClientPort>,
        address: SocketAddr,
        identities: Vec<Id>,
        deadline: Instant,
        frame_len_max: usize,
    ) -> Self {
        let (stream, theirs) = tokio::io::duplex(PIPE_LEN);
        let server = port.clone();
        tokio::spawn(async move {
            let why =
                connection::serve_within(&server, theirs, address, identities, deadline).await;
            tracing::debug!("client within the process: {why}");
        });
        Self {
            stream,
            unread: BytesMut::new(),
            frame_len_max,
        }
    }

    /// Begins a session.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        let request = ConnectRequest {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: SESSION_MS,
            session: None,
            password: Bytes::new(),
            read_only: Some(false),
        };
        self.send(&request.encode()).await?;
        let answer = ConnectResponse::decode(self.frame().await?).map_err(|e| e.to_string())?;
        if answer.timeout_ms > 0 {
            return Ok(());
        }
        Err("the server gives no session".into())
    }

    /// Asks, and waits for the answer: its code and the rest of it.
    pub(super) async fn ask(
        &mut self,
        xid: Xid,
        request: &Request,
    ) -> Result<(i32, Reader), String> {
        self.send(&request.encode_with_header(xid)).await?;
        loop {
            let mut reader = Reader::unlimited(self.frame().await?);
            let header = ReplyHeader::decode(&mut reader).map_err(|e| e.to_string())?;
            if header.xid == xid {
                return Ok((header.err, reader));
            }
        }
    }

    /// Ends the session; what was answered is there whether or not it ends in order.
    pub(super) async fn close(&mut self, xid: Xid) {
        if let Ok(Err(why)) = timeout(CLOSE_MAX, self.ask(xid, &Request::CloseSession)).await {
            tracing::debug!("closing the session within the process: {why}");
        }
    }

    async fn send(&mut self, content: &[u8]) -> Result<(), String> {
        let len = i32::try_from(content.len()).map_err(|e| e.to_string())?;
        let mut raw = Vec::with_capacity(content.len() + 4);
        raw.extend_from_slice(&len.to_be_bytes());
        raw.extend_from_slice(content);
        self.stream.write_all(&raw).await.map_err(|e| e.to_string())
    }

    async fn frame(&mut self) -> Result<Bytes, String> {
        loop {
            let whole = take_frame(&mut self.unread, 0, self.frame_len_max);
            if let Some(frame) = whole.map_err(|e| e.to_string())? {
                return Ok(frame);
            }
            let read = self.stream.read_buf(&mut self.unread).await;
            if read.map_err(|e| e.to_string())? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }
}
