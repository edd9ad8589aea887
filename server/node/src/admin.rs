//! The admin port: probes, metrics and the status that the operator reads.

mod commands;
mod form;
mod json;
mod log_level;
mod page;
mod privileged;
mod reconfig;
mod transfer;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, routing};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use zk_wire::election::ServerState;
use zk_wire::membership::Membership;

use crate::client_port::ClientPort;
use crate::metrics;
use crate::monitor::Monitor;
use crate::reload::InForce;

/// A core loop that did not turn for this long is stuck.
const STUCK_MS: u64 = 5000;

/// A member stays ready through an election that is shorter than this: taking it out of the Service
/// would cut connections that go on well afterwards.
const LEADERLESS_GRACE_MS: u64 = 10_000;

/// The answer of `/v1/status`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusPage {
    /// Version of the server.
    pub version: String,
    /// 0 in standalone mode.
    pub server_id: i64,
    /// Random text of this process: another one means that it has started again.
    pub life: String,
    /// `quorate.ensembleId`.
    pub ensemble_id: Option<String>,
    /// looking, leader, follower, observer or standalone.
    pub role: String,
    /// election, discovery, synchronization or broadcast.
    pub phase: String,
    /// Whether clients are served.
    pub serving: bool,
    /// Whether it has all that it ever acknowledged: whole, lost or damaged. It has no vote unless whole.
    pub history: String,
    /// Whether it is in no config that is in force: it follows without a vote.
    pub joining: bool,
    /// Id of the leader.
    pub leader: Option<i64>,
    /// currentEpoch.
    pub epoch: u32,
    /// Last transaction handed to the log.
    pub zxid_logged: String,
    /// Last transaction known to be committed.
    pub zxid_committed: String,
    /// Last transaction applied.
    pub zxid_applied: String,
    /// Digest of the tree at `zxid_applied`, 16 hexadecimal digits.
    pub digest: String,
    /// Number of znodes.
    pub nodes: u64,
    /// Number of sessions.
    pub sessions: u64,
    /// Client connections here.
    pub connections: u64,
    /// Watches here.
    pub watches: u64,
    /// Requests under way here.
    pub outstanding: u64,
    /// The members.
    pub config: ConfigPage,
    /// The settings that change while the server runs; `None`: none do.
    #[serde(default)]
    pub settings: Option<SettingsPage>,
    /// As leader: the learners.
    pub learners: Vec<LearnerPage>,
    /// Since the process began.
    pub uptime_ms: u64,
}

/// The membership that the member runs with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPage {
    /// Hexadecimal.
    pub version: String,
    /// Ids.
    pub voters: Vec<i64>,
    /// Ids.
    pub observers: Vec<i64>,
    /// Whether a change of the members is under way.
    pub proposed: bool,
    /// Ids of the voters that it would make.
    pub proposed_voters: Vec<i64>,
    /// The lines of the config in force, one for each member.
    pub members: Vec<String>,
}

impl ConfigPage {
    /// Of a server alone.
    fn of_none() -> Self {
        Self {
            version: "0".into(),
            voters: Vec::new(),
            observers: Vec::new(),
            proposed: false,
            proposed_voters: Vec::new(),
            members: Vec::new(),
        }
    }

    fn new(membership: &Membership, proposed: Option<&Membership>) -> Self {
        let ids = |config: &Membership| config.voters().map(|sid| sid.0).collect::<Vec<i64>>();
        let voters = ids(membership);
        let all = membership.servers.keys().map(|sid| sid.0);
        let lines = membership.lines().into_iter();
        Self {
            version: format!("{:x}", membership.version),
            observers: all.filter(|sid| !voters.contains(sid)).collect(),
            voters,
            proposed: proposed.is_some(),
            proposed_voters: proposed.map(ids).unwrap_or_default(),
            members: lines.filter(|line| line.starts_with("server.")).collect(),
        }
    }
}

/// What is in force of the file with the settings.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsPage {
    /// `quorate.settings.revision` of those in force.
    pub revision: String,
    /// Why those that the file has now are not taken.
    pub refused: Option<RefusalPage>,
    /// Keys whose new values wait for the next start.
    pub pending: Vec<String>,
}

/// Settings that are not taken.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalPage {
    /// Their revision, where it could be read.
    pub revision: Option<String>,
    /// What is wrong, where, and what to write instead.
    pub error: String,
}

impl SettingsPage {
    fn new(in_force: &InForce) -> Option<Self> {
        Some(Self {
            revision: in_force.settings.revision.clone()?,
            refused: in_force.refused.as_ref().map(|refusal| RefusalPage {
                revision: refusal.revision.clone(),
                error: refusal.error.clone(),
            }),
            pending: in_force.pending.clone(),
        })
    }
}

/// A learner as its leader sees it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnerPage {
    /// Id.
    pub server_id: i64,
    /// Whether its acknowledgements count.
    pub voter: bool,
    /// Whether it finished synchronization.
    pub synced: bool,
    /// Proposals that are not committed and that it has not acknowledged.
    pub lag: u64,
    /// Transactions that it is not known to have.
    pub lag_txns: u64,
    /// Age of the oldest of them, ms; it grows while nothing is heard of the learner.
    pub lag_ms: u64,
}

/// Serves until the task is ended.
///
/// # Errors
/// Those of the listener.
pub async fn run(clients: Arc<ClientPort>, listener: TcpListener) -> std::io::Result<()> {
    let monitor = clients.monitor.clone();
    let commands = monitor.settings.admin.as_ref();
    let commands = commands.map(|admin| commands::routes(&monitor, &admin.command_url));
    let reconfig = Router::new()
        .route("/v1/reconfig", routing::post(reconfig::post))
        .layer(DefaultBodyLimit::max(reconfig::BODY_LEN_MAX))
        .with_state(clients.clone());
    let app = Router::new()
        .route("/livez", routing::get(livez))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics_page))
        .route("/v1/status", routing::get(status))
        .route("/v1/leader/transfer", routing::post(transfer::post))
        .route("/v1/form", routing::post(form::post))
        .route(
            "/v1/log/level",
            routing::get(log_level::get).post(log_level::post),
        )
        .with_state(monitor)
        .merge(reconfig)
        .merge(page::routes(clients))
        .merge(commands.unwrap_or_default());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}

/// Serves only `/metrics`, where Apache's Prometheus provider has it.
///
/// # Errors
/// Those of the listener.
pub async fn run_metrics(monitor: Arc<Monitor>, listener: TcpListener) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", routing::get(metrics_page))
        .with_state(monitor);
    axum::serve(listener, app).await
}

async fn livez(State(monitor): State<Arc<Monitor>>) -> Response {
    let age_ms = monitor
        .clock
        .elapsed_ms()
        .saturating_sub(monitor.published().at_ms);
    if age_ms < STUCK_MS {
        return "ok".into_response();
    }
    let why = format!("the core loop did not turn for {age_ms} ms");
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn readyz(State(monitor): State<Arc<Monitor>>) -> Response {
    match unready(&monitor) {
        None => "ok".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

/// Why this member should get no clients; `None`: it may have them.
fn unready(monitor: &Monitor) -> Option<String> {
    let published = monitor.published();
    let now_ms = monitor.clock.elapsed_ms();
    if now_ms.saturating_sub(published.at_ms) >= STUCK_MS {
        return Some("the core loop is stuck".into());
    }
    let s = &published.status;
    if s.serving {
        return None;
    }
    let leaderless_ms = published.served_at_ms.map(|at| now_ms.saturating_sub(at));
    match leaderless_ms {
        Some(ms) if ms < LEADERLESS_GRACE_MS => None,
        _ => Some(format!(
            "not serving: {} in {}",
            role_name(monitor),
            s.phase.name()
        )),
    }
}

async fn metrics_page(State(monitor): State<Arc<Monitor>>) -> Response {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, metrics::prometheus_text(&monitor)).into_response()
}

async fn status(State(monitor): State<Arc<Monitor>>) -> Json<StatusPage> {
    Json(status_page(&monitor))
}

fn role_name(monitor: &Monitor) -> &'static str {
    Monitor::mode_name(&monitor.published().status).unwrap_or("looking")
}

fn status_page(monitor: &Monitor) -> StatusPage {
    let published = monitor.published();
    let s = &published.status;
    let (server_id, config) = match monitor.ensemble() {
        None => (0, ConfigPage::of_none()),
        Some((sid, membership)) => {
            let proposed = s.configs.as_ref().and_then(|c| c.proposed.as_ref());
            (sid.0, ConfigPage::new(&membership, proposed))
        }
    };
    let leads = s.state == ServerState::Leading && !s.standalone;
    let now = monitor.clock.now().mono;
    let learner = |l: &zk_core::status::LearnerStatus| LearnerPage {
        server_id: l.sid.0,
        voter: l.voter,
        synced: l.synced,
        lag: l.lag,
        lag_txns: l.lag_txns,
        lag_ms: l.lag_ms(now),
    };
    StatusPage {
        version: env!("CARGO_PKG_VERSION").into(),
        server_id,
        life: monitor.life.clone(),
        ensemble_id: monitor.settings.ensemble_id.clone(),
        role: role_name(monitor).into(),
        phase: s.phase.name().into(),
        serving: s.serving,
        history: s.history.name().into(),
        joining: s.joining,
        leader: s.leader.filter(|_| !s.standalone).map(|sid| sid.0),
        epoch: s.epoch.0,
        zxid_logged: s.zxid_logged.to_string(),
        zxid_committed: s.zxid_committed.to_string(),
        zxid_applied: s.zxid_applied.to_string(),
        digest: format!("{:016x}", s.digest),
        nodes: s.nodes,
        sessions: s.sessions,
        connections: monitor.connections(),
        watches: s.watches,
        outstanding: s.outstanding,
        config,
        settings: SettingsPage::new(&monitor.in_force()),
        learners: if leads {
            s.learners.iter().map(learner).collect()
        } else {
            Vec::new()
        },
        uptime_ms: monitor.clock.elapsed_ms(),
    }
}
