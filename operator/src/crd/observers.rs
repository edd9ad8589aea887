//! The observers of an ensemble: servers that follow without a vote, for many clients and for clients
//! far away. An autoscaler may change their number, and never that of the voters.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::spec::Resources;
use super::template::Template;

/// Observers in one zone at most: each zone has its own block of ids.
pub const OBSERVERS_PER_ZONE_MAX: u8 = 31;

/// Zones with observers at most: there are ids for as many blocks.
pub const OBSERVER_ZONES_MAX: u8 = 7;

/// The observers of an ensemble: they serve clients in their zone, and nothing waits for them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.replicas <= 31 * size(self.zones)").message(
        "observers.replicas is more than 31 for each zone: there are no more ids; add a zone or ask \
         for fewer"
    ),
    validation = Rule::new(
        "self.zones.map(zone, has(zone.minReplicas) ? zone.minReplicas : 0).sum() <= self.replicas"
    ).message(
        "observers.zones asks for more observers than observers.replicas has: the minReplicas of all \
         zones together may be as many; raise replicas or lower minReplicas"
    )
)]
pub struct Observers {
    /// Number of observers over all zones. `kubectl scale` and autoscalers change this one.
    #[schemars(range(min = 0, max = 200))]
    pub replicas: i32,

    /// The zones that have observers: each gets its minimum, and the rest is spread evenly.
    #[schemars(length(min = 1, max = 7))]
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    #[schemars(extend("x-kubernetes-list-map-keys" = ["name"]))]
    pub zones: Vec<ObserverZone>,

    /// CPU and memory of each observer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Additions to the pods of observers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,

    /// Where observers keep their data. It is a copy: a new pod gets it from the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<ObserverStorage>,
}

/// A zone that has observers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObserverZone {
    /// The zone, as nodes have it in the label `topology.kubernetes.io/zone`.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(
            "a zone must contain only a-z, 0-9 and '-': Services are named after it; write it as the \
             nodes have it in their label topology.kubernetes.io/zone"
        )
    )]
    #[schemars(length(min = 1, max = 40))]
    pub name: String,

    /// Observers that this zone has at least, whatever the others have.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 31))]
    pub min_replicas: i32,
}

/// Where observers keep their data.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObserverStorage {
    /// On the disk of the node, as long as the pod is there.
    #[serde(default)]
    pub ephemeral: Ephemeral,
}

/// A directory on the disk of a node.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ephemeral {
    /// What a pod may fill of it, e.g. `8Gi`; one that takes more is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size_schema")]
    pub size_limit: Option<Quantity>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

fn size_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "nullable": true,
        "x-kubernetes-validations": [{
            "rule": "isQuantity(self)",
            "message": "storage.ephemeral.sizeLimit must be a quantity: write a number with a unit, \
                        such as 8Gi",
        }],
    })
}
