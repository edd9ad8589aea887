//! The admin port, the four-letter words and the metrics provider.
//!
//! Source: `JettyAdminServer`, `FourLetterCommands`, `MetricsProviderBootstrap` of Apache ZooKeeper
//! 3.9.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::ConfigError;
use super::reader::Reader;
use super::settings::{BindAddress, bind, ms};

/// The admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// `admin.serverAddress`, `admin.serverPort`.
    pub bind: BindAddress,
    /// `admin.commandURL`: begins with a slash and does not end with one.
    pub command_url: String,
    /// `admin.snapshot.enabled`.
    pub snapshot_enabled: bool,
    /// `admin.restore.enabled`.
    pub restore_enabled: bool,
    /// `admin.rateLimiterIntervalInMS`: one restore in such a time.
    pub restore_interval: Duration,
    /// The same number as Apache's limit of snapshots takes it: microseconds.
    pub snapshot_interval: Duration,
    /// `quorate.page.login`.
    pub page_login: PageLogin,
}

/// Who sees the page and what it is made of. Its znode browser wants an identity in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageLogin {
    /// Everybody, as everybody sees the commands.
    Optional,
    /// Who is super, or is named at the root for everything.
    Required,
}

/// `metricsProvider.className`: how metrics are spelled, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsProvider {
    /// `DefaultMetricsProvider`.
    Default,
    /// `PrometheusMetricsProvider`.
    Prometheus {
        /// `metricsProvider.httpHost`, `metricsProvider.httpPort`: the page `/metrics` there.
        bind: BindAddress,
        /// `metricsProvider.exportJvmInfo`: families of the process.
        process: bool,
    },
    /// `NullMetricsProvider`.
    Null,
}

/// `4lw.commands.whitelist`.
pub(super) fn whitelist(r: &Reader, read_only_mode: bool) -> BTreeSet<String> {
    let text = r.text("4lw.commands.whitelist").unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|w| !w.is_empty());
    let mut words: BTreeSet<String> = names.map(str::to_owned).collect();
    words.insert("srvr".into());
    if read_only_mode {
        words.insert("isro".into());
    }
    words
}

/// `None` when there is no admin port.
pub(super) fn admin(r: &Reader) -> Result<Option<AdminSettings>, ConfigError> {
    let port = r.int("admin.serverPort", 8080, 0..=65_535, "8080")?;
    let host = r.text("admin.serverAddress").unwrap_or("0.0.0.0");
    let url = r.text("admin.commandURL").unwrap_or("/commands");
    let interval = r.count("admin.rateLimiterIntervalInMS", 300_000, 0, "300000")?;
    let settings = AdminSettings {
        bind: bind(host, u16::try_from(port).unwrap_or(8080)),
        command_url: command_url(r, url)?,
        snapshot_enabled: r.flag("admin.snapshot.enabled", true)?,
        restore_enabled: r.flag("admin.restore.enabled", true)?,
        restore_interval: ms(interval),
        snapshot_interval: Duration::from_micros(interval),
        page_login: page_login(r)?,
    };
    // Only this very word switches it off in Apache, too.
    let off = r.text("admin.enableServer") == Some("false");
    Ok(Some(settings).filter(|_| !off))
}

fn page_login(r: &Reader) -> Result<PageLogin, ConfigError> {
    const KEY: &str = "quorate.page.login";
    match r.text(KEY) {
        None | Some("optional") => Ok(PageLogin::Optional),
        Some("required") => Ok(PageLogin::Required),
        Some(_) => Err(r.bad(KEY, "write optional or required")),
    }
}

fn command_url(r: &Reader, url: &str) -> Result<String, ConfigError> {
    let trimmed = url.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let taken = ["livez", "readyz", "metrics", "v1", "ui"];
    let first = trimmed.split('/').nth(1).unwrap_or_default();
    if !trimmed.starts_with('/') || !trimmed.chars().all(plain) || taken.contains(&first) {
        let why = "write a path such as /commands that is not one of this server's own pages";
        return Err(r.bad("admin.commandURL", why));
    }
    Ok(trimmed.to_owned())
}

/// `metricsProvider.*`.
pub(super) fn metrics(r: &Reader) -> Result<MetricsProvider, ConfigError> {
    let key = "metricsProvider.className";
    let port = r.int("metricsProvider.httpPort", 7000, 0..=65_535, "7000")?;
    let host = r.text("metricsProvider.httpHost").unwrap_or("0.0.0.0");
    let process = r.flag("metricsProvider.exportJvmInfo", true)?;
    match r.text(key) {
        None | Some("org.apache.zookeeper.metrics.impl.DefaultMetricsProvider") => {
            Ok(MetricsProvider::Default)
        }
        Some("org.apache.zookeeper.metrics.impl.NullMetricsProvider") => Ok(MetricsProvider::Null),
        Some("org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider") => {
            Ok(MetricsProvider::Prometheus {
                bind: bind(host, u16::try_from(port).unwrap_or(7000)),
                process,
            })
        }
        Some(_) => Err(r.bad(
            key,
            "write org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider, or remove \
             the line for the default",
        )),
    }
}
