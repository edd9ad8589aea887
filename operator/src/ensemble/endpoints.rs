//! Where clients connect, for the status. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;

use super::build::SECURE_CLIENT;
use super::validate::ValidatedEnsemble;
use crate::crd::{Endpoint, ListenerType};

/// How a Service is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Ports for clients.
    ports: Vec<ClientPort>,
    /// Addresses and names that a load balancer gave it.
    outside: Vec<String>,
}

/// A port for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientPort {
    tls: bool,
    number: i32,
    /// The port of every node that leads to it.
    node: Option<i32>,
}

impl Reach {
    /// Reads it of a Service, with its name.
    pub(super) fn of(service: &Service) -> Option<(String, Self)> {
        let name = service.metadata.name.clone()?;
        let ports = service.spec.as_ref()?.ports.iter().flatten();
        let ports = ports.map(|port| ClientPort {
            tls: port.name.as_deref() == Some(SECURE_CLIENT),
            number: port.port,
            node: port.node_port.filter(|number| *number > 0),
        });
        let balancer = service
            .status
            .as_ref()
            .and_then(|s| s.load_balancer.as_ref());
        let given = balancer.and_then(|balancer| balancer.ingress.as_ref());
        // As in an address: one of version 6 stands in brackets.
        let bracketed = |ip: &String| match ip.contains(':') {
            true => format!("[{ip}]"),
            false => ip.clone(),
        };
        let outside = given.into_iter().flatten();
        let outside =
            outside.filter_map(|one| one.hostname.clone().or(one.ip.as_ref().map(bracketed)));
        let ports = ports.collect();
        let outside = outside.collect();
        Some((name, Self { ports, outside }))
    }

    fn port(&self, tls: bool) -> Option<ClientPort> {
        self.ports.iter().copied().find(|port| port.tls == tls)
    }
}

/// Lists the ways for clients: the Service of the voters, those of zones, and the listeners.
pub(super) fn endpoints(
    ensemble: &ValidatedEnsemble,
    services: &BTreeMap<String, Reach>,
) -> Vec<Endpoint> {
    let inside = |service: String| {
        let host = ensemble.service_host(&service);
        (service, vec![host])
    };
    let zones = ensemble.observers.groups.iter();
    let zones = zones.map(|group| inside(ensemble.observer_set_name(&group.zone)));
    let listeners = ensemble.listeners.iter().map(|listener| {
        let service = ensemble.listener_name(listener);
        match listener.kind {
            ListenerType::ClusterIP => inside(service),
            // Which nodes there are is for others to say.
            ListenerType::NodePort => (service, Vec::new()),
            ListenerType::LoadBalancer => {
                let given = services.get(&service).map(|reach| reach.outside.clone());
                (service, given.unwrap_or_default())
            }
        }
    });
    [inside(ensemble.client_name())]
        .into_iter()
        .chain(zones)
        .chain(listeners)
        .filter_map(|(service, hosts)| {
            let reach = services.get(&service)?;
            Some(endpoint(service, &hosts, reach))
        })
        .collect()
}

fn endpoint(service: String, hosts: &[String], reach: &Reach) -> Endpoint {
    let connect = |port: ClientPort| {
        let hosts = hosts.iter().map(|host| format!("{host}:{}", port.number));
        let hosts: Vec<String> = hosts.collect();
        (!hosts.is_empty()).then(|| hosts.join(","))
    };
    let (plain, tls) = (reach.port(false), reach.port(true));
    Endpoint {
        service,
        plain: plain.and_then(connect),
        tls: tls.and_then(connect),
        plain_node_port: plain.and_then(|port| port.node),
        tls_node_port: tls.and_then(|port| port.node),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crd::{ClientTlsMode, Listener};
    use crate::fixtures::{listener, valid_with_observers};

    fn reach(name: &str, node_ports: bool, status: serde_json::Value) -> (String, Reach) {
        let node = |number: i32| node_ports.then_some(number);
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"ports": [
                {"name": "client", "port": 2181, "nodePort": node(30001)},
                {"name": "secure-client", "port": 2281, "nodePort": node(30002)},
            ]},
            "status": status,
        }))
        .unwrap();
        Reach::of(&service).unwrap()
    }

    #[test]
    fn endpoints_say_where_to_connect() {
        let mut ensemble = valid_with_observers(1);
        ensemble.tls.client = ClientTlsMode::Allow;
        let of_kind = |name: &str, kind| Listener {
            name: name.to_owned(),
            kind,
            ..listener()
        };
        ensemble.listeners = vec![
            of_kind("in", ListenerType::ClusterIP),
            of_kind("node", ListenerType::NodePort),
            of_kind("edge", ListenerType::LoadBalancer),
            of_kind("waits", ListenerType::LoadBalancer),
            of_kind("absent", ListenerType::LoadBalancer),
        ];
        let given = json!({"loadBalancer": {"ingress": [
            {"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}, {"hostname": "lb.example.com"},
        ]}});
        let services = BTreeMap::from([
            reach("demo-client", false, json!({})),
            reach("demo-observer-a", false, json!({})),
            reach("demo-listener-in", false, json!({})),
            reach("demo-listener-node", true, json!({})),
            reach("demo-listener-edge", true, given),
            reach("demo-listener-waits", true, json!({"loadBalancer": {}})),
        ]);
        let found = json!(endpoints(&ensemble, &services));
        let inside = |service: &str| {
            let host = format!("{service}.default.svc.cluster.local");
            json!({
                "service": service, "plain": format!("{host}:2181"), "tls": format!("{host}:2281"),
            })
        };
        let waits = |service: &str| json!({"service": service, "plainNodePort": 30001, "tlsNodePort": 30002});
        assert_eq!(
            found,
            json!([
                inside("demo-client"),
                inside("demo-observer-a"),
                inside("demo-listener-in"),
                waits("demo-listener-node"),
                {
                    "service": "demo-listener-edge",
                    "plain": "192.0.2.7:2181,[2001:db8::7]:2181,lb.example.com:2181",
                    "tls": "192.0.2.7:2281,[2001:db8::7]:2281,lb.example.com:2281",
                    "plainNodePort": 30001,
                    "tlsNodePort": 30002,
                },
                waits("demo-listener-waits"),
            ])
        );
    }
}
