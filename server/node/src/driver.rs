//! The one thread that owns the core.
//!
//! It takes what the sockets and the disk bring, some at a time, lets the core handle it, carries
//! the outcome out, and sleeps until something comes or the core's deadline. It never waits for a
//! socket or for the disk. When the disk falls behind, it takes no more from clients, but goes on
//! hearing peers: a leader with a slow disk still answers its followers.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};
use zk_core::{Input, Mono, Outputs, Peer};

use crate::client_port::ClientMessage;
use crate::disk::{DiskQueue, DiskReport};
use crate::messages::PeerMessage;
use crate::monitor::{Monitor, Published};
use crate::nonce;
use crate::query::Query;
use crate::router::Router;

/// Messages that may wait for the core, from each of its two queues; who sends more waits.
pub const QUEUE_LEN: usize = 4096;

/// Messages per turn. More share a write and a flush, fewer answer the first of them sooner.
const TURN_MAX: usize = 512;

/// The picture of the member is renewed this often at most while there is work, ms.
const PUBLISH_BUSY_MS: u64 = 20;

/// And this often at least, ms: its age tells `/livez` that the loop turns.
const PUBLISH_IDLE_MS: u64 = 1000;

/// What the driver works with.
#[derive(Debug)]
pub struct Driver {
    /// The core.
    pub peer: Peer,
    /// Carries out.
    pub router: Router,
    /// To be published to.
    pub monitor: Arc<Monitor>,
    /// Reports come from here.
    pub disk: Arc<DiskQueue>,
    /// From clients.
    pub clients: mpsc::Receiver<ClientMessage>,
    /// From peers.
    pub peers: mpsc::Receiver<PeerMessage>,
    /// From operators.
    pub queries: mpsc::Receiver<Query>,
    /// Turns true when it is time to stop.
    pub stop: watch::Receiver<bool>,
}

/// Starts the thread; it ends after `stop` turned true, with everything handed to the disk.
///
/// # Errors
/// No thread to be had.
pub fn spawn(driver: Driver) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    std::thread::Builder::new()
        .name("quorate-core".into())
        .spawn(move || runtime.block_on(Run::new(driver).run()))
}

struct Run {
    d: Driver,
    out: Outputs,
    role: (zk_wire::election::ServerState, Mono),
    served_at_ms: Option<u64>,
    published_at: Mono,
    stale: bool,
}

impl Run {
    fn new(d: Driver) -> Self {
        let now = d.monitor.clock.now().mono;
        let state = d.peer.status().state;
        Self {
            d,
            out: Outputs::new(),
            role: (state, now),
            served_at_ms: None,
            published_at: now,
            stale: true,
        }
    }

    async fn run(mut self) {
        let now = self.d.monitor.clock.now();
        self.d.peer.start(now, &mut self.out);
        self.end_turn();
        let mut clients = Vec::with_capacity(TURN_MAX);
        let mut peers = Vec::with_capacity(TURN_MAX);
        loop {
            let wake_at = self.d.monitor.clock.instant(self.wake_at());
            let room = self.d.disk.has_room();
            let mut report = None;
            let mut wanted = None;
            tokio::select! {
                _ = self.d.stop.wait_for(|stop| *stop) => return,
                done = self.d.disk.report() => report = Some(done),
                _ = self.d.peers.recv_many(&mut peers, TURN_MAX) => {}
                _ = self.d.clients.recv_many(&mut clients, TURN_MAX), if room => {}
                Some(query) = self.d.queries.recv() => match query {
                    Query::Ask(question) => question(&self.d.peer),
                    Query::Do(input) => wanted = Some(input),
                },
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if let Some(input) = wanted {
                self.handle(input);
            }
            if let Some(report) = report {
                self.disk_report(report);
            }
            for message in peers.drain(..) {
                self.peer_message(message);
            }
            if !clients.is_empty() {
                let waited = clients.len() as u64;
                let stages = &self.d.monitor.metrics.stages;
                stages.core_queue.observe(waited);
            }
            for message in clients.drain(..) {
                self.client_message(message);
            }
            let due = self
                .d
                .peer
                .deadline()
                .is_some_and(|at| at <= self.d.monitor.clock.now().mono);
            if due {
                self.handle(Input::Tick);
            }
            self.end_turn();
        }
    }

    fn wake_at(&self) -> Mono {
        let pause = if self.stale {
            PUBLISH_BUSY_MS
        } else {
            PUBLISH_IDLE_MS
        };
        let publish = self.published_at.plus(pause);
        self.d
            .peer
            .deadline()
            .map_or(publish, |deadline| deadline.min(publish))
    }

    fn handle(&mut self, input: Input) {
        let now = self.d.monitor.clock.now();
        self.d.peer.handle(now, input, &mut self.out);
        self.d.router.carry_out(&mut self.out);
        self.stale = true;
    }

    fn disk_report(&mut self, report: DiskReport) {
        match report {
            DiskReport::Done(through) => {
                self.d.router.note_durable(through);
                self.handle(Input::DiskDone { through });
            }
            DiskReport::LogRead(seq, link, entries) => {
                self.handle(Input::LogRead { seq, link, entries });
            }
            DiskReport::Truncated(seq, recovery) => self.handle(Input::Truncated { seq, recovery }),
            DiskReport::TruncateImpossible(seq) => self.handle(Input::TruncateImpossible { seq }),
        }
    }

    fn peer_message(&mut self, message: PeerMessage) {
        match message {
            PeerMessage::LinkAccepted { link, outbox } => {
                self.d.router.link_opened(link, outbox);
                self.handle(Input::LearnerConnected { link });
            }
            PeerMessage::Input(input) => {
                let wanted = match &input {
                    Input::LinkClosed { link } => self.d.router.link_closed(*link),
                    Input::LearnerPacket { link, .. }
                    | Input::LeaderConnected { link }
                    | Input::LeaderPacket { link, .. }
                    | Input::LeaderSnapshot { link, .. } => self.d.router.has_link(*link),
                    Input::Tick
                    | Input::DiskDone { .. }
                    | Input::Truncated { .. }
                    | Input::LogRead { .. }
                    | Input::TruncateImpossible { .. }
                    | Input::Notification { .. }
                    | Input::LearnerConnected { .. }
                    | Input::HandOver { .. }
                    | Input::Leave
                    | Input::Form
                    | Input::ClientConnect { .. }
                    | Input::ClientFrame { .. }
                    | Input::ClientClosed { .. } => true,
                };
                if wanted {
                    self.d.router.note_peer(&input);
                    self.handle(input);
                }
            }
        }
    }

    fn client_message(&mut self, message: ClientMessage) {
        match message {
            ClientMessage::Connect {
                conn,
                client,
                request,
            } => {
                let ip = client.address.ip().to_string();
                let identities = client.identities.clone();
                self.d.router.client_opened(conn, client);
                self.handle(Input::ClientConnect {
                    conn,
                    ip,
                    identities,
                    nonce: nonce::fresh(),
                    request,
                });
            }
            ClientMessage::Frame { conn, frame } => {
                if self.d.router.has_client(conn) {
                    self.handle(Input::ClientFrame { conn, frame });
                }
            }
            ClientMessage::Closed { conn } => {
                if self.d.router.client_closed(conn) {
                    self.d.monitor.metrics.connection_drop.inc();
                    self.handle(Input::ClientClosed { conn });
                }
            }
        }
    }

    fn end_turn(&mut self) {
        self.d.router.carry_out(&mut self.out);
        loop {
            let feedback = self.d.router.end_turn();
            if feedback.is_empty() {
                break;
            }
            for input in feedback {
                self.handle(input);
            }
        }
        self.d.disk.flush();
        self.publish();
    }

    fn publish(&mut self) {
        let now = self.d.monitor.clock.now().mono;
        let age = now.since(self.published_at).as_millis();
        let pause = if self.stale {
            PUBLISH_BUSY_MS
        } else {
            PUBLISH_IDLE_MS
        };
        if age < u128::from(pause) {
            return;
        }
        let status = self.d.peer.status();
        if status.state != self.role.0 {
            self.role = (status.state, now);
        }
        if status.serving {
            self.served_at_ms = Some(now.as_ms());
        }
        let role_ms = u64::try_from(now.since(self.role.1).as_millis()).unwrap_or(u64::MAX);
        let served_at_ms = self.served_at_ms;
        self.d.monitor.publish(Published {
            status,
            at_ms: now.as_ms(),
            role_ms,
            served_at_ms,
        });
        self.published_at = now;
        self.stale = false;
    }
}
