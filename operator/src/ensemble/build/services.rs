//! The Services: one for the servers among themselves, one for clients, one for those of each zone that
//! has observers, and the listeners.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{self, Role};
use super::tls;
use crate::crd::{Listener, ListenerServers};
use crate::ensemble::validate::ValidatedEnsemble;

/// Gives each pod a DNS name from its start on: servers must find each other to become ready.
pub(super) fn peers(ensemble: &ValidatedEnsemble) -> Service {
    Service {
        metadata: labels::metadata(ensemble, ensemble.peers_name()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::all(ensemble)),
            ports: Some(
                tls::client_ports(ensemble)
                    .into_iter()
                    .chain([("quorum", 2888), ("election", 3888)])
                    .map(port)
                    .collect(),
            ),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Sends clients to voters that are ready.
pub(super) fn client(ensemble: &ValidatedEnsemble) -> Service {
    let selector = labels::selected(ensemble, Role::Voter, None);
    for_clients(ensemble, ensemble.client_name(), selector)
}

/// Sends clients of a zone to the observers there that are ready.
pub(super) fn zone(ensemble: &ValidatedEnsemble, zone: &str) -> Service {
    let selector = labels::selected(ensemble, Role::Observer, Some(zone));
    for_clients(ensemble, ensemble.observer_set_name(zone), selector)
}

/// Leads clients to the servers of a listener that are ready.
pub(super) fn listener(ensemble: &ValidatedEnsemble, listener: &Listener) -> Service {
    let selector = match listener.servers {
        ListenerServers::Voters => labels::selected(ensemble, Role::Voter, None),
        ListenerServers::Observers => labels::selected(ensemble, Role::Observer, None),
        ListenerServers::All => labels::all(ensemble),
    };
    let mut metadata = labels::metadata(ensemble, ensemble.listener_name(listener));
    metadata.annotations = (!listener.annotations.is_empty()).then(|| listener.annotations.clone());
    let ranges = &listener.source_ranges;
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(listener.kind.as_str().to_owned()),
            selector: Some(selector),
            ports: Some(
                tls::listener_ports(ensemble, listener.tls)
                    .map(port)
                    .collect(),
            ),
            load_balancer_source_ranges: (!ranges.is_empty()).then(|| ranges.clone()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn for_clients(
    ensemble: &ValidatedEnsemble,
    name: String,
    selector: BTreeMap<String, String>,
) -> Service {
    Service {
        metadata: labels::metadata(ensemble, name),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector),
            ports: Some(tls::client_ports(ensemble).into_iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port((name, number): (&str, i32)) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    }
}
