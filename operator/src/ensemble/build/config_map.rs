//! `zoo.cfg`: the operator's settings, then the user's, then the list of servers.
//!
//! All servers read the same file. Which of them it is, a server learns from its pod's name
//! (`--pod-name`, `--id-base`), so that no script has to run in the pod.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;

use super::labels;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::ADMIN_PORT;

/// Name of the file in the ConfigMap and below the mount.
pub(super) const FILE_NAME: &str = "zoo.cfg";

/// Settings that a user may override; the numbers are Apache's own sample values.
const DEFAULTS: [(&str, &str); 6] = [
    ("4lw.commands.whitelist", "ruok,srvr,stat,mntr,conf,isro"),
    ("autopurge.purgeInterval", "1"),
    ("autopurge.snapRetainCount", "3"),
    ("initLimit", "10"),
    ("syncLimit", "5"),
    ("tickTime", "2000"),
];

pub(super) fn config_map(ensemble: &ValidatedEnsemble) -> ConfigMap {
    ConfigMap {
        metadata: labels::metadata(ensemble, ensemble.config_name()),
        data: Some(BTreeMap::from([(FILE_NAME.to_owned(), zoo_cfg(ensemble))])),
        ..ConfigMap::default()
    }
}

/// Returns the text of `zoo.cfg`.
pub fn zoo_cfg(ensemble: &ValidatedEnsemble) -> String {
    let mut settings: BTreeMap<&str, &str> = DEFAULTS.into();
    settings.extend(
        ensemble
            .config
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let admin_port = ADMIN_PORT.to_string();
    settings.extend([
        ("admin.serverPort", admin_port.as_str()),
        ("dataDir", super::statefulset::DATA_DIR),
        // Kubernetes keeps a pod's name while its address changes: retry the port for ever.
        ("electionPortBindRetry", "0"),
        // The pod's own DNS name may not resolve yet when the server starts to listen.
        ("quorumListenOnAllIPs", "true"),
        ("quorate.ensembleId", ensemble.ensemble_id.as_str()),
        ("standaloneEnabled", "false"),
    ]);
    let mut text = String::from("# Written by the Quorate operator; changes here are undone.\n");
    for (key, value) in settings {
        push_line(&mut text, &format!("{key}={value}"));
    }
    let peers = ensemble.peers_name();
    let (namespace, domain) = (&ensemble.namespace, &ensemble.cluster_domain);
    for (id, pod) in ensemble.servers() {
        push_line(
            &mut text,
            &format!(
                "server.{id}={pod}.{peers}.{namespace}.svc.{domain}:2888:3888:participant;0.0.0.0:2181"
            ),
        );
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok());
}
