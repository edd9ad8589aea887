//! Accepts clients, within the limits per address and in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, warn};
use zk_core::ConnId;

use crate::client_port::connection::{self, ClientMessage};
use crate::client_port::greeting::Speaks;
use crate::listen::ACCEPT_PAUSE;
use crate::monitor::Monitor;

/// What all client connections share.
#[derive(Debug)]
pub struct ClientPort {
    /// Settings, counters, status.
    pub monitor: Arc<Monitor>,
    /// To the core.
    pub to_core: mpsc::Sender<ClientMessage>,
    /// Room for requests under way.
    pub outstanding: Arc<Semaphore>,
    next: AtomicU64,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
}

impl ClientPort {
    /// A port that hands requests to `to_core`.
    #[must_use]
    pub fn new(monitor: Arc<Monitor>, to_core: mpsc::Sender<ClientMessage>) -> Self {
        let outstanding = monitor
            .settings
            .limits
            .outstanding_max
            .min(Semaphore::MAX_PERMITS);
        Self {
            monitor,
            to_core,
            outstanding: Arc::new(Semaphore::new(outstanding)),
            next: AtomicU64::new(1),
            per_ip: Mutex::default(),
        }
    }

    /// A connection number that was never used.
    pub(super) fn next_conn(&self) -> ConnId {
        ConnId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let settings = &self.monitor.settings.limits;
        let mut per_ip = self.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let here = per_ip.get(&ip).copied().unwrap_or(0);
        let total: usize = match settings.connections_max {
            Some(_) => per_ip.values().sum(),
            None => 0,
        };
        if settings
            .connections_per_ip_max
            .is_some_and(|max| here >= max)
            || settings.connections_max.is_some_and(|max| total >= max)
        {
            return None;
        }
        per_ip.insert(ip, here + 1);
        Some(Place {
            port: self.clone(),
            ip,
        })
    }
}

/// A place under the limits; free again when dropped.
struct Place {
    port: Arc<ClientPort>,
    ip: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut per_ip = self
            .port
            .per_ip
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = per_ip.get_mut(&self.ip) {
            *n -= 1;
            if *n == 0 {
                per_ip.remove(&self.ip);
            }
        }
    }
}

/// Accepts until the task is ended.
pub async fn run(port: Arc<ClientPort>, listener: TcpListener, speaks: Speaks) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => accept(&port, stream, address, speaks.clone()),
            Err(e) => {
                warn!("accepting a client: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn accept(
    port: &Arc<ClientPort>,
    stream: TcpStream,
    address: std::net::SocketAddr,
    speaks: Speaks,
) {
    let address = std::net::SocketAddr::new(address.ip().to_canonical(), address.port());
    let Some(place) = port.admit(address.ip()) else {
        port.monitor.metrics.connection_rejected.inc();
        warn!(
            "too many connections from {}: refused (maxClientCnxns, maxCnxns)",
            address.ip()
        );
        return;
    };
    let port = port.clone();
    tokio::spawn(async move {
        let why = connection::serve(&port, stream, address, &speaks).await;
        debug!("client {address}: {why}");
        drop(place);
    });
}
