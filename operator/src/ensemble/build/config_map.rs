//! `zoo.cfg`: the operator's settings, then the user's, then the members with their version.
//!
//! All servers read the same file. Which of them it is, a server learns from its pod's name
//! (`--pod-name`, `--id-base`), so that no script has to run in the pod. The members stand here for
//! servers that know none or only older ones; what the ensemble agrees upon, each keeps on its
//! volume.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{fingerprint, labels, tls};
use crate::ensemble::membership::Membership;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::ADMIN_PORT;

/// Name of the file in the ConfigMap and below the mount.
pub(super) const FILE_NAME: &str = "zoo.cfg";

/// Where a server keeps the members that it knows of, on its volume.
const MEMBERS_FILE: &str = "/data/members";

/// Settings that servers take while they run; docs/configuration.md has the same ones.
pub const RUNTIME_KEYS: [&str; 7] = [
    "4lw.commands.whitelist",
    "clientTcpKeepAlive",
    "fsync.warningthresholdms",
    "maxClientCnxns",
    "maxCnxns",
    "nio.sessionlessCnxnTimeout",
    "quorate.log.level",
];

/// Settings that a user may override; the numbers are Apache's own sample values.
const DEFAULTS: [(&str, &str); 6] = [
    ("4lw.commands.whitelist", "ruok,srvr,stat,mntr,conf,isro"),
    ("autopurge.purgeInterval", "1"),
    ("autopurge.snapRetainCount", "3"),
    ("initLimit", "10"),
    ("syncLimit", "5"),
    ("tickTime", "2000"),
];

pub(super) fn config_map(ensemble: &ValidatedEnsemble, members: &Membership) -> ConfigMap {
    let text = text(ensemble) + &server_list(ensemble, members);
    ConfigMap {
        metadata: labels::metadata(ensemble, ensemble.config_name()),
        data: Some(BTreeMap::from([(FILE_NAME.to_owned(), text)])),
        ..ConfigMap::default()
    }
}

/// Returns the part of `zoo.cfg` that only a restart brings to a server.
pub(super) fn restart_settings(ensemble: &ValidatedEnsemble) -> String {
    let settings = settings(ensemble).into_iter();
    lines(settings.filter(|(key, _)| !is_runtime(key)))
}

/// Returns the name of the settings that servers take while they run.
pub fn revision(ensemble: &ValidatedEnsemble) -> String {
    let settings = settings(ensemble).into_iter();
    fingerprint::of_text(&lines(settings.filter(|(key, _)| is_runtime(key))))
}

fn is_runtime(key: &str) -> bool {
    RUNTIME_KEYS.contains(&key.strip_prefix("zookeeper.").unwrap_or(key))
}

/// All settings, as they are written.
fn text(ensemble: &ValidatedEnsemble) -> String {
    let mut settings = settings(ensemble);
    settings.insert("quorate.settings.revision".to_owned(), revision(ensemble));
    let head = "# Written by the Quorate operator; changes here are undone.\n";
    head.to_owned() + &lines(settings.into_iter())
}

fn lines(settings: impl Iterator<Item = (String, String)>) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        push_line(&mut text, &format!("{key}={value}"));
    }
    text
}

/// Everything but the revision and the members.
fn settings(ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<&str, &str> = DEFAULTS.into();
    settings.extend(tls::default(ensemble));
    settings.extend(
        ensemble
            .config
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let admin_port = ADMIN_PORT.to_string();
    settings.extend(tls::settings(ensemble));
    settings.extend([
        ("admin.serverPort", admin_port.as_str()),
        ("dataDir", super::statefulset::DATA_DIR),
        // An empty volume has no vote: it may have been another one.
        ("db.autocreate", "false"),
        // Kubernetes keeps a pod's name while its address changes: retry the port for ever.
        ("electionPortBindRetry", "0"),
        // The pod's own DNS name may not resolve yet when the server starts to listen.
        ("quorumListenOnAllIPs", "true"),
        ("quorate.ensembleId", ensemble.ensemble_id.as_str()),
        ("quorate.members.file", MEMBERS_FILE),
        ("quorate.operatorDigest", ensemble.operator_digest.as_str()),
        ("reconfigEnabled", "true"),
        ("standaloneEnabled", "false"),
    ]);
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    settings.into_iter().map(owned).collect()
}

/// Returns the members as `zoo.cfg` has them.
fn server_list(ensemble: &ValidatedEnsemble, members: &Membership) -> String {
    let mut text = String::new();
    push_line(
        &mut text,
        &format!("quorate.members.version={}", members.version),
    );
    // Word for word as the ensemble has them: two configs of one version must not differ.
    for line in &members.lines {
        push_line(&mut text, line);
    }
    if members.lines.is_empty() {
        for id in &members.voters {
            push_line(&mut text, &server_line(ensemble, *id));
        }
    }
    text
}

/// Returns the line of one voter, as it stands in configs. It names the plain port also where only TLS is
/// served, so that another mode of TLS is no change of the members: whether the port is open is a setting.
pub fn server_line(ensemble: &ValidatedEnsemble, server_id: u8) -> String {
    let host = ensemble.host_of(&ensemble.pod_of(server_id));
    format!("server.{server_id}={host}:2888:3888:participant;0.0.0.0:2181")
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is what people and both programs go by: the server's tests hold it to the same list.
    #[test]
    fn runtime_keys_are_those_of_the_page() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, section) = page
            .split_once("\n## Settings that need no restart\n")
            .unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let mut keys: Vec<&str> = cells
            .flat_map(|cell| cell.split(','))
            .map(|key| key.trim().trim_matches('`'))
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, RUNTIME_KEYS);
    }
}
