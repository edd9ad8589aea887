//! The NetworkPolicy around all servers of an ensemble. The kubelet of a pod's own node always gets
//! through to it, so that probes need no rule.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::ADMIN_PORT;

/// Where clients connect, without and with TLS.
const CLIENT_PORTS: [u16; 2] = [2181, 2281];

/// Where servers follow their leader and elect it.
const PEER_PORTS: [u16; 2] = [2888, 3888];

/// Where metrics are with Apache's provider, if nothing else is set.
const METRICS_PORT: u16 = 7000;

/// Label that every namespace has, with its name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Returns the policy, where one is wanted.
pub(super) fn network_policy(ensemble: &ValidatedEnsemble) -> Option<NetworkPolicy> {
    let access = ensemble.network.as_ref()?;
    let servers = selector(labels::all(ensemble));
    let peers = NetworkPolicyPeer {
        pod_selector: Some(servers.clone()),
        ..NetworkPolicyPeer::default()
    };
    let of_peers = PEER_PORTS
        .into_iter()
        .chain(port_of(ensemble, "observerMasterPort"));
    let of_metrics = [ADMIN_PORT].into_iter().chain(metrics_port(ensemble));
    let mut observing = vec![operator(ensemble)];
    observing.extend(access.metrics_from.iter().cloned());
    Some(NetworkPolicy {
        metadata: labels::metadata(ensemble, ensemble.network_policy_name()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(servers),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                rule(vec![peers], of_peers),
                rule(access.client_from.clone(), CLIENT_PORTS),
                rule(observing, of_metrics),
            ]),
            egress: None,
        }),
    })
}

/// The operators, wherever their namespace is.
fn operator(ensemble: &ValidatedEnsemble) -> NetworkPolicyPeer {
    let label = |key: &str, value: &str| {
        Some(selector(BTreeMap::from([(
            key.to_owned(),
            value.to_owned(),
        )])))
    };
    NetworkPolicyPeer {
        namespace_selector: label(NAMESPACE_LABEL, &ensemble.operator_namespace),
        pod_selector: label("app.kubernetes.io/name", "quorate-operator"),
        ip_block: None,
    }
}

/// Lets these reach the ports; everybody if there are none.
fn rule(
    from: Vec<NetworkPolicyPeer>,
    ports: impl IntoIterator<Item = u16>,
) -> NetworkPolicyIngressRule {
    let port = |number: u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    };
    NetworkPolicyIngressRule {
        from: (!from.is_empty()).then_some(from),
        ports: Some(ports.into_iter().map(port).collect()),
    }
}

/// A port that a person set.
fn port_of(ensemble: &ValidatedEnsemble, key: &str) -> Option<u16> {
    ensemble.config.get(key)?.trim().parse().ok()
}

/// The port of Apache's provider of metrics, where it was asked for.
fn metrics_port(ensemble: &ValidatedEnsemble) -> Option<u16> {
    ensemble.config.get("metricsProvider.className")?;
    port_of(ensemble, "metricsProvider.httpPort").or(Some(METRICS_PORT))
}

fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crd::NetworkAccess;
    use crate::fixtures::valid;

    fn of_namespace(name: &str) -> NetworkPolicyPeer {
        let labels = BTreeMap::from([(NAMESPACE_LABEL.to_owned(), name.to_owned())]);
        NetworkPolicyPeer {
            namespace_selector: Some(selector(labels)),
            ..NetworkPolicyPeer::default()
        }
    }

    fn restricted() -> ValidatedEnsemble {
        let mut ensemble = valid(3);
        ensemble.network = Some(NetworkAccess {
            enabled: true,
            client_from: vec![of_namespace("shop")],
            metrics_from: vec![of_namespace("monitoring")],
        });
        ensemble
    }

    #[test]
    fn policy_is_as_written_here() {
        let port = |number: u16| json!({"port": number, "protocol": "TCP"});
        let namespace = |name: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
        let servers = json!({"matchLabels": {"quorate.dev/ensemble": "demo"}});
        let expected = json!({
            "podSelector": servers,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": servers}], "ports": [port(2888), port(3888)]},
                {
                    "from": [{"namespaceSelector": namespace("shop")}],
                    "ports": [port(2181), port(2281)],
                },
                {
                    "from": [
                        {
                            "namespaceSelector": namespace("quorate-system"),
                            "podSelector": {
                                "matchLabels": {"app.kubernetes.io/name": "quorate-operator"},
                            },
                        },
                        {"namespaceSelector": namespace("monitoring")},
                    ],
                    "ports": [port(8080)],
                },
            ],
        });
        let policy = json!(network_policy(&restricted()));
        assert_eq!(policy["spec"], expected);
        assert_eq!(policy["metadata"]["name"], "demo-servers");
        assert_eq!(
            policy["metadata"]["ownerReferences"][0]["uid"],
            "uid-of-demo"
        );
    }

    #[test]
    fn clients_come_from_anywhere_unless_somebody_is_named() {
        let mut open = restricted();
        open.network = open.network.map(|access| NetworkAccess {
            client_from: Vec::new(),
            metrics_from: Vec::new(),
            ..access
        });
        let policy = json!(network_policy(&open));
        let rules = &policy["spec"]["ingress"];
        assert_eq!(rules[1].get("from"), None);
        assert_eq!(rules[2]["from"].as_array().map(Vec::len), Some(1));
        assert_eq!(network_policy(&valid(3)), None);
    }

    #[test]
    fn ports_of_the_settings_are_open_to_whom_they_are_for() {
        let mut ensemble = restricted();
        for (key, value) in [
            ("observerMasterPort", "2191"),
            ("metricsProvider.className", "x"),
        ] {
            ensemble.config.insert(key.to_owned(), value.to_owned());
        }
        let ports = |ensemble: &ValidatedEnsemble, rule: usize| -> Vec<u64> {
            let policy = json!(network_policy(ensemble));
            let ports = policy["spec"]["ingress"][rule]["ports"].as_array().cloned();
            let number = |port: &serde_json::Value| port["port"].as_u64();
            ports.unwrap().iter().filter_map(number).collect()
        };
        assert_eq!(ports(&ensemble, 0), [2888, 3888, 2191]);
        assert_eq!(ports(&ensemble, 2), [8080, 7000]);
        let (key, value) = ("metricsProvider.httpPort", "7001");
        ensemble.config.insert(key.to_owned(), value.to_owned());
        assert_eq!(ports(&ensemble, 2), [8080, 7001]);
    }
}
