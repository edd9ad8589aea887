//! The settings, typed and checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zk_wire::Sid;
use zk_wire::membership::{HostPort, Membership};

use super::error::ConfigError;
use super::identity::PodIdentity;
use super::members::{client_address, members, mode};
use super::reader::Reader;

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

/// The admin port.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// `admin.serverAddress`, `admin.serverPort`.
    pub bind: BindAddress,
}

/// Everything that a server is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Standalone or member.
    pub mode: Mode,
    /// `dataDir`.
    pub data_dir: PathBuf,
    /// `dataLogDir`.
    pub data_log_dir: PathBuf,
    /// The client listener; `None`: no clients.
    pub client: Option<BindAddress>,
    /// `clientPortListenBacklog`.
    pub client_backlog: u32,
    /// `maxClientCnxns` per address; `None`: no limit.
    pub connections_per_ip_max: Option<usize>,
    /// `maxCnxns`; `None`: no limit.
    pub connections_max: Option<usize>,
    /// `nio.sessionlessCnxnTimeout`.
    pub sessionless_timeout: Duration,
    /// Requests of clients under way at once, before reading stops.
    pub outstanding_max: usize,
    /// `jute.maxbuffer`, bytes.
    pub jute_maxbuffer: usize,
    /// `tickTime`, ms.
    pub tick_ms: u64,
    /// `initLimit`, ticks.
    pub init_limit: u64,
    /// `syncLimit`, ticks.
    pub sync_limit: u64,
    /// `minSessionTimeout`, ms.
    pub session_timeout_min_ms: i32,
    /// `maxSessionTimeout`, ms.
    pub session_timeout_max_ms: i32,
    /// `snapCount`, transactions.
    pub snap_count: u64,
    /// `snapSizeLimitInKb` in bytes; [`u64::MAX`] when off.
    pub snap_bytes: u64,
    /// `preAllocSize` in bytes.
    pub preallocate_bytes: u64,
    /// `datadir.autocreate`.
    pub create_data_dir: bool,
    /// `fsync.warningthresholdms`.
    pub fsync_warning: Duration,
    /// `autopurge.snapRetainCount`, or `None` when `autopurge.purgeInterval` is 0.
    pub retain: Option<usize>,
    /// `quorumListenOnAllIPs`.
    pub quorum_listen_all: bool,
    /// `cnxTimeout`.
    pub election_connect_timeout: Duration,
    /// `quorumCnxnTimeoutMs`, or syncLimit ticks.
    pub election_handshake_timeout: Duration,
    /// `electionPortBindRetry`; `None`: for ever.
    pub election_bind_attempts: Option<u32>,
    /// `leaderConnectDelayDuringRetryMs`.
    pub leader_connect_delay: Duration,
    /// Words of `4lw.commands.whitelist`; `*` is all.
    pub four_letter_words: BTreeSet<String>,
    /// `None` when `admin.enableServer=false`.
    pub admin: Option<AdminSettings>,
    /// `quorate.ensembleId`.
    pub ensemble_id: Option<String>,
    /// To be logged once.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads and checks the file; `flags` are `-D` settings of the Java server's start scripts.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path, pod: Option<&PodIdentity>, flags: &str) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            let failed = |source| ConfigError::Io {
                path: path.to_owned(),
                op: "read",
                source,
            };
            std::fs::read(path).map(|raw| latin1(&raw)).map_err(failed)
        };
        let reader = Reader::new(path, &read(path)?, flags);
        let dynamic = match reader.text("dynamicConfigFile") {
            Some(file) => {
                let file = path.parent().unwrap_or(Path::new("")).join(file);
                let text = read(&file)?;
                Some(Reader::new(&file, &text, ""))
            }
            None => None,
        };
        Self::build(&reader, dynamic.as_ref(), pod)
    }

    fn build(
        r: &Reader,
        dynamic: Option<&Reader>,
        pod: Option<&PodIdentity>,
    ) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let data_dir = r
            .text("dataDir")
            .map(PathBuf::from)
            .ok_or(ConfigError::MissingKey {
                path: r.path().to_owned(),
                key: "dataDir",
                remedy: "write for example dataDir=/data",
            })?;
        let tick_ms = r.count("tickTime", 3000, 1, "2000")?;
        let (session_timeout_min_ms, session_timeout_max_ms) = session_timeouts(r, tick_ms)?;
        let members = members(r, dynamic)?;
        let mode = mode(r, members, &data_dir, pod, &mut warnings)?;
        let (init_limit, sync_limit) =
            (limit(r, &mode, "initLimit")?, limit(r, &mode, "syncLimit")?);
        let unlimited_if_zero = |n: u64| Some(n).filter(|n| *n != 0).map(to_usize);
        let jute_maxbuffer = r.int("jute.maxbuffer", 0xf_ffff, 1024..=0x7fff_0000, "1048575")?;
        let client = client_address(r, &mode)?;
        let bind_attempts = r.count("electionPortBindRetry", 3, 0, "3")?;
        let retain = retention(r, &mut warnings)?;
        let mut settings = Self {
            data_log_dir: r
                .text("dataLogDir")
                .map_or_else(|| data_dir.clone(), PathBuf::from),
            data_dir,
            client,
            client_backlog: backlog(r)?,
            connections_per_ip_max: unlimited_if_zero(r.count("maxClientCnxns", 60, 0, "60")?),
            connections_max: unlimited_if_zero(r.count("maxCnxns", 0, 0, "0")?),
            sessionless_timeout: ms(r.count("nio.sessionlessCnxnTimeout", 10_000, 1, "10000")?),
            outstanding_max: outstanding(r, &mode)?,
            jute_maxbuffer: to_usize(jute_maxbuffer.unsigned_abs()),
            tick_ms,
            init_limit,
            sync_limit,
            session_timeout_min_ms,
            session_timeout_max_ms,
            snap_count: r.count("snapCount", 100_000, 2, "100000")?,
            snap_bytes: snap_bytes(r)?,
            preallocate_bytes: r
                .count("preAllocSize", 65_536, 0, "65536")?
                .saturating_mul(1024),
            create_data_dir: r.text("datadir.autocreate") != Some("false"),
            fsync_warning: ms(r.count("fsync.warningthresholdms", 1000, 0, "1000")?),
            retain,
            quorum_listen_all: r.flag("quorumListenOnAllIPs", false)?,
            election_connect_timeout: ms(r.count("cnxTimeout", 5000, 1, "5000")?),
            election_handshake_timeout: handshake_timeout(r, tick_ms, sync_limit)?,
            election_bind_attempts: u32::try_from(bind_attempts).ok().filter(|n| *n != 0),
            leader_connect_delay: ms(r.count("leaderConnectDelayDuringRetryMs", 100, 1, "100")?),
            four_letter_words: whitelist(r.text("4lw.commands.whitelist")),
            admin: admin(r)?,
            ensemble_id: r.text("quorate.ensembleId").map(str::to_owned),
            mode,
            warnings,
        };
        r.flag("tcpKeepAlive", false)?;
        settings.warnings.extend(r.judge_rest()?);
        Ok(settings)
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// `.properties` files are ISO-8859-1, where each byte is the character of that number; people
/// write UTF-8 all the same, which is taken when it is valid.
fn latin1(raw: &[u8]) -> String {
    String::from_utf8(raw.to_vec())
        .unwrap_or_else(|_| raw.iter().map(|byte| char::from(*byte)).collect())
}

fn session_timeouts(r: &Reader, tick_ms: u64) -> Result<(i32, i32), ConfigError> {
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
    Ok((min, max))
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

fn backlog(r: &Reader) -> Result<u32, ConfigError> {
    let value = r.int("clientPortListenBacklog", -1, -1..=65_535, "128")?;
    // Apache's default of 50 makes clients that reconnect all at once wait for SYN retries.
    Ok(u32::try_from(value).unwrap_or(1024))
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

fn whitelist(text: Option<&str>) -> BTreeSet<String> {
    let mut words: BTreeSet<String> = text
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    words.insert("srvr".into());
    words
}

fn admin(r: &Reader) -> Result<Option<AdminSettings>, ConfigError> {
    let port = r.int("admin.serverPort", 8080, 0..=65_535, "8080")?;
    let host = r
        .text("admin.serverAddress")
        .unwrap_or("0.0.0.0")
        .to_owned();
    if r.text("admin.enableServer") == Some("false") {
        return Ok(None);
    }
    let port = u16::try_from(port).unwrap_or(8080);
    let bind = match host.as_str() {
        "0.0.0.0" | "::" => BindAddress::All(port),
        _ => BindAddress::Host(HostPort { host, port }),
    };
    Ok(Some(AdminSettings { bind }))
}

#[cfg(test)]
mod tests;
