//! The keys that a server takes while it runs, where whoever wrote the file asks for it by giving its
//! settings a revision. All others wait for the next start.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use quorate_telemetry::{BadLevels, Levels};

use super::error::ConfigError;
use super::flags::Flags;
use super::monitoring;
use super::reader::Reader;
use super::settings::{ms, to_usize};

/// The keys, without `zookeeper.`; docs/configuration.md lists the same.
pub const RUNTIME_KEYS: [&str; 7] = [
    "4lw.commands.whitelist",
    "clientTcpKeepAlive",
    "fsync.warningthresholdms",
    "maxClientCnxns",
    "maxCnxns",
    "nio.sessionlessCnxnTimeout",
    "quorate.log.level",
];

/// The name of the settings that the file has now.
const REVISION: &str = "quorate.settings.revision";

/// Longest such name, bytes.
const REVISION_LEN_MAX: usize = 64;

/// What keys begin with that say who the members are: those change by reconfigurations.
const OF_MEMBERS: [&str; 4] = ["server.", "group.", "weight.", "quorate.members.version"];

/// The settings that may change while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// `quorate.settings.revision`; `None`: the file is read at the start only.
    pub revision: Option<String>,
    /// `maxClientCnxns` per address and listener; `None`: no limit.
    pub connections_per_ip_max: Option<usize>,
    /// `maxCnxns` per listener; `None`: no limit.
    pub connections_max: Option<usize>,
    /// `nio.sessionlessCnxnTimeout`: a connection has this long to ask for a session.
    pub sessionless_timeout: Duration,
    /// `clientTcpKeepAlive`, of connections that begin.
    pub tcp_keep_alive: bool,
    /// Words of `4lw.commands.whitelist`; `*` is all.
    pub four_letter_words: BTreeSet<String>,
    /// `fsync.warningthresholdms`.
    pub fsync_warning: Duration,
    /// `quorate.log.level`; `None`: those that the process began with.
    pub log_levels: Option<Levels>,
}

impl RuntimeSettings {
    pub(super) fn read(r: &Reader, read_only_mode: bool) -> Result<Self, ConfigError> {
        let count = |key, default, example| -> Result<Option<usize>, ConfigError> {
            Ok(Some(r.count(key, default, 0, example)?)
                .filter(|n| *n != 0)
                .map(to_usize))
        };
        Ok(Self {
            revision: revision(r)?,
            connections_per_ip_max: count("maxClientCnxns", 60, "60")?,
            connections_max: count("maxCnxns", 0, "0")?,
            sessionless_timeout: ms(r.count("nio.sessionlessCnxnTimeout", 10_000, 1, "10000")?),
            tcp_keep_alive: r.flag("clientTcpKeepAlive", false)?,
            four_letter_words: monitoring::whitelist(r, read_only_mode),
            fsync_warning: ms(r.count("fsync.warningthresholdms", 1000, 0, "1000")?),
            log_levels: log_levels(r)?,
        })
    }
}

fn log_levels(r: &Reader) -> Result<Option<Levels>, ConfigError> {
    const KEY: &str = "quorate.log.level";
    let levels = r.text(KEY).map(str::parse).transpose();
    levels.map_err(|e: BadLevels| r.bad(KEY, e.to_string()))
}

fn revision(r: &Reader) -> Result<Option<String>, ConfigError> {
    let Some(text) = r.text(REVISION) else {
        return Ok(None);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.len() > REVISION_LEN_MAX || !text.chars().all(plain) {
        let why = format!("write up to {REVISION_LEN_MAX} letters, digits and -_., or remove it");
        return Err(r.bad(REVISION, why));
    }
    Ok(Some(text.to_owned()))
}

/// The revision that a file gives its settings, whatever else is wrong with it.
#[must_use]
pub fn revision_of(path: &Path, flags: &Flags, text: &str) -> Option<String> {
    revision(&Reader::new(path, text, flags)).unwrap_or_default()
}

/// The keys, without `zookeeper.`, whose values differ between two texts of one file; the members and the
/// revision do not count.
#[must_use]
pub fn changed_keys(path: &Path, flags: &Flags, before: &str, after: &str) -> BTreeSet<String> {
    let (before, after) = (
        Reader::new(path, before, flags),
        Reader::new(path, after, flags),
    );
    let counts =
        |name: &&str| *name != REVISION && !OF_MEMBERS.iter().any(|start| name.starts_with(start));
    let names: BTreeSet<&str> = before.names().chain(after.names()).collect();
    let differs = |name: &&str| before.raw(name) != after.raw(name);
    let changed = names.into_iter().filter(counts).filter(differs);
    changed.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{self, Verdict};

    #[test]
    fn only_changed_values_count_and_no_members() {
        let before = "a=1\nmaxCnxns=7\nserver.1=x:1:2\nquorate.settings.revision=a\ntickTime=2\n";
        let after = "zookeeper.maxCnxns=8\na = 1\nserver.2=y:1:2\nquorate.members.version=5\n";
        let changed = changed_keys(Path::new("zoo.cfg"), &Flags::default(), before, after);
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        assert_eq!(changed, ["maxCnxns", "tickTime"]);
    }

    #[test]
    fn revisions_are_plain_words() {
        let read = |text: &str| {
            let text = format!("{REVISION}={text}");
            let reader = Reader::new(Path::new("zoo.cfg"), &text, &Flags::default());
            revision(&reader).map_err(|e| e.to_string())
        };
        assert_eq!(read("f0-9_a.b"), Ok(Some("f0-9_a.b".to_owned())));
        assert_eq!(read(""), Ok(None));
        for bad in ["a b".to_owned(), "x".repeat(65)] {
            assert!(read(&bad).is_err_and(|why| why.contains(REVISION)), "{bad}");
        }
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        let read = |text: &str| {
            let text = format!("quorate.log.level={text}");
            let reader = Reader::new(Path::new("zoo.cfg"), &text, &Flags::default());
            log_levels(&reader).map_err(|e| e.to_string())
        };
        let levels = read("warn,zk_core=debug").unwrap().unwrap();
        assert_eq!(levels.to_string(), "warn,zk_core=debug");
        assert_eq!(read(""), Ok(None));
        let why = read("warn,zk_core=debgu").unwrap_err();
        for expected in [
            "quorate.log.level",
            "\"zk_core=debgu\"",
            "write for example",
        ] {
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn runtime_keys_are_obeyed_and_on_the_page() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, section) = page
            .split_once("\n## Settings that need no restart\n")
            .unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        for key in RUNTIME_KEYS {
            let found = keys::find(key).map(|key| key.verdict);
            assert_eq!(found, Some(Verdict::Obeyed), "{key}");
            assert!(section.contains(&format!("`{key}`")), "{key}");
        }
        assert!(keys::find(REVISION).is_some());
    }
}
