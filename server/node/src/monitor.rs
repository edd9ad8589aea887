//! What the rest of the process may see of the member: a picture that the driver renews, the
//! counters, and the table of client connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zk_core::{ConnId, Status};
use zk_wire::election::ServerState;

use crate::client_port::Client;
use crate::clock::Clock;
use crate::config::{Mode, Settings};
use crate::metrics::Metrics;

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

/// Shared by the driver, the ports and the admin pages.
#[derive(Debug)]
pub struct Monitor {
    /// Time of the process.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// Settings.
    pub settings: Settings,
    published: RwLock<Arc<Published>>,
    clients: Mutex<BTreeMap<ConnId, Arc<Client>>>,
}

impl Monitor {
    /// Starts with the picture `status`.
    #[must_use]
    pub fn new(clock: Clock, settings: Settings, status: Status) -> Self {
        let at_ms = clock.elapsed_ms();
        let first = Published {
            status,
            at_ms,
            role_ms: 0,
            served_at_ms: None,
        };
        Self {
            clock,
            metrics: Metrics::default(),
            settings,
            published: RwLock::new(Arc::new(first)),
            clients: Mutex::default(),
        }
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

    /// Number of open client connections.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len() as u64
    }

    /// Address, requests and replies of each connection.
    #[must_use]
    pub fn client_lines(&self) -> Vec<(SocketAddr, u64, u64, usize)> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients
            .values()
            .map(|c| {
                (
                    c.address,
                    c.received.value(),
                    c.sent.value(),
                    c.gate.unanswered(),
                )
            })
            .collect()
    }

    /// Number of voters; 1 when there is no ensemble.
    #[must_use]
    pub fn voters(&self) -> u64 {
        match &self.settings.mode {
            Mode::Standalone => 1,
            Mode::Ensemble { membership, .. } => membership.voters().count() as u64,
        }
    }

    /// The role as Apache's `Mode:` line says it; `None` while nobody leads.
    #[must_use]
    pub fn mode_name(status: &Status) -> Option<&'static str> {
        if status.standalone {
            return Some("standalone");
        }
        match status.state {
            ServerState::Looking => None,
            ServerState::Following => Some("follower"),
            ServerState::Leading => Some("leader"),
            ServerState::Observing => Some("observer"),
        }
    }
}
