//! Carries out what the core wants done.
//!
//! Nothing in here waits: a queue that is full closes its connection, and the core is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, info};
use zk_core::{Configs, ConnId, DiskOp, DiskSeq, Input, LinkId, Output, Outputs, PeerEvent};
use zk_wire::client::OpCode;
use zk_wire::membership::ServerSpec;
use zk_wire::quorum::Packet;
use zk_wire::snapshot::SNAP_SIGNATURE;
use zk_wire::{Sid, Zxid};

use crate::client_port::Client;
use crate::config::BindAddress;
use crate::disk::DiskQueue;
use crate::election_port::ElectionPort;
use crate::events;
use crate::flow::Flow;
use crate::history::Election;
use crate::members;
use crate::metrics::Limit;
use crate::monitor::Monitor;
use crate::nonce;
use crate::outbox::Outbox;
use crate::quorum_port::{Dial, LeaderSide, LearnerSide};
use crate::traces::{Answered, Writes};

/// xid of watch events, the only frames that answer no request.
const EVENT_XID: [u8; 4] = (-1_i32).to_be_bytes();

/// The ports between servers, and what else moves with the members; a standalone server has none.
#[derive(Debug)]
pub struct PeerPorts {
    /// Own id.
    pub sid: Sid,
    /// The members.
    pub configs: Configs,
    /// `quorumListenOnAllIPs`.
    pub listen_all: bool,
    /// Where the election port listens.
    pub election_bind: watch::Sender<Option<BindAddress>>,
    /// Where the client port listens.
    pub client_bind: watch::Sender<Option<BindAddress>>,
    /// Votes.
    pub election: Arc<ElectionPort>,
    /// As leader.
    pub leader: LeaderSide,
    /// As follower of whom observers follow; with the port.
    pub master: Option<(u16, LeaderSide)>,
    /// As learner.
    pub learner: LearnerSide,
}

impl PeerPorts {
    /// The members are these from here on.
    fn reconfigure(&mut self, configs: Configs) {
        let (sid, committed) = (self.sid, &configs.committed);
        self.election
            .set_addresses(members::election_addresses(sid, &configs, None));
        let own =
            |port: fn(&ServerSpec) -> u16| members::own_bind(sid, committed, self.listen_all, port);
        let election = own(|spec| spec.election_port);
        let quorum = own(|spec| spec.quorum_port);
        move_to(&self.election_bind, election);
        move_to(&self.client_bind, members::client_bind(sid, committed));
        if let Some(bind) = quorum {
            self.leader.set_bind(bind);
        }
        if let Some((port, master)) = &mut self.master
            && let Some(bind) = members::own_bind(sid, committed, self.listen_all, |_| *port)
        {
            master.set_bind(bind);
        }
        self.configs = configs;
    }
}

/// Tells a listener where to be; one that has no place any more stays where it is.
fn move_to(listener: &watch::Sender<Option<BindAddress>>, to: Option<BindAddress>) {
    listener.send_if_modified(|at| {
        let moves = to.is_some() && *at != to;
        if moves {
            *at = to;
        }
        moves
    });
}

/// Connections by their numbers, and where everything else goes.
#[derive(Debug)]
pub struct Router {
    monitor: Arc<Monitor>,
    disk: Arc<DiskQueue>,
    peers: Option<PeerPorts>,
    clients: HashMap<ConnId, Arc<Client>>,
    links: HashMap<LinkId, Arc<Outbox>>,
    touched_clients: Vec<Arc<Client>>,
    touched_links: Vec<Arc<Outbox>>,
    flow: Flow,
    /// Where requests are traced.
    writes: Option<Writes>,
    /// The last transaction that was applied here, for replies without a zxid.
    zxid_applied: i64,
    /// What the core must hear about, because carrying it out failed.
    feedback: Vec<Input>,
}

impl Router {
    /// Starts without connections.
    #[must_use]
    pub fn new(monitor: Arc<Monitor>, disk: Arc<DiskQueue>, peers: Option<PeerPorts>) -> Self {
        let flow = Flow::new(monitor.clock, peers.is_none());
        let writes = monitor.tellers.traces.are_on().then(Writes::default);
        Self {
            flow,
            writes,
            monitor,
            disk,
            peers,
            clients: HashMap::new(),
            links: HashMap::new(),
            touched_clients: Vec::new(),
            touched_links: Vec::new(),
            zxid_applied: 0,
            feedback: Vec::new(),
        }
    }

    /// Enters a client.
    pub fn client_opened(&mut self, conn: ConnId, client: Arc<Client>) {
        self.clients.insert(conn, client);
    }

    /// Whether the core still knows this client.
    #[must_use]
    pub fn has_client(&self, conn: ConnId) -> bool {
        self.clients.contains_key(&conn)
    }

    /// Removes a client; false when the core closed it before.
    pub fn client_closed(&mut self, conn: ConnId) -> bool {
        self.clients.remove(&conn).is_some()
    }

    /// Enters an accepted link.
    pub fn link_opened(&mut self, link: LinkId, outbox: Arc<Outbox>) {
        self.links.insert(link, outbox);
    }

    /// The disk has done everything up to `through`.
    pub fn note_durable(&mut self, through: DiskSeq) {
        if let Some(writes) = &mut self.writes {
            writes.durable(through, self.monitor.clock.elapsed());
        }
    }

    /// Something comes from another server.
    pub fn note_peer(&self, input: &Input) {
        self.flow.peer_input(&self.monitor.metrics, input);
    }

    /// Whether the core still knows this link.
    #[must_use]
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Removes a link; false when the core closed it before.
    pub fn link_closed(&mut self, link: LinkId) -> bool {
        self.links.remove(&link).is_some()
    }

    /// Carries out all of `outputs`, in their order.
    pub fn carry_out(&mut self, outputs: &mut Outputs) {
        for output in outputs.drain(..) {
            self.one(output);
        }
    }

    /// Wakes the sockets that got something, once each; returns what the core must hear.
    pub fn end_turn(&mut self) -> Vec<Input> {
        for client in self.touched_clients.drain(..) {
            client.outbox.flush();
        }
        for link in self.touched_links.drain(..) {
            link.flush();
        }
        if let Some(writes) = &mut self.writes {
            writes.forget_applied();
        }
        std::mem::take(&mut self.feedback)
    }

    fn one(&mut self, output: Output) {
        match output {
            Output::Disk { seq, op } => {
                self.note_disk(seq, &op);
                self.disk.push(seq, op);
            }
            Output::Notify { to, notification } => {
                if let Some(peers) = &self.peers {
                    peers.election.notify(to, &notification);
                }
            }
            Output::Configs(configs) => {
                if let Some(peers) = &mut self.peers {
                    peers.reconfigure(*configs);
                }
            }
            Output::QuorumPort { open } => {
                if let Some(peers) = &mut self.peers {
                    peers.leader.set_open(open);
                }
            }
            Output::ObserverPort { open } => {
                let peers = self.peers.as_mut();
                if let Some((_, master)) = peers.and_then(|peers| peers.master.as_mut()) {
                    master.set_open(open);
                }
            }
            Output::DialLeader {
                link,
                leader,
                patience_ms,
            } => {
                self.dial(link, leader, Duration::from_millis(patience_ms));
            }
            Output::ToLink { link, packet } => self.send_packet(link, &packet),
            Output::SnapshotToLink { link, zxid, body } => {
                self.send_packet(link, &Packet::Snap(zxid));
                if let Some(outbox) = self.links.get(&link) {
                    outbox.push_unlimited(body);
                    let mut signature = zk_wire::jute::Writer::with_capacity(14);
                    signature.string(SNAP_SIGNATURE);
                    outbox.push_unlimited(signature.into_bytes());
                }
            }
            Output::CloseLink { link, why } => {
                if let Some(outbox) = self.links.remove(&link) {
                    info!("closing link {}: {why}", link.0);
                    outbox.finish(why);
                }
            }
            Output::ToClient { conn, frame } => self.send_frame(conn, &frame),
            Output::CloseClient { conn, why } => {
                if let Some(client) = self.clients.remove(&conn) {
                    debug!("closing client {}: {why}", client.address);
                    client.outbox.finish(why);
                }
            }
            Output::Event(event) => self.event(&event),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are only noted")]
    fn event(&mut self, event: &PeerEvent) {
        let ended = match event {
            PeerEvent::HandedOver { to } => Some(Ok(*to)),
            PeerEvent::HandOverFailed { why } => Some(Err((*why).to_owned())),
            PeerEvent::HandOverRefused { why } => Some(Err(why.clone())),
            PeerEvent::Formed => {
                self.monitor.formed.send_replace(Some(Ok(())));
                None
            }
            PeerEvent::FormRefused { why } => {
                self.monitor.formed.send_replace(Some(Err(why.clone())));
                None
            }
            PeerEvent::Elected {
                leader,
                took_ms,
                cause,
            } => {
                self.monitor.history.elected(Election {
                    at_ms: self.monitor.clock.wall_ms(),
                    leader: leader.0,
                    cause: cause.name(),
                    took_ms: *took_ms,
                });
                None
            }
            PeerEvent::Audited(audited) => {
                self.monitor.tellers.audit.note(audited);
                None
            }
            PeerEvent::MayLeave => {
                self.monitor.may_leave.send_replace(true);
                None
            }
            PeerEvent::Applied { zxid, .. } => {
                self.zxid_applied = zxid.to_wire();
                if let Some(writes) = &mut self.writes {
                    writes.applied(*zxid, self.monitor.clock.elapsed());
                }
                None
            }
            PeerEvent::RoleLost { .. } => {
                self.writes = self.writes.take().map(|_| Writes::default());
                None
            }
            _ => None,
        };
        if ended.is_some() {
            self.monitor.hand_overs.send_replace(ended);
        }
        self.flow.event(&self.monitor.metrics, event);
        events::note(&self.monitor.metrics, event);
    }

    fn note_disk(&mut self, seq: DiskSeq, op: &DiskOp) {
        let metrics = &self.monitor.metrics;
        match op {
            DiskOp::Append { zxid, raw } => {
                metrics.proposal_sizes.observe(raw.len() as u64);
                self.flow.logged(metrics, *zxid, raw);
                if let Some(writes) = &mut self.writes {
                    writes.logged(*zxid, seq, self.monitor.clock.elapsed());
                }
            }
            DiskOp::SaveSnapshot { zxid, .. } | DiskOp::InstallSnapshot { zxid, .. } => {
                self.monitor.note_snapshot(*zxid);
            }
            DiskOp::AcceptedEpoch(_)
            | DiskOp::CurrentEpoch(_)
            | DiskOp::ReadLog { .. }
            | DiskOp::Config(_)
            | DiskOp::Initialize
            | DiskOp::Truncate { .. } => {}
        }
    }

    fn dial(&mut self, link: LinkId, leader: Sid, patience: Duration) {
        let Some(peers) = &self.peers else { return };
        let port = peers.master.as_ref().map(|(port, _)| *port);
        let masters = port.map(|port| members::master_addresses(&peers.configs, peers.sid, port));
        let mut addresses = masters.unwrap_or_default();
        if addresses.is_empty() {
            addresses = members::quorum_addresses(&peers.configs, leader);
        } else {
            // Observers spread over the followers, and come to another one after a failure.
            let [first, ..] = nonce::fresh();
            let first = usize::from(first) % addresses.len();
            addresses.rotate_left(first);
        }
        if addresses.is_empty() {
            info!("the leader, server {leader}, is not in the configuration");
            self.feedback.push(Input::LinkClosed { link });
            return;
        }
        let dial = Dial {
            link,
            addresses,
            patience,
        };
        self.links.insert(link, peers.learner.dial(dial));
    }

    fn send_packet(&mut self, link: LinkId, packet: &Packet) {
        let Some(outbox) = self.links.get(&link) else {
            return;
        };
        if outbox.push(packet.encode()).is_ok() {
            if !self
                .touched_links
                .last()
                .is_some_and(|last| Arc::ptr_eq(last, outbox))
            {
                self.touched_links.push(outbox.clone());
            }
            return;
        }
        info!("link {}: too far behind", link.0);
        outbox.finish("too far behind");
        self.links.remove(&link);
        self.feedback.push(Input::LinkClosed { link });
    }

    fn send_frame(&mut self, conn: ConnId, frame: &bytes::Bytes) {
        let Some(client) = self.clients.get(&conn) else {
            return;
        };
        let metrics = &self.monitor.metrics;
        metrics.packets_sent.inc();
        metrics.response_bytes.add(frame.len() as u64);
        metrics.response_sizes.observe(frame.len() as u64);
        client.sent.inc();
        if frame.starts_with(&EVENT_XID) {
            metrics.stages.watch_bytes.add(frame.len() as u64);
        } else if let Some(since) = client.gate.answered() {
            let now = self.monitor.clock.elapsed();
            let took = now.saturating_sub(since);
            metrics.latency.observe_ms(took);
            let [took_ms, now_ms] =
                [took, now].map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
            let asked = client
                .stats
                .replied(frame, took_ms, now_ms, self.zxid_applied);
            let logged = asked.as_ref().and_then(|asked| asked.operation);
            let logged = logged.map(is_logged);
            if let Some(traced) = asked.and_then(|asked| asked.traced) {
                let mut answered = Answered::new(*traced, client, frame, now);
                if let (Some(writes), Some(true)) = (&self.writes, logged) {
                    answered.write = writes.of(Zxid::from_wire(answered.zxid));
                }
                self.monitor.tellers.traces.answered(answered);
            }
            match logged {
                Some(true) => metrics.update_latency.observe(took_ms),
                Some(false) => metrics.read_latency.observe(took_ms),
                None => {}
            }
        }
        if client.outbox.push_frame(frame).is_ok() {
            if !self
                .touched_clients
                .last()
                .is_some_and(|last| Arc::ptr_eq(last, client))
            {
                self.touched_clients.push(client.clone());
            }
            return;
        }
        info!(
            "client {} does not read its replies: closed",
            client.address
        );
        metrics.slow_clients_closed.inc();
        metrics.limits.count(Limit::UnreadReplies);
        client.outbox.finish("replies are not read");
        self.clients.remove(&conn);
        self.feedback.push(Input::ClientClosed { conn });
    }
}

/// Whether an operation goes through the log.
fn is_logged(operation: OpCode) -> bool {
    operation.is_write() || matches!(operation, OpCode::CreateSession | OpCode::CloseSession)
}
