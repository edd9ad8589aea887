//! The names in the certificate of the servers. Pure.

use std::collections::BTreeSet;

use crate::ensemble::validate::ValidatedEnsemble;

/// Returns the names by which clients and servers may reach a server: those of the Services, of the pods
/// behind the headless one, and those that listeners have from elsewhere. One certificate is for all servers, so that a pod needs none of its own
/// before it can start.
pub(super) fn wanted(ensemble: &ValidatedEnsemble) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["localhost".to_owned()]);
    for listener in &ensemble.listeners {
        names.extend(listener.host_names.iter().cloned());
    }
    for service in ensemble.service_names() {
        names.extend(forms(ensemble, &service));
        names.insert(service);
    }
    let pods = forms(ensemble, &ensemble.peers_name());
    names.extend(pods.map(|name| format!("*.{name}")));
    names
}

/// The names of a Service that say its namespace, too.
fn forms(ensemble: &ValidatedEnsemble, service: &str) -> [String; 3] {
    let namespace = &ensemble.namespace;
    [
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        ensemble.service_host(service),
    ]
}

/// Whether one of the names is that of the host, or a wildcard for its first label.
pub(super) fn covers(names: &BTreeSet<String>, host: &str) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent);
    let wildcard = parent.map(|parent| format!("*.{parent}"));
    names.contains(host) || wildcard.is_some_and(|name| names.contains(&name))
}
