//! What the rest of the process may see of the member: a picture that the driver renews, the
//! counters, and the table of client connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use zk_core::{ConnId, Status};
use zk_wire::election::ServerState;
use zk_wire::membership::Membership;
use zk_wire::{Sid, Zxid};

use crate::client_port::Client;
use crate::clock::Clock;
use crate::config::{MetricsProvider, Settings};
use crate::history::History;
use crate::metrics::Metrics;
use crate::nonce;
use crate::query::Queries;
use crate::reload::InForce;
use crate::tellers::Tellers;

/// What Apache traces by default (`ZooTrace`).
const TRACE_MASK: i64 = 306;

/// The core's picture of itself and when it was taken.
#[derive(Debug)]
pub struct Published {
    /// The picture.
    pub status: Status,
    /// When, ms since the process began.
    pub at_ms: u64,
    /// For how long the present role has lasted, ms.
    pub role_ms: u64,
    /// When this member served last; `None`: never.
    pub served_at_ms: Option<u64>,
}

/// The new leader, or why there is none.
pub type HandOver = Result<Sid, String>;

/// Why an empty directory cannot be vouched for; `Ok` when it is, durably, or need not be.
pub type Formed = Result<(), String>;

/// Shared by the driver, the ports and the admin pages.
#[derive(Debug)]
pub struct Monitor {
    /// Time of the process.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// What happened lately.
    pub history: History,
    /// Settings, as they are from a start to the next.
    pub settings: Settings,
    /// Random text of this process: whoever saw another one knows that it is gone.
    pub life: String,
    /// The log, the audit log, traces.
    pub tellers: Tellers,
    /// For what the picture does not tell.
    pub queries: Queries,
    /// How the last attempt to pass on the lead ended.
    pub hand_overs: watch::Sender<Option<HandOver>>,
    /// How the last attempt to vouch for an empty directory ended.
    pub formed: watch::Sender<Option<Formed>>,
    /// Whether a quorum is known to follow the leader without this server.
    pub may_leave: watch::Sender<bool>,
    in_force: ArcSwap<InForce>,
    visitors: AtomicU64,
    trace_mask: AtomicI64,
    last_snapshot: Mutex<(Zxid, i64)>,
    published: RwLock<Arc<Published>>,
    clients: Mutex<BTreeMap<ConnId, Arc<Client>>>,
}

/// Counts a connection that asks a four-letter word, until it is dropped.
#[derive(Debug)]
pub struct Visit<'a>(&'a Monitor);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Monitor {
    /// Starts with the picture `status`.
    #[must_use]
    pub fn new(
        clock: Clock,
        settings: Settings,
        status: Status,
        queries: Queries,
        tellers: Tellers,
    ) -> Self {
        tellers.log.set(settings.runtime.log_levels.clone());
        let at_ms = clock.elapsed_ms();
        let zxid = status.zxid_applied;
        let first = Published {
            status,
            at_ms,
            role_ms: 0,
            served_at_ms: None,
        };
        Self {
            clock,
            metrics: Metrics {
                audit: tellers.audit.lines(),
                traces: tellers.traces.counts(),
                ..Metrics::default()
            },
            history: History::default(),
            in_force: ArcSwap::from_pointee(InForce::at_start(settings.runtime.clone())),
            settings,
            life: nonce::fresh()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            tellers,
            queries,
            hand_overs: watch::Sender::new(None),
            formed: watch::Sender::new(None),
            may_leave: watch::Sender::new(false),
            visitors: AtomicU64::new(0),
            trace_mask: AtomicI64::new(TRACE_MASK),
            last_snapshot: Mutex::new((zxid, clock.wall_ms())),
            published: RwLock::new(Arc::new(first)),
            clients: Mutex::default(),
        }
    }

    /// The settings that may change while the server runs, as they are now. Not to be kept.
    pub fn in_force(&self) -> Guard<Arc<InForce>> {
        self.in_force.load()
    }

    /// Replaces them.
    pub fn put_in_force(&self, in_force: InForce) {
        self.tellers.log.set(in_force.settings.log_levels.clone());
        self.in_force.store(Arc::new(in_force));
    }

    /// The newest picture.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the picture.
    pub fn publish(&self, published: Published) {
        *self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
    }

    /// Enters a connection into the table.
    pub fn client_opened(&self, conn: ConnId, client: Arc<Client>) {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(conn, client);
    }

    /// Removes it.
    pub fn client_closed(&self, conn: ConnId) {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&conn);
    }

    /// Number of open client connections, those of four-letter words included.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.len() as u64 + self.visitors.load(Ordering::Relaxed)
    }

    /// A connection that asks a four-letter word: it counts like others, as a packet too.
    pub fn visit(&self) -> Visit<'_> {
        self.metrics.packets_received.inc();
        self.visitors.fetch_add(1, Ordering::Relaxed);
        Visit(self)
    }

    /// All client connections, oldest first.
    #[must_use]
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.values().cloned().collect()
    }

    /// Forgets what was measured of each connection (`crst`).
    pub fn reset_connections(&self) {
        for client in self.clients() {
            client.received.reset();
            client.sent.reset();
            client.stats.reset();
        }
    }

    /// Forgets what was measured of the server (`srst`): with Prometheus's provider only what is
    /// not its.
    pub fn reset_server(&self) {
        self.metrics.reset_server();
        if self.settings.metrics == MetricsProvider::Default {
            self.metrics.reset_provider();
        }
    }

    /// `gtmk`: nothing is traced by it, but what was set is told.
    #[must_use]
    pub fn trace_mask(&self) -> i64 {
        self.trace_mask.load(Ordering::Relaxed)
    }

    /// `stmk`.
    pub fn set_trace_mask(&self, mask: i64) {
        self.trace_mask.store(mask, Ordering::Relaxed);
    }

    /// Notes that a snapshot is being written.
    pub fn note_snapshot(&self, zxid: Zxid) {
        let mut last = self
            .last_snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = (zxid, self.clock.wall_ms());
    }

    /// zxid and epoch ms of the last snapshot, or of the start.
    #[must_use]
    pub fn last_snapshot(&self) -> (Zxid, i64) {
        *self
            .last_snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of voters; 1 when there is no ensemble.
    #[must_use]
    pub fn voters(&self) -> u64 {
        self.ensemble()
            .map_or(1, |(_, members)| members.voters().count() as u64)
    }

    /// The own id and the members in force; `None` without an ensemble.
    #[must_use]
    pub fn ensemble(&self) -> Option<(Sid, Membership)> {
        let status = &self.published().status;
        let configs = status.configs.as_ref()?;
        Some((status.sid, configs.committed.clone()))
    }

    /// Role and phase as `zk_peer_state` says them; `None` without an ensemble.
    #[must_use]
    pub fn peer_state(status: &Status) -> Option<String> {
        let state = match status.state {
            _ if status.standalone => return None,
            ServerState::Looking => "looking",
            ServerState::Following => "following",
            ServerState::Leading => "leading",
            ServerState::Observing => "observing",
        };
        Some(format!("{state} - {}", status.phase.name()))
    }

    /// The role as Apache's `Mode:` line says it; `None` while nobody leads.
    #[must_use]
    pub fn mode_name(status: &Status) -> Option<&'static str> {
        if status.standalone {
            return Some("standalone");
        }
        if status.read_only {
            return Some("read-only");
        }
        match status.state {
            ServerState::Looking => None,
            ServerState::Following => Some("follower"),
            ServerState::Leading => Some("leader"),
            ServerState::Observing => Some("observer"),
        }
    }
}
