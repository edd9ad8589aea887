//! Who may reach the servers, checked as far as the rules of the CRD cannot. Pure.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::validate::InvalidSpec;
use crate::crd::NetworkAccess;

/// Longest prefix and longest name of the key of a label.
const PREFIX_LEN_MAX: usize = 253;
const NAME_LEN_MAX: usize = 63;

/// Reads what the spec says; `None` where there is to be no policy.
pub(super) fn read(spec: Option<&NetworkAccess>) -> Result<Option<NetworkAccess>, InvalidSpec> {
    let Some(access) = spec.filter(|access| access.enabled) else {
        return Ok(None);
    };
    let peers = access.client_from.iter().chain(&access.metrics_from);
    match peers.flat_map(keys).find(|key| !is_label_key(key)) {
        Some(key) => Err(InvalidSpec::LabelKey(key.clone())),
        None => Ok(Some(access.clone())),
    }
}

/// The keys of all labels that a peer is chosen by.
fn keys(peer: &NetworkPolicyPeer) -> impl Iterator<Item = &String> {
    let selectors = peer.namespace_selector.iter().chain(&peer.pod_selector);
    selectors.flat_map(|selector: &LabelSelector| {
        let labels = selector
            .match_labels
            .iter()
            .flat_map(|labels| labels.keys());
        let expressions = selector.match_expressions.iter().flatten();
        labels.chain(expressions.map(|expression| &expression.key))
    })
}

pub(super) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let inside = |text: &str, others: &[char], upper: bool| {
        let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        let letter = |c: char| plain(c) || (upper && c.is_ascii_uppercase());
        text.starts_with(letter)
            && text.ends_with(letter)
            && text.chars().all(|c| letter(c) || others.contains(&c))
    };
    let is_domain = |prefix: &str| {
        prefix.len() <= PREFIX_LEN_MAX && prefix.split('.').all(|part| inside(part, &['-'], false))
    };
    prefix.is_none_or(is_domain)
        && name.len() <= NAME_LEN_MAX
        && inside(name, &['-', '_', '.'], true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn access(enabled: bool, key: &str) -> NetworkAccess {
        let labels = BTreeMap::from([(key.to_owned(), "x".to_owned())]);
        NetworkAccess {
            enabled,
            client_from: Vec::new(),
            metrics_from: vec![NetworkPolicyPeer {
                pod_selector: Some(LabelSelector {
                    match_labels: Some(labels),
                    ..LabelSelector::default()
                }),
                ..NetworkPolicyPeer::default()
            }],
        }
    }

    #[test]
    fn keys_that_no_label_can_have_are_named() {
        let read = |key: &str| read(Some(&access(true, key))).map(|found| found.is_some());
        for key in ["app", "App_1.x", "kubernetes.io/metadata.name", "a-b.c/D"] {
            assert_eq!(read(key), Ok(true), "{key}");
        }
        let long = "a".repeat(64);
        for key in [
            "", "-a", "a/", "/a", "a/b/c", "A.b/c", "a b", "a..b/c", &long,
        ] {
            assert_eq!(read(key), Err(InvalidSpec::LabelKey(key.to_owned())));
        }
    }

    #[test]
    fn no_policy_is_wanted_by_default() {
        assert_eq!(read(None), Ok(None));
        assert_eq!(read(Some(&access(false, "-"))), Ok(None));
    }
}
