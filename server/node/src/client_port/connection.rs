//! One client connection: frames in, frames out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zk_core::{ClientFrame, ConnId};
use zk_wire::Id;
use zk_wire::client::{ConnectRequest, RequestHeader};

use crate::client_port::admission::{Passed, admit, late};
use crate::client_port::four_letter::{self, Asker, SET_TRACE_MASK, TELNET_CLOSE};
use crate::client_port::frames::{Frame, Frames};
use crate::client_port::gate::Gate;
use crate::client_port::greeting::{Greeted, Speaks, greet};
use crate::client_port::large::Large;
use crate::client_port::listener::ClientPort;
use crate::client_port::stats::ConnStats;
use crate::metrics::{Counter, Limit};
use crate::outbox::Outbox;
use crate::traces::Traced;

/// Replies and events that may wait for one client, bytes. A reader this slow is better off with a
/// new connection.
const OUTBOX_MAX_BYTES: usize = 64 * 1024 * 1024;

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
    /// The time-out of its session.
    pub session_timeout: Duration,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// What is known about its requests.
    pub stats: ConnStats,
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
    let (keep_alive, patience) = {
        let in_force = port.monitor.in_force();
        let settings = &in_force.settings;
        (settings.tcp_keep_alive, settings.sessionless_timeout)
    };
    let options = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(&stream).set_keepalive(keep_alive));
    if let Err(e) = options {
        return e.to_string();
    }
    let deadline = Instant::now() + patience;
    let greeted = match greet(port, speaks, stream, address, deadline).await {
        Ok(greeted) => greeted,
        Err(why) => return why,
    };
    let secure = matches!(greeted, Greeted::Tls(_));
    let who = Who {
        address,
        secure,
        identities: greeted.identities(),
        deadline,
        paced: true,
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

/// Serves a client within the process as if `identities` were proven, and whatever the pace of new
/// connections; returns why it ended.
pub(super) async fn serve_within(
    port: &Arc<ClientPort>,
    stream: DuplexStream,
    address: SocketAddr,
    identities: Vec<Id>,
    deadline: Instant,
) -> String {
    let who = Who {
        address,
        secure: true,
        identities,
        deadline,
        paced: false,
    };
    let (reader, writer) = tokio::io::split(stream);
    converse(port, reader, writer, who).await
}

/// The other end of a connection.
struct Who {
    address: SocketAddr,
    secure: bool,
    identities: Vec<Id>,
    /// When its first frame must be there.
    deadline: Instant,
    /// Whether it counts for the pace of new connections.
    paced: bool,
}

async fn converse<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    port: &Arc<ClientPort>,
    reader: R,
    mut writer: W,
    who: Who,
) -> String {
    let mut frames = Frames::new(port, reader);
    let first = match first_frame(&mut frames, who.deadline).await {
        Ok(First::Connect(frame)) => frame,
        Ok(First::Word(word)) => {
            let visit = port.monitor.visit();
            let asker = Asker {
                address: who.address,
                mask: mask(&mut frames, word, who.deadline).await,
            };
            let answer = four_letter::answer(&port.monitor, word, asker).await;
            drop(visit);
            // The socket is closed either way; the client has gone when this fails.
            if writer.write_all(answer.as_bytes()).await.is_ok() && writer.shutdown().await.is_ok()
            {
                return format!("answered {word}");
            }
            return format!("gone before the answer to {word}");
        }
        Err(why) => return why,
    };
    let Ok(request) = ConnectRequest::decode(first.payload) else {
        return "the first frame is no connect request".into();
    };
    if who.paced && !port.paces(&request) {
        return "too many new connections (connection_throttle_tokens)".into();
    }
    let metrics = &port.monitor.metrics;
    metrics.connection_request.inc();
    if request.session.is_some() {
        metrics.connection_revalidate.inc();
    }
    let sessions = &port.monitor.settings.sessions;
    let timeout_ms = request
        .timeout_ms
        .clamp(sessions.timeout_min_ms, sessions.timeout_max_ms);
    let conn = port.next_conn();
    let client = Arc::new(Client {
        outbox: Outbox::new(OUTBOX_MAX_BYTES),
        gate: Gate::new(port.room.clone()),
        address: who.address,
        identities: who.identities,
        session_timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)),
        secure: who.secure,
        stats: ConnStats::new(port.monitor.clock.wall_ms()),
        received: Counter::default(),
        sent: Counter::default(),
    });
    port.monitor.client_opened(conn, client.clone());
    let why = session(frames, writer, conn, &client, request, first.large).await;
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
    mut frames: Frames<'_, R>,
    mut writer: W,
    conn: ConnId,
    client: &Arc<Client>,
    request: ConnectRequest,
    large: Option<Large>,
) -> String {
    let port = frames.port;
    note_received(port, client);
    if let Err(why) = admit(&mut frames, client, large).await {
        return why;
    }
    client.stats.connect_asked(request.session.is_some());
    let connect = ClientMessage::Connect {
        conn,
        client: client.clone(),
        request,
    };
    if port.to_core.send(connect).await.is_err() {
        return "shutting down".into();
    }
    let why = tokio::select! {
        why = read_frames(frames, conn, client) => why,
        done = client.outbox.drain_to(&mut writer) => done.unwrap_or_else(|e| e.to_string()),
    };
    // Nothing is left to be done when the peer has gone already.
    if writer.shutdown().await.is_err() {
        return format!("{why}; reset");
    }
    why
}

/// What follows `stmk`; `None` for other words, and when it does not come.
async fn mask<R: AsyncRead + Unpin>(
    frames: &mut Frames<'_, R>,
    word: &str,
    deadline: Instant,
) -> Option<i64> {
    if word != SET_TRACE_MASK {
        return None;
    }
    loop {
        if let Some(mask) = frames.after_head() {
            return Some(i64::from_be_bytes(mask));
        }
        timeout_at(deadline, frames.more()).await.ok()?.ok()?;
    }
}

enum First {
    Word(&'static str),
    Connect(Frame),
}

async fn first_frame<R: AsyncRead + Unpin>(
    frames: &mut Frames<'_, R>,
    deadline: Instant,
) -> Result<First, String> {
    loop {
        if let Some(word) = frames.head().and_then(four_letter::known) {
            return Ok(First::Word(word));
        }
        if frames.head() == Some(TELNET_CLOSE.0) {
            return Ok(First::Word(TELNET_CLOSE.1));
        }
        if let Some(frame) = frames.take(0)? {
            return Ok(First::Connect(frame));
        }
        match timeout_at(deadline, frames.more()).await {
            Ok(read) => read?,
            Err(_) => {
                let metrics = &frames.port.monitor.metrics;
                metrics.sessionless_expired.inc();
                metrics.limits.count(Limit::SessionlessTime);
                return Err("no connect request in time".into());
            }
        }
    }
}

async fn read_frames<R: AsyncRead + Unpin>(
    mut frames: Frames<'_, R>,
    conn: ConnId,
    client: &Client,
) -> String {
    let port = frames.port;
    let limits = &port.monitor.settings.limits;
    // The guard on nested fields allows what the server itself may have stored.
    let field_len_max = limits.jute_maxbuffer.saturating_add(limits.jute_extra);
    loop {
        let frame = match frames.next(RequestHeader::LEN).await {
            Ok(frame) => frame,
            Err(why) => return why,
        };
        let raw = frame.payload.clone();
        let mut request = match ClientFrame::decode(frame.payload, field_len_max) {
            Ok(request) => request,
            Err(e) => return e.to_string(),
        };
        note_received(port, client);
        let monitor = &port.monitor;
        let mut traced = monitor
            .tellers
            .traces
            .choose(|| Traced::new(&request, monitor.clock.elapsed()));
        match admit(&mut frames, client, frame.large).await {
            Ok(Passed::InTime) => {}
            Ok(Passed::Late) => {
                request = late(request);
                if matches!(request, ClientFrame::Throttled { .. }) {
                    port.monitor.metrics.throttled_ops.inc();
                }
            }
            Err(why) => return why,
        }
        if let Some(traced) = &mut traced {
            traced.admitted = monitor.clock.elapsed();
        }
        client.stats.asked(&raw, traced);
        drop(raw);
        let message = ClientMessage::Frame {
            conn,
            frame: request,
        };
        if port.to_core.send(message).await.is_err() {
            return "shutting down".into();
        }
    }
}

fn note_received(port: &ClientPort, client: &Client) {
    client.received.inc();
    port.monitor.metrics.packets_received.inc();
}
