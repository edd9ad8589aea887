//! Accepts clients, and holds what all their connections share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::{debug, warn};
use zk_core::ConnId;
use zk_wire::client::ConnectRequest;

use crate::client_port::connection::{self, ClientMessage};
use crate::client_port::gate::Room;
use crate::client_port::greeting::Speaks;
use crate::client_port::large::LargeSum;
use crate::client_port::pace::{Asks, Pace};
use crate::client_port::places::Places;
use crate::listen::ACCEPT_PAUSE;
use crate::metrics::Limit;
use crate::monitor::Monitor;

/// What all client connections share, whichever listener they came by.
#[derive(Debug)]
pub struct ClientPort {
    /// Settings, counters, status.
    pub monitor: Arc<Monitor>,
    /// To the core.
    pub to_core: mpsc::Sender<ClientMessage>,
    /// Room for requests under way.
    pub(super) room: Room,
    /// Large requests under way.
    pub(super) large: Arc<LargeSum>,
    pace: Mutex<(Pace, u64)>,
    next: AtomicU64,
}

impl ClientPort {
    /// A port that hands requests to `to_core`.
    #[must_use]
    pub fn new(monitor: Arc<Monitor>, to_core: mpsc::Sender<ClientMessage>) -> Self {
        let limits = &monitor.settings.limits;
        let pace = Pace::new(&limits.connections, monitor.clock.elapsed_ms());
        Self {
            room: Room::new(limits.outstanding_max, limits.requests.max),
            large: LargeSum::new(&limits.large_requests),
            pace: Mutex::new((pace, monitor.clock.seed())),
            monitor,
            to_core,
            next: AtomicU64::new(1),
        }
    }

    /// A connection number that was never used.
    pub(super) fn next_conn(&self) -> ConnId {
        ConnId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the connection throttle lets this one in.
    pub(super) fn paces(&self, request: &ConnectRequest) -> bool {
        let asks = match request.session {
            Some(_) => Asks::Renewal,
            None if self.monitor.settings.sessions.kinds.local => Asks::Local,
            None => Asks::Global,
        };
        let now_ms = self.monitor.clock.elapsed_ms();
        let metrics = &self.monitor.metrics;
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let (pace, seed) = &mut *pace;
        let admitted = pace.admits(asks, now_ms, chance(seed));
        metrics.connection_token_deficit.observe(pace.deficit());
        metrics
            .connection_drop_millionths
            .set(pace.drop_millionths());
        if !admitted {
            metrics.connection_rejected.inc();
            metrics.limits.count(Limit::ConnectionRate);
        }
        admitted
    }
}

/// The next of a row of numbers from 0 to below 1 (SplitMix64).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
fn chance(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Accepts until the task is ended.
pub async fn run(port: Arc<ClientPort>, listener: TcpListener, speaks: Speaks) {
    let places = Arc::new(Places::default());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => accept(&port, &places, stream, address, speaks.clone()),
            Err(e) => {
                warn!("accepting a client: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn accept(
    port: &Arc<ClientPort>,
    places: &Arc<Places>,
    stream: TcpStream,
    address: SocketAddr,
    speaks: Speaks,
) {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let place = match places.take(address.ip(), &port.monitor.in_force().settings) {
        Ok(place) => place,
        Err(full) => {
            let metrics = &port.monitor.metrics;
            metrics.connection_rejected.inc();
            metrics.limits.count(full.limit);
            warn!("too many connections, {address} refused ({})", full.key);
            return;
        }
    };
    let port = port.clone();
    tokio::spawn(async move {
        let why = connection::serve(&port, stream, address, &speaks).await;
        debug!("client {address}: {why}");
        drop(place);
    });
}
