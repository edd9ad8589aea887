//! Accepts learners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use zk_core::{Input, LinkId};
use zk_wire::quorum::From;

use super::{LINK_QUEUE_MAX_BYTES, carry, next_packet, part};
use crate::config::BindAddress;
use crate::listen::{ACCEPT_PAUSE, between_servers, listen};
use crate::messages::PeerMessage;
use crate::outbox::Outbox;
use crate::peer_auth::PeerAuth;
use crate::tls::PeerSecurity;

/// Connections that may be open at once; an ensemble has far fewer learners, and strangers get no
/// further than this.
const LINKS_MAX: usize = 512;

/// Learners wait in the backlog while a leader settles in.
const BACKLOG: u32 = 128;

/// Between attempts to bind the quorum port; the core gives up leading by itself when nobody comes.
pub const QUORUM_BIND_PAUSE: Duration = Duration::from_millis(25);

/// The same for the port of observers, without which a follower goes on.
pub const OBSERVER_BIND_PAUSE: Duration = Duration::from_secs(2);

/// What every accepted link needs.
#[derive(Debug, Clone)]
pub struct LeaderPort {
    /// What the log calls it.
    pub name: &'static str,
    /// Between attempts to bind.
    pub bind_pause: Duration,
    /// Where to listen.
    pub bind: BindAddress,
    /// Bound of a packet's field.
    pub field_len_max: usize,
    /// Whether and how connections are secured.
    pub security: PeerSecurity,
    /// Whether and how learners prove who they are.
    pub auth: PeerAuth,
    /// To the core.
    pub to_core: mpsc::Sender<PeerMessage>,
}

/// Opens and closes the port as the core says.
#[derive(Debug)]
pub struct LeaderSide {
    runtime: Handle,
    port: Arc<LeaderPort>,
    next: Arc<AtomicU64>,
    places: Arc<Semaphore>,
    accepting: Option<JoinHandle<()>>,
}

impl LeaderSide {
    /// A port that is closed.
    #[must_use]
    pub fn new(runtime: Handle, port: LeaderPort) -> Self {
        Self {
            runtime,
            port: Arc::new(port),
            next: Arc::new(AtomicU64::new(2)),
            places: Arc::new(Semaphore::new(LINKS_MAX)),
            accepting: None,
        }
    }

    /// Another port for learners, whose links are numbered with those of this one.
    #[must_use]
    pub fn beside(&self, port: LeaderPort) -> Self {
        Self {
            next: self.next.clone(),
            ..Self::new(self.runtime.clone(), port)
        }
    }

    /// Listens elsewhere from here on.
    pub fn set_bind(&mut self, bind: BindAddress) {
        if self.port.bind == bind {
            return;
        }
        self.port = Arc::new(LeaderPort {
            bind,
            ..LeaderPort::clone(&self.port)
        });
        if let Some(task) = self.accepting.take() {
            task.abort();
            self.set_open(true);
        }
    }

    /// Opens or closes the listener; links that are there stay.
    pub fn set_open(&mut self, open: bool) {
        if let Some(task) = self.accepting.take() {
            if open && !task.is_finished() {
                self.accepting = Some(task);
                return;
            }
            task.abort();
        }
        if open {
            let (port, next, places) = (self.port.clone(), self.next.clone(), self.places.clone());
            self.accepting = Some(self.runtime.spawn(accept_all(port, next, places)));
        }
    }
}

async fn accept_all(port: Arc<LeaderPort>, next: Arc<AtomicU64>, places: Arc<Semaphore>) {
    let listener = loop {
        match listen(&port.bind, BACKLOG).await {
            Ok(listener) => break listener,
            Err(e) => {
                warn!("{}: {e}; trying again", port.name);
                tokio::time::sleep(port.bind_pause).await;
            }
        }
    };
    debug!("{} open", port.name);
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                warn!("{}: accepting: {e}", port.name);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            warn!(
                "{}: {LINKS_MAX} connections are open, {address} is refused",
                port.name
            );
            continue;
        };
        let link = LinkId(next.fetch_add(2, Ordering::Relaxed));
        let port = port.clone();
        tokio::spawn(async move {
            let why = serve(&port, link, stream, place).await;
            debug!("link {} of learner {address} ended: {why}", link.0);
        });
    }
}

async fn serve(
    port: &LeaderPort,
    link: LinkId,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) -> String {
    if let Err(e) = between_servers(&stream) {
        return e.to_string();
    }
    let stream = match port.security.accepted(stream).await {
        Ok(stream) => port.auth.accepted(stream).await,
        Err(why) => Err(why),
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(why) => {
            warn!("{}: a learner is refused: {why}", port.name);
            return why;
        }
    };
    let outbox = Arc::new(Outbox::new(LINK_QUEUE_MAX_BYTES));
    let (mut reader, mut writer) = stream.into_split();
    let read = async {
        let accepted = PeerMessage::LinkAccepted {
            link,
            outbox: outbox.clone(),
        };
        if port.to_core.send(accepted).await.is_err() {
            return "shutting down".into();
        }
        let mut buf = BytesMut::new();
        loop {
            match next_packet(&mut reader, &mut buf, From::Learner, port.field_len_max).await {
                Ok(packet) => {
                    let input = Input::LearnerPacket { link, packet };
                    if port.to_core.send(PeerMessage::Input(input)).await.is_err() {
                        return "shutting down".into();
                    }
                }
                Err(why) => return why,
            }
        }
    };
    let why = carry(read, outbox.drain_to(&mut writer)).await;
    tokio::spawn(part(reader, writer));
    drop(place);
    if port
        .to_core
        .send(PeerMessage::Input(Input::LinkClosed { link }))
        .await
        .is_err()
    {
        return format!("{why}; shutting down");
    }
    why
}
