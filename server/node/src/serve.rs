//! `quorate serve`: one server, from its configuration to its end.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_telemetry::Log;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use zk_core::db::COMMITTED_LOG_LEN;
use zk_core::{Bugs, Peer, PeerConfig};
use zk_wire::Sid;
use zk_wire::membership::ServerSpec;

use crate::audit::Outcome;
use crate::client_port::{self, ClientMessage, ClientPort, Speaks};
use crate::clock::Clock;
use crate::config::{
    self, BindAddress, ConfigError, Flags, MetricsProvider, Mode, PodIdentity, Settings,
};
use crate::disk::{self, DiskQueue};
use crate::driver::{self, Driver, QUEUE_LEN};
use crate::election_port::{self, ElectionPort, ElectionSettings};
use crate::listen::listen;
use crate::members;
use crate::messages::PeerMessage;
use crate::metrics;
use crate::monitor::Monitor;
use crate::peer_auth::PeerAuth;
use crate::query::Queries;
use crate::quorum_port::{self, LeaderPort, LeaderSide, LearnerSide};
use crate::reload;
use crate::router::{PeerPorts, Router};
use crate::shutdown::{self, SHUTDOWN_MAX, exit_code, fatal};
use crate::tellers::{TellError, Tellers};
use crate::tls::{self as client_tls, Contexts, Listener, PeerSecurity, StoreError, TlsAcceptor};
use crate::{admin, shutdown::requested, transfer};

/// Between attempts to open the client port at a new address.
const REBIND_PAUSE: Duration = Duration::from_secs(1);

/// How long a pod waits for another process to leave its data directory: longer than a server may take
/// to stop, and less than what makes a container's restarts slow.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether it is free.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

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
    /// The audit log, traces.
    #[error(transparent)]
    Tell(#[from] TellError),
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
            Self::ClientPort(_)
            | Self::Tell(_)
            | Self::MetricsPort(_)
            | Self::Tls(_)
            | Self::System(_) => exit_code::UNEXPECTED,
        }
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// It cannot start.
pub fn run(config: &Path, pod: Option<&PodIdentity>, log: &Log) -> Result<(), ServeError> {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // A pod that is deleted by force may come back elsewhere while its last process still ends.
    let patience = pod.map_or(Duration::ZERO, |_| LOCK_PATIENCE);
    let mut told = false;
    let outcome = loop {
        let settings = Settings::load(config, pod, &Flags::from_environment())?;
        if !told {
            for warning in &settings.warnings {
                warn!("{}: {warning}", config.display());
            }
        }
        let life = serve(clock, settings, pod, log.clone(), runtime.handle().clone());
        let outcome = runtime.block_on(life);
        match outcome {
            // The settings are read anew: the other process may have written down other members.
            Err(ServeError::Storage(locked)) if locked.is_lock() && clock.elapsed() < patience => {
                if !told {
                    warn!("{locked}; waits {} s for it to end", patience.as_secs());
                }
                told = true;
                std::thread::sleep(LOCK_PAUSE);
            }
            other => break other,
        }
    };
    runtime.shutdown_background();
    outcome
}

async fn serve(
    clock: Clock,
    settings: Settings,
    pod: Option<&PodIdentity>,
    log: Log,
    runtime: Handle,
) -> Result<(), ServeError> {
    let opened = disk::open(&settings, clock)?;
    if let Mode::Ensemble { sid, .. } = &settings.mode {
        config::settle_my_id(&settings.data_dir, *sid)?;
        config::settle_members(&settings)?;
    }
    let tellers = Tellers::start(&settings, pod, log, clock, &runtime)?;
    let outcome = serve_told(clock, settings, opened, pod, tellers.clone(), runtime).await;
    tellers.end(outcome.is_ok()).await;
    outcome
}

async fn serve_told(
    clock: Clock,
    settings: Settings,
    opened: disk::Opened,
    pod: Option<&PodIdentity>,
    tellers: Tellers,
    runtime: Handle,
) -> Result<(), ServeError> {
    let now = clock.now();
    let peer = Peer::new(peer_config(clock, &settings), opened.recovery, now);
    let (queries, query_rx) = Queries::channel();
    let monitor = Arc::new(Monitor::new(
        clock,
        settings,
        peer.status(),
        queries,
        tellers,
    ));
    opened.told.show(&monitor.metrics);
    tokio::spawn(metrics::watch_space(monitor.clone()));
    let admin = open_admin(&monitor).await?;
    let metrics_port = open_metrics(&monitor).await?;
    let mut client_ports = open_client_ports(&monitor).await?;
    if members::at_start(&monitor.settings).is_none() {
        client_ports.fix();
    }

    let (client_tx, client_rx) = mpsc::channel::<ClientMessage>(QUEUE_LEN);
    let (peer_tx, peer_rx) = mpsc::channel::<PeerMessage>(QUEUE_LEN);
    let (stop_tx, stop_rx) = watch::channel(false);
    let queue = Arc::new(DiskQueue::default());
    let storage_thread = disk::spawn(opened.storage, queue.clone(), monitor.clone())?;
    let security = open_peer_tls(&monitor)?;
    let ports = peer_ports(&monitor.settings, &runtime, security, &peer_tx);
    if let Some(ports) = &ports {
        open_election_port(&monitor.settings, ports);
    }
    let client_bind = ports.as_ref().map(|ports| ports.client_bind.subscribe());
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
    if let (Some(at), Some(speaks)) = (client_bind, client_ports.plain) {
        let listener = client_ports.listener;
        tokio::spawn(follow_client_address(port.clone(), speaks, listener, at));
    }
    for (listener, speaks) in client_ports.fixed {
        tokio::spawn(client_port::run(port.clone(), listener, speaks));
    }
    if let Some(listener) = admin {
        tokio::spawn(admin::run(port.clone(), listener));
    }
    if let Some(listener) = metrics_port {
        tokio::spawn(admin::run_metrics(monitor.clone(), listener));
    }
    if monitor.settings.runtime.revision.is_some() {
        tokio::spawn(reload::watch(monitor.clone(), pod.cloned()));
    }

    monitor
        .tellers
        .audit
        .server("serverStart", Outcome::Success);
    requested().await?;
    transfer::before_stop(&monitor).await;
    monitor.tellers.audit.server("serverStop", Outcome::Invoked);
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
        proposed: s.proposed.clone(),
        joining: s.joining.as_ref().map(|line| line.role),
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
        observer_masters: s.observer_master_port.is_some(),
        hand_over: s.hand_over,
        hold: s.hold,
        reconfig: s.reconfig,
        audit: s.audit.is_some(),
        bugs: Bugs::default(),
    }
}

/// The ports for clients.
struct ClientListeners {
    /// What the port speaks that moves with the members; `None` where it stays closed.
    plain: Option<Speaks>,
    /// That port, where it is open from the start.
    listener: Option<TcpListener>,
    /// The others.
    fixed: Vec<(TcpListener, Speaks)>,
}

impl ClientListeners {
    /// There are no members: nothing moves.
    fn fix(&mut self) {
        self.fixed
            .extend(self.listener.take().zip(self.plain.take()));
    }
}

/// Opens the ports for clients and reads the keys for them.
async fn open_client_ports(monitor: &Arc<Monitor>) -> Result<ClientListeners, ServeError> {
    let settings = &monitor.settings;
    let (mut plain, mut with) = (Speaks::Plain, "");
    let mut secure = None;
    if let Some(tls) = &settings.tls {
        let contexts = Arc::new(Contexts::open(tls.clone())?);
        let (subject, ends) = contexts.own_certificate();
        info!("TLS: the server is {subject} until {ends}");
        let listener = Listener::Client;
        contexts.show_validity(listener.validity(&monitor.metrics));
        if tls.reload {
            let watch = client_tls::watch(contexts.clone(), monitor.clone(), listener);
            tokio::spawn(watch);
        }
        let acceptor = Arc::new(TlsAcceptor::new(contexts, settings));
        if tls.port_unification {
            (plain, with) = (Speaks::Both(acceptor.clone()), ", plain or with TLS");
        }
        secure = tls.secure_client.as_ref().zip(Some(acceptor));
    }
    let open = async |at: &BindAddress, with: &str| {
        let listener = listen(at, settings.client_backlog).await;
        let listener = listener.map_err(ServeError::ClientPort)?;
        info!("clients connect to {at}{with}");
        Ok::<_, ServeError>(listener)
    };
    let plain_at = settings.client.as_ref();
    let listener = match plain_at.filter(|_| settings.plain_client_port) {
        Some(at) => Some(open(at, with).await?),
        None => None,
    };
    let mut fixed = Vec::new();
    if let Some((at, acceptor)) = secure {
        fixed.push((open(at, " with TLS").await?, Speaks::Tls(acceptor)));
    }
    Ok(ClientListeners {
        plain: settings.plain_client_port.then_some(plain),
        listener,
        fixed,
    })
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
    let listener = Listener::Quorum;
    contexts.show_validity(listener.validity(&monitor.metrics));
    if tls.keys.reload {
        let watch = client_tls::watch(contexts.clone(), monitor.clone(), listener);
        tokio::spawn(watch);
    }
    Ok(PeerSecurity::new(contexts, tls.dials, tls.takes_plain))
}

fn peer_ports(
    settings: &Settings,
    runtime: &Handle,
    security: PeerSecurity,
    to_core: &mpsc::Sender<PeerMessage>,
) -> Option<PeerPorts> {
    let (sid, configs) = members::at_start(settings)?;
    // Its line is in no list while it joins.
    let joining = settings.joining.as_ref();
    let auth = PeerAuth::new(settings.peer_auth.clone());
    let election = ElectionSettings {
        sid,
        addresses: members::election_addresses(sid, &configs, joining),
        connect_timeout: settings.election_connect_timeout,
        handshake_timeout: settings.election_handshake_timeout,
        security: security.clone(),
        auth: auth.clone(),
    };
    let field_len_max = quorum_port::field_len_max(settings.limits.jute_maxbuffer);
    let listen_all = settings.quorum_listen_all;
    let line = configs.committed.servers.get(&sid).or(joining)?.clone();
    let own = |port: fn(&ServerSpec) -> u16| members::bind_of(&line, listen_all, port);
    let leader = LeaderPort {
        name: "quorum port",
        bind_pause: quorum_port::QUORUM_BIND_PAUSE,
        bind: own(|spec| spec.quorum_port),
        field_len_max,
        security: security.clone(),
        auth: auth.clone(),
        to_core: to_core.clone(),
    };
    let leader = LeaderSide::new(runtime.clone(), leader);
    let master = settings.observer_master_port.map(|port| {
        let bind = members::bind_of(&line, listen_all, |_| port);
        let master = LeaderPort {
            name: "observerMasterPort",
            bind_pause: quorum_port::OBSERVER_BIND_PAUSE,
            bind,
            field_len_max,
            security: security.clone(),
            auth: auth.clone(),
            to_core: to_core.clone(),
        };
        (port, leader.beside(master))
    });
    Some(PeerPorts {
        sid,
        listen_all,
        election_bind: watch::Sender::new(Some(own(|spec| spec.election_port))),
        client_bind: watch::Sender::new(settings.client.clone()),
        election: ElectionPort::new(runtime.clone(), election, to_core.clone()),
        leader,
        master,
        learner: LearnerSide {
            runtime: runtime.clone(),
            retry_delay: settings.leader_connect_delay,
            field_len_max,
            security,
            auth,
            to_core: to_core.clone(),
        },
        configs,
    })
}

/// Keeps the election port where the members say that it is.
fn open_election_port(settings: &Settings, ports: &PeerPorts) {
    let (election, mut at) = (ports.election.clone(), ports.election_bind.subscribe());
    let attempts = settings.election_bind_attempts;
    tokio::spawn(async move {
        loop {
            let Some(bind) = at.borrow_and_update().clone() else {
                return;
            };
            tokio::select! {
                ended = election_port::run(election.clone(), bind, attempts) => {
                    if let Err(e) = ended {
                        let why =
                            format!("{e}; quorumListenOnAllIPs and electionPortBindRetry may help");
                        shutdown::fatal(exit_code::ELECTION_PORT, &why);
                    }
                    return;
                }
                changed = at.changed() => if changed.is_err() {
                    return;
                }
            }
        }
    });
}

/// Serves clients where the members say, from `listener` on; connections that are there stay.
async fn follow_client_address(
    port: Arc<ClientPort>,
    speaks: Speaks,
    mut listener: Option<TcpListener>,
    mut at: watch::Receiver<Option<BindAddress>>,
) {
    let backlog = port.monitor.settings.client_backlog;
    loop {
        let accepting = async {
            match listener.take() {
                Some(listener) => client_port::run(port.clone(), listener, speaks.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = accepting => return,
            changed = at.changed() => if changed.is_err() {
                return;
            }
        }
        listener = loop {
            let Some(bind) = at.borrow_and_update().clone() else {
                break None;
            };
            match listen(&bind, backlog).await {
                Ok(listener) => {
                    info!("clients connect to {bind} now");
                    break Some(listener);
                }
                Err(e) => warn!("client port: {e}; trying again"),
            }
            tokio::time::sleep(REBIND_PAUSE).await;
        };
    }
}
