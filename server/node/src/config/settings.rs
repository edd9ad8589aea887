//! The settings, typed and checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zk_core::{AuthSettings, HoldSettings, NodeKinds, ReconfigSettings, SessionKinds};
use zk_wire::Sid;
use zk_wire::membership::{HostPort, Membership, ServerSpec};

use super::audit::{self, AuditSettings};
use super::auth::{self, PeerAuthSettings};
use super::dynamic::read_next;
use super::error::ConfigError;
use super::flags::Flags;
use super::identity::PodIdentity;
use super::limits::Limits;
use super::members::{client_address, found_in, mode, of_dynamic};
use super::members_file;
use super::monitoring::{self, AdminSettings, MetricsProvider};
use super::reader::Reader;
use super::runtime::RuntimeSettings;
use super::tls::{self, PeerTlsSettings, TlsSettings};
use super::traces::{self, TraceSettings};
use super::zones::Zones;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindAddress {
    /// All addresses of the machine, of both families where it has them.
    All(u16),
    /// One host, resolved before each attempt.
    Host(HostPort),
}

impl std::fmt::Display for BindAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All(port) => write!(f, "*:{port}"),
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// Alone or in an ensemble.
#[derive(Debug, Clone)]
pub enum Mode {
    /// One server without election and epochs.
    Standalone,
    /// A member.
    Ensemble {
        /// Own id.
        sid: Sid,
        /// All members.
        membership: Membership,
    },
}

/// Where the members were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersFrom {
    /// In the server lines of `zoo.cfg`, or nowhere.
    Lines,
    /// In the file that `dynamicConfigFile` names.
    Dynamic(PathBuf),
    /// In the file that `quorate.members.file` names.
    File(PathBuf),
    /// In the server lines of `zoo.cfg`, which are newer than that file.
    LinesBeside(PathBuf),
}

impl MembersFrom {
    /// The file of `quorate.members.file`, which is written when the members change.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::LinesBeside(file) => Some(file),
            Self::Lines | Self::Dynamic(_) => None,
        }
    }
}

/// How long sessions may be silent, and which kinds there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// `minSessionTimeout`, ms.
    pub timeout_min_ms: i32,
    /// `maxSessionTimeout`, ms.
    pub timeout_max_ms: i32,
    /// Local sessions, read-only mode.
    pub kinds: SessionKinds,
}

/// Everything that a server is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Standalone or member.
    pub mode: Mode,
    /// The members that were proposed last, where they are newer than those of the file.
    pub proposed: Option<Membership>,
    /// `dataDir`.
    pub data_dir: PathBuf,
    /// `dataLogDir`.
    pub data_log_dir: PathBuf,
    /// The client listener; `None`: no clients.
    pub client: Option<BindAddress>,
    /// `quorate.plainClientPort`: the port of `client` is opened.
    pub plain_client_port: bool,
    /// `clientPortListenBacklog`.
    pub client_backlog: u32,
    /// What clients may ask for.
    pub limits: Limits,
    /// TLS of clients; `None`: no port speaks it.
    pub tls: Option<TlsSettings>,
    /// TLS between servers; `None`: they speak plainly.
    pub peer_tls: Option<PeerTlsSettings>,
    /// How servers prove who they are; `None`: they do not.
    pub peer_auth: Option<PeerAuthSettings>,
    /// Who clients can be.
    pub auth: AuthSettings,
    /// Sessions.
    pub sessions: SessionSettings,
    /// Containers, TTL nodes, quotas.
    pub kinds: NodeKinds,
    /// What clients may leave here while there is no leader.
    pub hold: HoldSettings,
    /// Whether the lead is passed on without an election.
    pub hand_over: bool,
    /// What reconfig may do.
    pub reconfig: ReconfigSettings,
    /// `tickTime`, ms.
    pub tick_ms: u64,
    /// `initLimit`, ticks.
    pub init_limit: u64,
    /// `syncLimit`, ticks.
    pub sync_limit: u64,
    /// `snapCount`, transactions.
    pub snap_count: u64,
    /// `snapSizeLimitInKb` in bytes; [`u64::MAX`] when off.
    pub snap_bytes: u64,
    /// `preAllocSize` in bytes.
    pub preallocate_bytes: u64,
    /// `datadir.autocreate`.
    pub create_data_dir: bool,
    /// `db.autocreate`.
    pub create_database: bool,
    /// `snapshotSizeFactor`; `None` when negative: the log on disk is not read for learners.
    pub diff_factor: Option<f64>,
    /// `autopurge.snapRetainCount`, or `None` when `autopurge.purgeInterval` is 0.
    pub retain: Option<usize>,
    /// `quorumListenOnAllIPs`.
    pub quorum_listen_all: bool,
    /// `observerMasterPort`: followers serve observers there.
    pub observer_master_port: Option<u16>,
    /// `cnxTimeout`.
    pub election_connect_timeout: Duration,
    /// `quorumCnxnTimeoutMs`, or syncLimit ticks.
    pub election_handshake_timeout: Duration,
    /// `electionPortBindRetry`; `None`: for ever.
    pub election_bind_attempts: Option<u32>,
    /// `leaderConnectDelayDuringRetryMs`.
    pub leader_connect_delay: Duration,
    /// What may change while the server runs, as it is at the start.
    pub runtime: RuntimeSettings,
    /// Traces of requests; `None`: there are none.
    pub traces: Option<TraceSettings>,
    /// The audit log; `None`: there is none.
    pub audit: Option<AuditSettings>,
    /// `None` when `admin.enableServer=false`.
    pub admin: Option<AdminSettings>,
    /// How metrics are spelled and where they are.
    pub metrics: MetricsProvider,
    /// Where the members were found.
    pub members_from: MembersFrom,
    /// The members that were found there, also where they make this a server alone.
    pub members_found: Membership,
    /// The own line of a server that is in no list and joins; nobody else knows it.
    pub joining: Option<ServerSpec>,
    /// What a Java server would have as system properties, secrets hidden.
    pub properties: BTreeMap<String, String>,
    /// The text of the file, for `initial_configuration`.
    pub text: String,
    /// `quorate.ensembleId`.
    pub ensemble_id: Option<String>,
    /// Where the members are.
    pub zones: Zones,
    /// To be logged once.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads and checks the file; `flags` are the definitions beside it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(
        path: &Path,
        pod: Option<&PodIdentity>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let reader = Reader::new(path, &text, flags);
        let dynamic = match reader.text("dynamicConfigFile") {
            Some(file) => {
                let file = path.parent().unwrap_or(Path::new("")).join(file);
                let text = read_text(&file).map_err(|e| of_dynamic(&file, e))?;
                Some(Reader::new(&file, &text, &Flags::default()))
            }
            None => None,
        };
        let mut settings = Self::build(&reader, dynamic.as_ref(), pod)?;
        settings.warnings.extend(reader.judge_rest()?);
        settings.text = text;
        let version = match &settings.mode {
            Mode::Standalone => i64::MAX,
            Mode::Ensemble { membership, .. } => membership.version,
        };
        let next = match settings.members_from.file() {
            Some(file) => members_file::read_next(file),
            None => read_next(path),
        };
        settings.proposed = next.filter(|next| next.version > version);
        Ok(settings)
    }

    fn build(
        r: &Reader,
        dynamic: Option<&Reader>,
        pod: Option<&PodIdentity>,
    ) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let data_dir = data_dir(r)?;
        let tick_ms = r.count("tickTime", 3000, 1, "2000")?;
        let sessions = sessions(r, tick_ms)?;
        let (members, members_from) = found_in(r, dynamic)?;
        let members_found = members.clone();
        let (mode, joining) = mode(r, (members, &members_from), &data_dir, pod, &mut warnings)?;
        let (init_limit, sync_limit) =
            (limit(r, &mode, "initLimit")?, limit(r, &mode, "syncLimit")?);
        let client = client_address(r, &mode, joining.as_ref())?;
        let bind_attempts = r.count("electionPortBindRetry", 3, 0, "3")?;
        let retain = retention(r, &mut warnings)?;
        let tls = tls::read(r)?;
        let has_secure_port = tls.as_ref().is_some_and(|t| t.secure_client.is_some());
        Ok(Self {
            path: r.path().to_owned(),
            reconfig: reconfig(r, &mode, &members_from)?,
            members_from,
            members_found,
            joining,
            proposed: None,
            data_log_dir: r
                .text("dataLogDir")
                .map_or_else(|| data_dir.clone(), PathBuf::from),
            data_dir,
            client,
            plain_client_port: plain_client_port(r, has_secure_port)?,
            client_backlog: backlog(r)?,
            limits: Limits::read(r, &mode)?,
            peer_auth: auth::read_peers(r)?,
            auth: auth::read(r, has_secure_port)?,
            tls,
            peer_tls: tls::read_peers(r)?,
            sessions,
            kinds: node_kinds(r)?,
            hold: hold(r)?,
            hand_over: r.flag("quorate.handOver", true)?,
            tick_ms,
            init_limit,
            sync_limit,
            snap_count: r.count("snapCount", 100_000, 2, "100000")?,
            snap_bytes: snap_bytes(r)?,
            preallocate_bytes: r
                .count("preAllocSize", 65_536, 0, "65536")?
                .saturating_mul(1024),
            create_data_dir: r.flag("datadir.autocreate", true)?,
            create_database: r.flag("db.autocreate", true)?,
            diff_factor: diff_factor(r)?,
            retain,
            quorum_listen_all: r.flag("quorumListenOnAllIPs", false)?,
            observer_master_port: r.port("observerMasterPort")?,
            election_connect_timeout: ms(r.count("cnxTimeout", 5000, 1, "5000")?),
            election_handshake_timeout: handshake_timeout(r, tick_ms, sync_limit)?,
            election_bind_attempts: u32::try_from(bind_attempts).ok().filter(|n| *n != 0),
            leader_connect_delay: ms(r.count("leaderConnectDelayDuringRetryMs", 100, 1, "100")?),
            runtime: RuntimeSettings::read(r, sessions.kinds.read_only_mode)?,
            audit: audit::read(r)?,
            traces: traces::read(r)?,
            admin: monitoring::admin(r)?,
            metrics: monitoring::metrics(r)?,
            properties: r.properties(),
            text: String::new(),
            ensemble_id: r.text("quorate.ensembleId").map(str::to_owned),
            zones: Zones::read(r)?,
            mode,
            warnings,
        })
    }
}

/// Reads a file of the configuration.
///
/// # Errors
/// It cannot be read.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Io {
        path: path.to_owned(),
        op: "read",
        source,
    };
    std::fs::read(path).map(|raw| latin1(&raw)).map_err(failed)
}

fn data_dir(r: &Reader) -> Result<PathBuf, ConfigError> {
    let found = r.text("dataDir").map(PathBuf::from);
    found.ok_or(ConfigError::MissingKey {
        path: r.path().to_owned(),
        key: "dataDir",
        remedy: "write for example dataDir=/data",
    })
}

/// Apache's 50 makes clients that reconnect all at once wait for SYN retries.
const DEFAULT_BACKLOG: u32 = 1024;

/// As Apache: above 1 is the default.
fn diff_factor(r: &Reader) -> Result<Option<f64>, ConfigError> {
    let key = "snapshotSizeFactor";
    let Some(text) = r.text(key) else {
        return Ok(Some(zk_storage::DIFF_FACTOR));
    };
    match text.trim().parse::<f64>() {
        Ok(factor) if factor < 0.0 => Ok(None),
        Ok(factor) if factor <= 1.0 => Ok(Some(factor)),
        Ok(factor) if factor > 1.0 => Ok(Some(zk_storage::DIFF_FACTOR)),
        _ => Err(r.bad(key, "write a number from 0 to 1, or -1 for no such reading")),
    }
}

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// `.properties` files are ISO-8859-1, where each byte is the character of that number; people
/// write UTF-8 all the same, which is taken when it is valid.
pub(super) fn latin1(raw: &[u8]) -> String {
    String::from_utf8(raw.to_vec())
        .unwrap_or_else(|_| raw.iter().map(|byte| char::from(*byte)).collect())
}

fn sessions(r: &Reader, tick_ms: u64) -> Result<SessionSettings, ConfigError> {
    let ticks = |n: i64| i64::try_from(tick_ms).unwrap_or(i64::MAX).saturating_mul(n);
    let bound = |key, default: i64| -> Result<i32, ConfigError> {
        let value = r.int(key, -1, -1..=i64::from(i32::MAX), "4000")?;
        let value = if value == -1 { default } else { value };
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    };
    let min = bound("minSessionTimeout", ticks(2))?;
    let max = bound("maxSessionTimeout", ticks(20))?;
    if min > max {
        let path = r.path().to_owned();
        let why = format!(
            "minSessionTimeout ({min} ms) is above maxSessionTimeout ({max} ms); unset ones are 2 \
             and 20 times tickTime; raise maxSessionTimeout"
        );
        return Err(ConfigError::Contradiction { path, why });
    }
    Ok(SessionSettings {
        timeout_min_ms: min,
        timeout_max_ms: max,
        kinds: SessionKinds {
            local: r.flag("localSessionsEnabled", false)?,
            local_upgrading: r.flag("localSessionsUpgradingEnabled", false)?,
            read_only_mode: r.flag("readonlymode.enabled", false)?,
        },
    })
}

/// Bounds of what is held for clients between two leaders.
fn hold(r: &Reader) -> Result<HoldSettings, ConfigError> {
    let default = HoldSettings::default();
    Ok(HoldSettings {
        time_max_ms: r.count("quorate.hold.timeMaxMs", default.time_max_ms, 0, "10000")?,
        requests_max: r.count("quorate.hold.requestsMax", default.requests_max, 1, "10000")?,
        bytes_max: r.count("quorate.hold.bytesMax", default.bytes_max, 1, "67108864")?,
    })
}

fn reconfig(
    r: &Reader,
    mode: &Mode,
    members_from: &MembersFrom,
) -> Result<ReconfigSettings, ConfigError> {
    let members = matches!(mode, Mode::Ensemble { .. });
    // Where nothing is said, the first config keeps version 0, so that Apache servers without
    // reconfigEnabled can be members and lead.
    Ok(ReconfigSettings {
        enabled: r.flag("reconfigEnabled", members)?,
        first_version: r.flag("reconfigEnabled", false)?,
        standalone_enabled: r.flag("standaloneEnabled", members_from.file().is_none())?,
    })
}

fn node_kinds(r: &Reader) -> Result<NodeKinds, ConfigError> {
    let default = NodeKinds::default();
    let (interval, pace) = (
        default.container_check_interval_ms,
        default.containers_per_minute_max,
    );
    Ok(NodeKinds {
        extended_types: r.flag("extendedTypesEnabled", false)?,
        container_check_interval_ms: r.count(
            "znode.container.checkIntervalMs",
            interval,
            1,
            "60000",
        )?,
        containers_per_minute_max: r.count("znode.container.maxPerMinute", pace, 1, "10000")?,
        container_never_used_max_ms: r.count_or_off(
            "znode.container.maxNeverUsedIntervalMs",
            0,
            "0",
        )?,
        enforce_quota: r.flag("enforceQuota", false)?,
    })
}

/// A listener on `host`; no host, or the wildcard of a family, is all addresses.
#[must_use]
pub fn bind(host: &str, port: u16) -> BindAddress {
    match host {
        "0.0.0.0" | "::" | "" => BindAddress::All(port),
        host => BindAddress::Host(HostPort {
            host: host.to_owned(),
            port,
        }),
    }
}

/// Whether clients may come without TLS. The member lines name the plain port also where nobody is to use
/// it, so that who closes it need not change the members.
fn plain_client_port(r: &Reader, has_secure_port: bool) -> Result<bool, ConfigError> {
    const KEY: &str = "quorate.plainClientPort";
    let open = r.flag(KEY, true)?;
    if !open && !has_secure_port {
        let why = "no client could connect; add secureClientPort=2281, or remove the line";
        return Err(r.bad(KEY, why));
    }
    Ok(open)
}

/// A number of ticks that an ensemble cannot do without.
fn limit(r: &Reader, mode: &Mode, key: &'static str) -> Result<u64, ConfigError> {
    let ticks = r.count(key, 0, 0, "10")?;
    if matches!(mode, Mode::Ensemble { .. }) && ticks == 0 {
        let path = r.path().to_owned();
        let remedy =
            "an ensemble needs it, in ticks; write for example initLimit=10 and syncLimit=5";
        return Err(ConfigError::MissingKey { path, key, remedy });
    }
    Ok(ticks)
}

fn handshake_timeout(r: &Reader, tick_ms: u64, sync_limit: u64) -> Result<Duration, ConfigError> {
    let own = r.int("quorumCnxnTimeoutMs", -1, -1..=i64::MAX, "10000")?;
    let default = tick_ms.saturating_mul(sync_limit).max(1);
    Ok(ms(if own > 0 { own.unsigned_abs() } else { default }))
}

impl Settings {
    /// `clientPortListenBacklog` as it was given; -1 when it was not.
    #[must_use]
    pub fn client_backlog_text(&self) -> String {
        if self.client_backlog == DEFAULT_BACKLOG {
            "-1".into()
        } else {
            self.client_backlog.to_string()
        }
    }
}

fn backlog(r: &Reader) -> Result<u32, ConfigError> {
    let value = r.int("clientPortListenBacklog", -1, -1..=65_535, "128")?;
    Ok(u32::try_from(value).unwrap_or(DEFAULT_BACKLOG))
}

fn snap_bytes(r: &Reader) -> Result<u64, ConfigError> {
    let kb = r.int(
        "snapSizeLimitInKb",
        4_194_304,
        i64::MIN..=i64::MAX,
        "4194304",
    )?;
    Ok(u64::try_from(kb)
        .ok()
        .filter(|n| *n != 0)
        .map_or(u64::MAX, |n| n.saturating_mul(1024)))
}

fn retention(r: &Reader, warnings: &mut Vec<String>) -> Result<Option<usize>, ConfigError> {
    let interval = r.int("autopurge.purgeInterval", 0, i64::MIN..=i64::MAX, "1")?;
    let retain = r.int("autopurge.snapRetainCount", 3, i64::MIN..=i64::MAX, "3")?;
    if retain < 3 {
        warnings.push(format!(
            "autopurge.snapRetainCount={retain}: below 3, 3 are kept"
        ));
    }
    Ok((interval > 0).then(|| to_usize(retain.max(3).unsigned_abs())))
}

#[cfg(test)]
mod tests;
