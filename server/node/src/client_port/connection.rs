//! One client connection: frames in, frames out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zk_core::{ClientFrame, ConnId};
use zk_wire::Id;
use zk_wire::client::ConnectRequest;
use zk_wire::frame::take_frame;

use crate::client_port::four_letter;
use crate::client_port::gate::Gate;
use crate::client_port::greeting::{Greeted, Speaks, greet};
use crate::client_port::listener::ClientPort;
use crate::metrics::Counter;
use crate::outbox::Outbox;

/// Replies and events that may wait for one client, bytes. A reader this slow is better off with a
/// new connection.
const OUTBOX_MAX_BYTES: usize = 64 * 1024 * 1024;

/// What one read may bring at once, bytes.
const READ_CHUNK: usize = 8 * 1024;

/// The driver's end of a connection.
#[derive(Debug)]
pub struct Client {
    /// What is to be written.
    pub outbox: Outbox,
    /// Requests under way.
    pub gate: Gate,
    /// Remote address.
    pub address: SocketAddr,
    /// What the transport proved beside the address.
    pub identities: Vec<Id>,
    /// Frames received.
    pub received: Counter,
    /// Frames sent.
    pub sent: Counter,
}

/// From a connection to the driver.
#[derive(Debug)]
pub enum ClientMessage {
    /// The first frame.
    Connect {
        /// A new number.
        conn: ConnId,
        /// How to answer.
        client: Arc<Client>,
        /// What it asks.
        request: ConnectRequest,
    },
    /// A later frame.
    Frame {
        /// Whose.
        conn: ConnId,
        /// What.
        frame: ClientFrame,
    },
    /// The socket is gone.
    Closed {
        /// Whose.
        conn: ConnId,
    },
}

/// Serves a connection until it ends; returns why it did.
pub(super) async fn serve(
    port: &Arc<ClientPort>,
    stream: TcpStream,
    address: SocketAddr,
    speaks: &Speaks,
) -> String {
    if let Err(e) = stream.set_nodelay(true) {
        return e.to_string();
    }
    let deadline = Instant::now() + port.monitor.settings.limits.sessionless_timeout;
    let greeted = match greet(port, speaks, stream, address, deadline).await {
        Ok(greeted) => greeted,
        Err(why) => return why,
    };
    let who = Who {
        address,
        identities: greeted.identities(),
        deadline,
    };
    match greeted {
        Greeted::Plain(stream) => {
            let (reader, writer) = stream.into_split();
            converse(port, reader, writer, who).await
        }
        Greeted::Tls(accepted) => {
            let (reader, writer) = tokio::io::split(accepted.stream);
            converse(port, reader, writer, who).await
        }
    }
}

/// The other end of a connection.
struct Who {
    address: SocketAddr,
    identities: Vec<Id>,
    /// When its first frame must be there.
    deadline: Instant,
}

async fn converse<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    port: &Arc<ClientPort>,
    mut reader: R,
    mut writer: W,
    who: Who,
) -> String {
    let mut buf = BytesMut::new();
    let first = match first_frame(port, &mut reader, &mut buf, who.deadline).await {
        Ok(First::Connect(frame)) => frame,
        Ok(First::Word(word)) => {
            let answer = four_letter::answer(&port.monitor, word).await;
            // The socket is closed either way; the client has gone when this fails.
            if writer.write_all(answer.as_bytes()).await.is_ok() && writer.shutdown().await.is_ok()
            {
                return format!("answered {word}");
            }
            return format!("gone before the answer to {word}");
        }
        Err(why) => return why,
    };
    let Ok(request) = ConnectRequest::decode(first) else {
        return "the first frame is no connect request".into();
    };
    let metrics = &port.monitor.metrics;
    metrics.connection_request.inc();
    if request.session.is_some() {
        metrics.connection_revalidate.inc();
    }
    let conn = port.next_conn();
    let client = Arc::new(Client {
        outbox: Outbox::new(OUTBOX_MAX_BYTES),
        gate: Gate::new(port.outstanding.clone()),
        address: who.address,
        identities: who.identities,
        received: Counter::default(),
        sent: Counter::default(),
    });
    port.monitor.client_opened(conn, client.clone());
    let why = session(port, reader, writer, buf, conn, &client, request).await;
    port.monitor.client_closed(conn);
    // A driver that is gone takes the process with it.
    if port
        .to_core
        .send(ClientMessage::Closed { conn })
        .await
        .is_err()
    {
        return format!("{why}; shutting down");
    }
    why
}

async fn session<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    port: &ClientPort,
    reader: R,
    mut writer: W,
    buf: BytesMut,
    conn: ConnId,
    client: &Arc<Client>,
    request: ConnectRequest,
) -> String {
    note_received(port, client);
    client.gate.admit(port.monitor.clock.elapsed()).await;
    let connect = ClientMessage::Connect {
        conn,
        client: client.clone(),
        request,
    };
    if port.to_core.send(connect).await.is_err() {
        return "shutting down".into();
    }
    let why = tokio::select! {
        why = read_frames(port, reader, buf, conn, client) => why,
        done = client.outbox.drain_to(&mut writer) => done.unwrap_or_else(|e| e.to_string()),
    };
    // Nothing is left to be done when the peer has gone already.
    if writer.shutdown().await.is_err() {
        return format!("{why}; reset");
    }
    why
}

enum First {
    Word(&'static str),
    Connect(Bytes),
}

async fn first_frame<R: AsyncRead + Unpin>(
    port: &ClientPort,
    stream: &mut R,
    buf: &mut BytesMut,
    deadline: Instant,
) -> Result<First, String> {
    loop {
        if let Some(head) = buf.first_chunk::<4>()
            && let Some(word) = four_letter::known(*head)
        {
            return Ok(First::Word(word));
        }
        if let Some(frame) = take(port, buf, 0)? {
            return Ok(First::Connect(frame));
        }
        match timeout_at(deadline, more(port, stream, buf)).await {
            Ok(read) => read?,
            Err(_) => {
                port.monitor.metrics.sessionless_expired.inc();
                return Err("no connect request in time".into());
            }
        }
    }
}

async fn read_frames<R: AsyncRead + Unpin>(
    port: &ClientPort,
    mut reader: R,
    mut buf: BytesMut,
    conn: ConnId,
    client: &Client,
) -> String {
    // The guard on nested fields allows what the server itself may have stored.
    let field_len_max = port
        .monitor
        .settings
        .limits
        .jute_maxbuffer
        .saturating_mul(2);
    loop {
        let frame = match take(port, &mut buf, zk_wire::client::RequestHeader::LEN) {
            Ok(Some(frame)) => frame,
            Ok(None) => match more(port, &mut reader, &mut buf).await {
                Ok(()) => continue,
                Err(why) => return why,
            },
            Err(why) => return why,
        };
        let frame = match ClientFrame::decode(frame, field_len_max) {
            Ok(frame) => frame,
            Err(e) => return e.to_string(),
        };
        note_received(port, client);
        client.gate.admit(port.monitor.clock.elapsed()).await;
        if port
            .to_core
            .send(ClientMessage::Frame { conn, frame })
            .await
            .is_err()
        {
            return "shutting down".into();
        }
    }
}

fn note_received(port: &ClientPort, client: &Client) {
    client.received.inc();
    port.monitor.metrics.packets_received.inc();
}

/// Takes a frame into an allocation of its own: parts of it may be kept for years as a node's data,
/// and must not keep a whole read buffer with them.
fn take(port: &ClientPort, buf: &mut BytesMut, min: usize) -> Result<Option<Bytes>, String> {
    let frame = take_frame(buf, min, port.monitor.settings.limits.jute_maxbuffer);
    let frame = frame.map_err(|e| e.to_string())?;
    Ok(frame.map(|frame| Bytes::copy_from_slice(&frame)))
}

async fn more<R: AsyncRead + Unpin>(
    port: &ClientPort,
    reader: &mut R,
    buf: &mut BytesMut,
) -> Result<(), String> {
    buf.reserve(READ_CHUNK);
    match reader.read_buf(buf).await {
        Ok(0) => Err("closed by the client".into()),
        Ok(n) => {
            port.monitor.metrics.bytes_received.add(n as u64);
            Ok(())
        }
        Err(e) => Err(e.to_string()),
    }
}
