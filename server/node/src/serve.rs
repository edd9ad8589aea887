//! `quorate serve`: one server, from its configuration to its end.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use zk_core::db::COMMITTED_LOG_LEN;
use zk_core::{Bugs, Peer, PeerConfig};
use zk_wire::Sid;

use crate::client_port::{self, ClientMessage, ClientPort, Speaks};
use crate::clock::Clock;
use crate::config::{
    self, BindAddress, ConfigError, Flags, MetricsProvider, Mode, PodIdentity, Settings,
};
use crate::disk::{self, DiskQueue};
use crate::driver::{self, Driver, QUEUE_LEN};
use crate::election_port::{self, ElectionPort, ElectionSettings};
use crate::listen::listen;
use crate::messages::PeerMessage;
use crate::monitor::Monitor;
use crate::peer_auth::PeerAuth;
use crate::query::Queries;
use crate::quorum_port::{self, LeaderPort, LeaderSide, LearnerSide};
use crate::router::{PeerPorts, Router};
use crate::shutdown::{self, SHUTDOWN_MAX, exit_code, fatal};
use crate::tls::{self as client_tls, Contexts, PeerSecurity, StoreError, TlsAcceptor};
use crate::{admin, shutdown::requested, transfer};

/// The id that marks the sessions of a server alone.
const STANDALONE_SID: Sid = Sid(1);

/// Why a server does not start, or ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration or the identity of the data directory.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The content of the data directory.
    #[error("{0}")]
    Storage(#[from] disk::OpenError),
    /// The client port.
    #[error("client port: {0}")]
    ClientPort(std::io::Error),
    /// Keys and certificates.
    #[error("TLS: {0}")]
    Tls(#[from] StoreError),
    /// The admin port of a server alone.
    #[error("admin port: {0}; admin.serverPort chooses another, admin.enableServer=false none")]
    AdminPort(std::io::Error),
    /// The port of the metrics provider.
    #[error("metrics port: {0}; metricsProvider.httpPort chooses another")]
    MetricsPort(std::io::Error),
    /// Threads or signals.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl ServeError {
    /// Apache's exit code for it.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Config(e) => e.exit_code(),
            Self::Storage(e) => e.exit_code(),
            Self::AdminPort(_) => exit_code::ADMIN,
            Self::ClientPort(_) | Self::MetricsPort(_) | Self::Tls(_) | Self::System(_) => {
                exit_code::UNEXPECTED
            }
        }
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// It cannot start.
pub fn run(config: &Path, pod: Option<&PodIdentity>) -> Result<(), ServeError> {
    let clock = Clock::start();
    let settings = Settings::load(config, pod, &Flags::from_environment())?;
    for warning in &settings.warnings {
        warn!("{}: {warning}", config.display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(clock, settings, runtime.handle().clone()));
    runtime.shutdown_background();
    outcome
}

async fn serve(clock: Clock, settings: Settings, runtime: Handle) -> Result<(), ServeError> {
    let opened = disk::open(&settings)?;
    if let Mode::Ensemble { sid, .. } = &settings.mode {
        config::settle_my_id(&settings.data_dir, *sid)?;
    }
    let now = clock.now();
    let peer = Peer::new(peer_config(clock, &settings), opened.recovery, now);
    let (queries, query_rx) = Queries::channel();
    let monitor = Arc::new(Monitor::new(clock, settings, peer.status(), queries));
    let admin = open_admin(&monitor).await?;
    let metrics = open_metrics(&monitor).await?;
    let client_listeners = open_client_ports(&monitor).await?;

    let (client_tx, client_rx) = mpsc::channel::<ClientMessage>(QUEUE_LEN);
    let (peer_tx, peer_rx) = mpsc::channel::<PeerMessage>(QUEUE_LEN);
    let (stop_tx, stop_rx) = watch::channel(false);
    let queue = Arc::new(DiskQueue::default());
    let storage_thread = disk::spawn(opened.storage, queue.clone(), monitor.clone())?;
    let security = open_peer_tls(&monitor)?;
    let ports = peer_ports(&monitor.settings, &runtime, security, &peer_tx);
    if let Some(ports) = &ports {
        open_election_port(&monitor.settings, ports.election.clone());
    }
    let core_thread = driver::spawn(Driver {
        peer,
        router: Router::new(monitor.clone(), queue.clone(), ports),
        monitor: monitor.clone(),
        disk: queue.clone(),
        clients: client_rx,
        peers: peer_rx,
        queries: query_rx,
        stop: stop_rx,
    })?;
    let port = Arc::new(ClientPort::new(monitor.clone(), client_tx.clone()));
    for (listener, speaks) in client_listeners {
        tokio::spawn(client_port::run(port.clone(), listener, speaks));
    }
    if let Some(listener) = admin {
        tokio::spawn(admin::run(monitor.clone(), listener));
    }
    if let Some(listener) = metrics {
        tokio::spawn(admin::run_metrics(monitor.clone(), listener));
    }

    requested().await?;
    transfer::before_stop(&monitor).await;
    stop(stop_tx, core_thread, queue, storage_thread).await;
    // The channels must outlive the driver, which takes a closed one for an endless stream.
    drop((client_tx, peer_tx));
    Ok(())
}

/// Lets the core finish its turn and the disk everything it was given.
async fn stop(
    stop: watch::Sender<bool>,
    core: JoinHandle<()>,
    queue: Arc<DiskQueue>,
    storage: JoinHandle<()>,
) {
    stop.send_replace(true);
    let joined = tokio::task::spawn_blocking(move || {
        let core = core.join();
        queue.close();
        (core, storage.join())
    });
    match tokio::time::timeout(SHUTDOWN_MAX, joined).await {
        Ok(Ok((Ok(()), Ok(())))) => info!("stopped"),
        Ok(_) => fatal(exit_code::UNEXPECTED, "a thread ended by a panic"),
        Err(_) => warn!(
            "the disk did not finish within {} s",
            SHUTDOWN_MAX.as_secs()
        ),
    }
}

fn peer_config(clock: Clock, s: &Settings) -> PeerConfig {
    let (sid, membership) = match &s.mode {
        Mode::Standalone => (STANDALONE_SID, None),
        Mode::Ensemble { sid, membership } => (*sid, Some(membership.clone())),
    };
    PeerConfig {
        sid,
        membership,
        tick_ms: s.tick_ms,
        init_limit: s.init_limit,
        sync_limit: s.sync_limit,
        session_timeout_min_ms: s.sessions.timeout_min_ms,
        session_timeout_max_ms: s.sessions.timeout_max_ms,
        snap_count: s.snap_count,
        snap_bytes: s.snap_bytes,
        history_len: COMMITTED_LOG_LEN,
        seed: clock.seed(),
        auth: s.auth.clone(),
        sessions: s.sessions.kinds,
        kinds: s.kinds,
        roll_over_at: zk_core::config::ROLL_OVER_AT,
        hand_over: true,
        hold: s.hold,
        reconfig: s.reconfig,
        bugs: Bugs::default(),
    }
}

/// Opens the ports for clients and reads the keys for them.
async fn open_client_ports(
    monitor: &Arc<Monitor>,
) -> Result<Vec<(TcpListener, Speaks)>, ServeError> {
    let settings = &monitor.settings;
    let mut wanted: Vec<(&BindAddress, Speaks, &str)> = Vec::new();
    if let Some(at) = &settings.client {
        wanted.push((at, Speaks::Plain, ""));
    }
    if let Some(tls) = &settings.tls {
        let contexts = Arc::new(Contexts::open(tls.clone())?);
        let (subject, ends) = contexts.own_certificate();
        info!("TLS: the server is {subject} until {ends}");
        if tls.reload {
            tokio::spawn(client_tls::watch(contexts.clone(), monitor.clone()));
        }
        let acceptor = Arc::new(TlsAcceptor::new(contexts, settings));
        if tls.port_unification {
            for (_, speaks, with) in &mut wanted {
                (*speaks, *with) = (Speaks::Both(acceptor.clone()), ", plain or with TLS");
            }
        }
        if let Some(at) = &tls.secure_client {
            wanted.push((at, Speaks::Tls(acceptor), " with TLS"));
        }
    }
    let mut listeners = Vec::new();
    for (at, speaks, with) in wanted {
        let listener = listen(at, settings.client_backlog)
            .await
            .map_err(ServeError::ClientPort)?;
        info!("clients connect to {at}{with}");
        listeners.push((listener, speaks));
    }
    Ok(listeners)
}

async fn open_admin(monitor: &Monitor) -> Result<Option<tokio::net::TcpListener>, ServeError> {
    let Some(admin) = &monitor.settings.admin else {
        return Ok(None);
    };
    match (listen(&admin.bind, 128).await, &monitor.settings.mode) {
        (Ok(listener), _) => Ok(Some(listener)),
        (Err(e), Mode::Standalone) => Err(ServeError::AdminPort(e)),
        (Err(e), Mode::Ensemble { .. }) => {
            warn!("admin port: {e}; going on without it");
            Ok(None)
        }
    }
}

/// The listener of Prometheus's provider, beside the page of the admin port.
async fn open_metrics(monitor: &Monitor) -> Result<Option<TcpListener>, ServeError> {
    match &monitor.settings.metrics {
        MetricsProvider::Prometheus { bind, .. } => {
            let listener = listen(bind, 128).await.map_err(ServeError::MetricsPort)?;
            Ok(Some(listener))
        }
        MetricsProvider::Default | MetricsProvider::Null => Ok(None),
    }
}

/// Reads the keys for connections between servers.
fn open_peer_tls(monitor: &Arc<Monitor>) -> Result<PeerSecurity, ServeError> {
    let settings = &monitor.settings;
    let (Some(tls), Mode::Ensemble { .. }) = (&settings.peer_tls, &settings.mode) else {
        return Ok(PeerSecurity::default());
    };
    let contexts = Arc::new(Contexts::open(tls.keys.clone())?);
    let (subject, ends) = contexts.own_certificate();
    info!("TLS between servers: this one is {subject} until {ends}");
    if tls.keys.reload {
        tokio::spawn(client_tls::watch(contexts.clone(), monitor.clone()));
    }
    Ok(PeerSecurity::new(contexts, tls.dials, tls.takes_plain))
}

fn peer_ports(
    settings: &Settings,
    runtime: &Handle,
    security: PeerSecurity,
    to_core: &mpsc::Sender<PeerMessage>,
) -> Option<PeerPorts> {
    let Mode::Ensemble { sid, membership } = &settings.mode else {
        return None;
    };
    let auth = PeerAuth::new(settings.peer_auth.clone());
    let election = ElectionSettings {
        sid: *sid,
        membership: membership.clone(),
        connect_timeout: settings.election_connect_timeout,
        handshake_timeout: settings.election_handshake_timeout,
        security: security.clone(),
        auth: auth.clone(),
    };
    let field_len_max = quorum_port::field_len_max(settings.limits.jute_maxbuffer);
    let leader = LeaderPort {
        bind: own_bind(settings, |spec| spec.quorum_port)?,
        field_len_max,
        security: security.clone(),
        auth: auth.clone(),
        to_core: to_core.clone(),
    };
    Some(PeerPorts {
        election: ElectionPort::new(runtime.clone(), election, to_core.clone()),
        leader: LeaderSide::new(runtime.clone(), leader),
        learner: LearnerSide {
            runtime: runtime.clone(),
            retry_delay: settings.leader_connect_delay,
            field_len_max,
            security,
            auth,
            to_core: to_core.clone(),
        },
    })
}

/// Where this server listens for its peers.
fn own_bind(
    settings: &Settings,
    port: impl Fn(&zk_wire::membership::ServerSpec) -> u16,
) -> Option<BindAddress> {
    let Mode::Ensemble { sid, membership } = &settings.mode else {
        return None;
    };
    let own = membership.servers.get(sid)?;
    let port = port(own);
    if settings.quorum_listen_all || matches!(own.host.as_str(), "0.0.0.0" | "::") {
        return Some(BindAddress::All(port));
    }
    Some(BindAddress::Host(zk_wire::membership::HostPort {
        host: own.host.clone(),
        port,
    }))
}

fn open_election_port(settings: &Settings, election: Arc<ElectionPort>) {
    let Some(bind) = own_bind(settings, |spec| spec.election_port) else {
        return;
    };
    let attempts = settings.election_bind_attempts;
    tokio::spawn(async move {
        if let Err(e) = election_port::run(election, bind, attempts).await {
            let why = format!("{e}; quorumListenOnAllIPs and electionPortBindRetry may help");
            shutdown::fatal(exit_code::ELECTION_PORT, &why);
        }
    });
}
