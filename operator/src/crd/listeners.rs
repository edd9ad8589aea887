//! Further ways in for clients: Services beside the one that every ensemble has.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A Service `ENSEMBLE-listener-NAME` for clients, e.g. of another cluster. The Service `ENSEMBLE-client` is
/// always there.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.sourceRanges) || size(self.sourceRanges) == 0 || self.type == 'LoadBalancer'"
    ).message(
        "listeners.sourceRanges has an effect with type LoadBalancer only: remove it, or use networkPolicy"
    )
)]
pub struct Listener {
    /// Its name, the end of the name of its Service.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
            "listeners.name must start with a letter and contain only a-z, 0-9 and '-': choose a name \
             like 'edge'"
        )
    )]
    #[schemars(length(min = 1, max = 20))]
    pub name: String,

    /// ClusterIP: reached from within the cluster. NodePort: on a port of every node. LoadBalancer: at an
    /// address that the cluster's load balancer gives it; status.endpoints tells which.
    #[serde(rename = "type")]
    pub kind: ListenerType,

    /// The servers that its clients come to: Voters, Observers, or All.
    #[serde(default)]
    pub servers: ListenerServers,

    /// Allow: the ports that tls.client.mode opens. Require: the port with TLS only.
    #[serde(default)]
    pub tls: ListenerTls,

    /// Annotations of its Service, e.g. for the load balancer of a cloud.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,

    /// Ranges of addresses that a load balancer lets in, e.g. `10.0.0.0/8`; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ranges_schema")]
    pub source_ranges: Vec<String>,

    /// Names by which clients reach it, for the certificate of the servers, e.g. `zk.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "host_names_schema")]
    pub host_names: Vec<String>,
}

/// How a listener is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerType {
    /// From within the cluster.
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// At an address of its own.
    LoadBalancer,
}

impl ListenerType {
    /// As Services write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// Which servers a listener leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerServers {
    /// Those that vote.
    #[default]
    Voters,
    /// Those that do not.
    Observers,
    /// All of them.
    All,
}

/// Which ports a listener has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerTls {
    /// All that there are.
    #[default]
    Allow,
    /// The one with TLS only.
    Require,
}

/// Annotations with bounds.
fn annotations_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 4096},
    })
}

/// Ranges as a Service has them, and refused where that would refuse them.
fn ranges_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {"type": "string", "maxLength": 64},
        "x-kubernetes-validations": [{
            "rule": "self.all(range, isCIDR(range))",
            "message": "listeners.sourceRanges must be ranges of addresses: write for example 10.0.0.0/8",
        }],
    })
}

/// Names as a certificate has them.
fn host_names_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {"type": "string", "minLength": 1, "maxLength": 253},
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",
            "message": "listeners.hostNames must be DNS names in lower case: write for example zk.example.com",
        }],
    })
}
