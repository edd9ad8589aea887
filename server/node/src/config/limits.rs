//! How much clients may ask for.
//!
//! Source: sections 3.4 and 8 of the keys of Apache ZooKeeper 3.9: `ZooKeeperServer`,
//! `RequestThrottler`, `BlueThrottle`.

use std::time::Duration;

use super::error::ConfigError;
use super::reader::Reader;
use super::settings::{Mode, ms, to_usize};

/// Longest `jute.maxbuffer`, bytes: a frame's length is a positive 32-bit number.
const MAXBUFFER_MAX: i64 = 0x7fff_0000;

/// The limits of the client port that hold from a start to the next; the others are in `runtime`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// `globalOutstandingLimit`, as it applies to this server: requests of clients under way at
    /// once, before reading stops.
    pub outstanding_max: usize,
    /// `jute.maxbuffer`: longest frame of a client, bytes.
    pub jute_maxbuffer: usize,
    /// `jute.maxbuffer.extrasize`: what records of the log and between servers may have on top.
    pub jute_extra: usize,
    /// Holding requests back.
    pub requests: RequestThrottle,
    /// Large requests at once.
    pub large_requests: LargeRequests,
    /// New connections per time.
    pub connections: ConnectionThrottle,
    /// `netty.server.outstandingHandshake.limit`: TLS handshakes at once; `None`: no limit.
    pub handshakes_max: Option<usize>,
}

/// `RequestThrottler`: requests wait before they enter the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestThrottle {
    /// `request_throttle_max_requests`: under way at once; `None`: off.
    pub max: Option<usize>,
    /// `request_throttle_stall_time`: how often a waiting request looks again.
    pub stall: Duration,
    /// `request_throttle_drop_stale`: stale ones are dropped, with their connection.
    pub drop_stale: bool,
    /// `request_stale_latency_check`: older than the session's time-out is stale.
    pub stale_by_latency: bool,
    /// `request_stale_connection_check`: of a closed connection is stale.
    pub stale_by_connection: bool,
    /// `throttled_op_wait_time`: who waited longer is answered THROTTLEDOP; `None`: off.
    pub throttled_op_wait: Option<Duration>,
}

/// Large requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeRequests {
    /// `largeRequestThreshold`, bytes: longer is large; `None`: off.
    pub threshold: Option<u64>,
    /// `largeRequestMaxBytes`: sum of those in progress.
    pub max_bytes: u64,
}

/// `BlueThrottle`: tokens for connect requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionThrottle {
    /// `connection_throttle_tokens`: size of the bucket; `None`: off.
    pub tokens: Option<u64>,
    /// `connection_throttle_fill_time`, ms.
    pub fill_time_ms: u64,
    /// `connection_throttle_fill_count`: tokens per fill time.
    pub fill_count: u64,
    /// `connection_throttle_freeze_time`, ms: how often the chance of dropping changes; `None`: it
    /// does not.
    pub freeze_time_ms: Option<u64>,
    /// `connection_throttle_drop_increase`.
    pub drop_increase: f64,
    /// `connection_throttle_drop_decrease`.
    pub drop_decrease: f64,
    /// `connection_throttle_decrease_ratio`.
    pub decrease_ratio: f64,
    /// `connection_throttle_weight_enabled` and the weights; `None`: each costs one token.
    pub weights: Option<SessionWeights>,
}

/// Tokens that a connect request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionWeights {
    /// `connection_throttle_global_session_weight`: a new global session.
    pub global: u64,
    /// `connection_throttle_local_session_weight`: a new local session.
    pub local: u64,
    /// `connection_throttle_renew_session_weight`: a session that comes back.
    pub renew: u64,
}

impl Limits {
    pub(super) fn read(r: &Reader, mode: &Mode) -> Result<Self, ConfigError> {
        let maxbuffer = r.int("jute.maxbuffer", 0xf_ffff, 1024..=MAXBUFFER_MAX, "1048575")?;
        let extra = r.int(
            "jute.maxbuffer.extrasize",
            maxbuffer,
            0..=MAXBUFFER_MAX,
            "1048575",
        )?;
        Ok(Self {
            outstanding_max: outstanding(r, mode)?,
            jute_maxbuffer: to_usize(maxbuffer.unsigned_abs()),
            jute_extra: to_usize(extra.max(1024).unsigned_abs()),
            requests: requests(r)?,
            large_requests: LargeRequests {
                threshold: r.count_or_off("largeRequestThreshold", -1, "-1")?,
                max_bytes: r.count("largeRequestMaxBytes", 100 << 20, 1, "104857600")?,
            },
            connections: connections(r)?,
            handshakes_max: r
                .count_or_off("netty.server.outstandingHandshake.limit", -1, "250")?
                .map(to_usize),
        })
    }
}

fn requests(r: &Reader) -> Result<RequestThrottle, ConfigError> {
    let wait = r.count_or_off("throttled_op_wait_time", 0, "0")?;
    Ok(RequestThrottle {
        max: r
            .count_or_off("request_throttle_max_requests", 0, "0")?
            .map(to_usize),
        stall: ms(r.count("request_throttle_stall_time", 100, 1, "100")?),
        drop_stale: r.flag("request_throttle_drop_stale", true)?,
        stale_by_latency: r.flag("request_stale_latency_check", false)?,
        stale_by_connection: r.flag("request_stale_connection_check", true)?,
        throttled_op_wait: wait.map(ms),
    })
}

fn connections(r: &Reader) -> Result<ConnectionThrottle, ConfigError> {
    let weights = SessionWeights {
        global: r.count("connection_throttle_global_session_weight", 3, 1, "3")?,
        local: r.count("connection_throttle_local_session_weight", 1, 1, "1")?,
        renew: r.count("connection_throttle_renew_session_weight", 2, 1, "2")?,
    };
    let weighted = r.flag("connection_throttle_weight_enabled", false)?;
    Ok(ConnectionThrottle {
        tokens: r.count_or_off("connection_throttle_tokens", 0, "0")?,
        fill_time_ms: r.count("connection_throttle_fill_time", 1, 1, "1")?,
        fill_count: r.count("connection_throttle_fill_count", 1, 1, "1")?,
        freeze_time_ms: r.count_or_off("connection_throttle_freeze_time", -1, "-1")?,
        drop_increase: r.ratio("connection_throttle_drop_increase", 0.02)?,
        drop_decrease: r.ratio("connection_throttle_drop_decrease", 0.002)?,
        decrease_ratio: r.ratio("connection_throttle_decrease_ratio", 0.0)?,
        weights: weighted.then_some(weights),
    })
}

/// The same formula on every member (`ZooKeeperServer.getInflight` and its callers).
fn outstanding(r: &Reader, mode: &Mode) -> Result<usize, ConfigError> {
    let limit = to_usize(r.count("globalOutstandingLimit", 1000, 1, "1000")?);
    let voters = match mode {
        Mode::Standalone => 1,
        Mode::Ensemble { membership, .. } => membership.voters().count(),
    };
    Ok(if voters > 2 {
        (limit / (voters - 1)).max(1)
    } else {
        limit
    })
}
