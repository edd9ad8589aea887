//! `GET /v1/overview`: everything that the page shows at once, but the tree.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use zk_wire::election::ServerState;

use super::members::{Member, View};
use super::talkers::{self, Talkers};
use super::{Shared, login};
use crate::admin::{StatusPage, status_page};
use crate::client_port::Client;
use crate::history::{Election, FsyncMinute, SlowFsync};
use crate::monitor::Monitor;

/// An overview is made anew after this long; however many ask, it costs no more.
const FRESH: Duration = Duration::from_millis(500);

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    /// When it was made, epoch ms of this server.
    at_ms: i64,
    /// As `/v1/status`.
    status: StatusPage,
    /// Where this server is, if somebody wrote that down.
    zone: Option<String>,
    /// For how long it has had its role, ms.
    role_ms: u64,
    /// The members; none of a server alone.
    members: Vec<Member>,
    /// Newest first.
    elections: Vec<Election>,
    fsync: Fsync,
    talkers: Talkers,
    limits: Vec<Limit>,
}

/// Flushes of the transaction log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fsync {
    count: u64,
    p50_ms: u64,
    p99_ms: u64,
    p999_ms: u64,
    max_ms: u64,
    /// Longer ones are slow (`fsync.warningthresholdms`).
    slow_ms: u64,
    /// How many were slow.
    slow_count: u64,
    /// The last slow ones, newest first.
    slow: Vec<SlowFsync>,
    /// The slowest of each minute, newest first.
    minutes: Vec<FsyncMinute>,
}

/// A limit, how near it is, and how often it was reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    /// Key of the configuration.
    key: &'static str,
    /// What is limited.
    what: &'static str,
    /// How much there is now; `None`: it is no amount.
    used: Option<u64>,
    /// `None`: no limit.
    max: Option<u64>,
    /// How often something was refused or had to wait; `None`: not counted.
    reached: Option<u64>,
}

/// The last overview and when it was made, since the process began.
#[derive(Debug, Default)]
pub(super) struct Overviews(Mutex<Option<(Duration, Arc<str>)>>);

impl Overviews {
    /// An overview as JSON that is not older than half a second.
    pub(super) fn current(&self, monitor: &Monitor) -> Arc<str> {
        let now = monitor.clock.elapsed();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, text)) = &*last
            && now.saturating_sub(*at) < FRESH
        {
            return text.clone();
        }
        // Its parts have no maps with keys that are no texts, which alone JSON cannot have.
        let text = serde_json::to_string(&overview(monitor)).unwrap_or_default();
        let text: Arc<str> = text.into();
        *last = Some((now, text.clone()));
        text
    }
}

/// Handles the request.
pub(super) async fn get(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = login::may_look(&shared, &headers).await {
        return *refusal;
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let text = shared.overviews.current(shared.monitor());
    (kind, text.to_string()).into_response()
}

fn overview(monitor: &Monitor) -> Overview {
    let published = monitor.published();
    let clients = monitor.clients();
    let settings = &monitor.settings;
    Overview {
        at_ms: monitor.clock.wall_ms(),
        status: status_page(monitor),
        zone: settings
            .zones
            .of(published.status.sid, published.status.sid)
            .map(str::to_owned),
        role_ms: published.role_ms,
        members: members(monitor),
        elections: monitor.history.elections(),
        fsync: fsync(monitor),
        talkers: Talkers::of(&clients),
        limits: limits(monitor, &clients),
    }
}

fn members(monitor: &Monitor) -> Vec<Member> {
    let status = &monitor.published().status;
    let Some(configs) = status.configs.as_ref() else {
        return Vec::new();
    };
    let leads = status.state == ServerState::Leading;
    let view = View {
        own: status.sid,
        serving: status.serving,
        leader: status.leader,
        learners: leads.then_some(status.learners.as_slice()),
        now: monitor.clock.now().mono,
        committed: &configs.committed,
        proposed: configs.proposed.as_ref(),
        zones: &monitor.settings.zones,
    };
    view.members()
}

fn fsync(monitor: &Monitor) -> Fsync {
    let summary = &monitor.metrics.fsync;
    let threshold = monitor.in_force().settings.fsync_warning.as_millis();
    Fsync {
        count: summary.count(),
        p50_ms: summary.quantile(500),
        p99_ms: summary.quantile(990),
        p999_ms: summary.quantile(999),
        max_ms: summary.max(),
        slow_ms: u64::try_from(threshold).unwrap_or(u64::MAX),
        slow_count: monitor.metrics.fsync_slow.value(),
        slow: monitor.history.slow_fsyncs(),
        minutes: monitor.history.fsync_minutes(),
    }
}

fn limits(monitor: &Monitor, clients: &[Arc<Client>]) -> Vec<Limit> {
    let (limits, metrics) = (&monitor.settings.limits, &monitor.metrics);
    let in_force = monitor.in_force();
    let outstanding = monitor.published().status.outstanding;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let rejected = metrics.connection_rejected.value();
    vec![
        Limit {
            key: "maxCnxns",
            what: "client connections",
            used: Some(monitor.connections()),
            max: in_force.settings.connections_max.map(count),
            reached: Some(rejected),
        },
        Limit {
            key: "maxClientCnxns",
            what: "connections of one address",
            used: Some(talkers::most_of_one_address(clients)),
            max: in_force.settings.connections_per_ip_max.map(count),
            reached: None,
        },
        Limit {
            key: "globalOutstandingLimit",
            what: "requests under way",
            used: Some(outstanding),
            max: Some(count(limits.outstanding_max)),
            reached: None,
        },
        Limit {
            key: "request_throttle_max_requests",
            what: "requests before others wait",
            used: Some(outstanding),
            max: limits.requests.max.map(count),
            reached: Some(metrics.request_throttle_wait_count.value()),
        },
        Limit {
            key: "largeRequestMaxBytes",
            what: "bytes of large requests",
            used: None,
            max: limits
                .large_requests
                .threshold
                .map(|_| limits.large_requests.max_bytes),
            reached: Some(metrics.large_requests_rejected.value()),
        },
        Limit {
            key: "jute.maxbuffer",
            what: "bytes of one request",
            used: None,
            max: Some(count(limits.jute_maxbuffer)),
            reached: None,
        },
    ]
}
