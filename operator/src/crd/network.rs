//! Who may reach the servers over the network.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A NetworkPolicy around the pods of the ensemble: its servers reach each other, and who else is named
/// here. It has an effect where the network of the cluster obeys such policies.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkAccess {
    /// Whether there is a policy. Without one, whoever reaches the pods reaches all of their ports.
    #[serde(default = "enabled")]
    pub enabled: bool,

    /// Who may reach the ports for clients, as in a NetworkPolicy. Everybody if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "peers_schema")]
    pub client_from: Vec<NetworkPolicyPeer>,

    /// Who may reach the admin port, with its metrics and commands, beside the operator: what scrapes
    /// metrics, for one. Nobody else if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "peers_schema")]
    pub metrics_from: Vec<NetworkPolicyPeer>,
}

fn enabled() -> bool {
    true
}

/// Peers as a NetworkPolicy has them, with bounds, and refused where that would refuse them.
fn peers_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "properties": {
                "ipBlock": block_schema(),
                "namespaceSelector": selector_schema("Namespaces by their labels; all if empty."),
                "podSelector": selector_schema(
                    "Pods by their labels: of the namespaces, or of this one if none are selected.",
                ),
            },
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.ipBlock) || has(self.namespaceSelector) || has(self.podSelector)",
                    "message": "a peer must say who: set ipBlock, namespaceSelector or podSelector; \
                                namespaceSelector: {} is everybody in the cluster",
                },
                {
                    "rule": "!has(self.ipBlock) || \
                             (!has(self.namespaceSelector) && !has(self.podSelector))",
                    "message": "a peer with ipBlock may have no selectors: make it two peers",
                },
            ],
        },
    })
}

fn block_schema() -> Value {
    let address = json!({"type": "string", "maxLength": 64});
    json!({
        "description": "Addresses.",
        "type": "object",
        "required": ["cidr"],
        "properties": {
            "cidr": address,
            "except": {"type": "array", "maxItems": 16, "items": address},
        },
        "x-kubernetes-validations": [
            {
                "rule": "isCIDR(self.cidr)",
                "message": "ipBlock.cidr must be a range of addresses: write for example 10.0.0.0/8",
            },
            {
                "rule": "!isCIDR(self.cidr) || !has(self.except) || self.except.all(part, \
                         isCIDR(part) && cidr(self.cidr).containsCIDR(part) && \
                         cidr(part).prefixLength() > cidr(self.cidr).prefixLength())",
                "message": "ipBlock.except must be parts of ipBlock.cidr: write for example \
                            10.1.0.0/16 with 10.0.0.0/8",
            },
        ],
    })
}

fn selector_schema(description: &str) -> Value {
    let value = json!({
        "type": "string",
        "maxLength": 63,
        "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    });
    json!({
        "description": description,
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object",
                "maxProperties": 16,
                "additionalProperties": value,
            },
            "matchExpressions": {
                "type": "array",
                "maxItems": 16,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"type": "string", "minLength": 1, "maxLength": 317},
                        "operator": {
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {"type": "array", "maxItems": 16, "items": value},
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == \
                                 (has(self.values) && size(self.values) > 0)",
                        "message": "matchExpressions must have values with In and NotIn, and none \
                                    with Exists and DoesNotExist",
                    }],
                },
            },
        },
    })
}
