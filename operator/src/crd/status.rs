//! What the operator reports: the status of a `ZkEnsemble`.
//!
//! Nothing in it changes by itself while the ensemble is at rest: numbers that move all the time
//! belong to the servers' metrics. Otherwise every status update would wake every watcher.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The types of the conditions; all but that of certificates are always present.
pub mod condition_type {
    /// All voters serve and run what the spec asks for.
    pub const READY: &str = "Ready";
    /// A leader with a quorum serves writes.
    pub const QUORUM_AVAILABLE: &str = "QuorumAvailable";
    /// The operator or the cluster is at work towards the spec.
    pub const PROGRESSING: &str = "Progressing";
    /// Something is wrong that a person may have to look at.
    pub const DEGRADED: &str = "Degraded";
    /// One voter may leave now, and a quorum stays: what whoever drains nodes wants to know.
    pub const DISRUPTION_SAFE: &str = "DisruptionSafe";
    /// Any one zone may be lost, and the voters of the others make a quorum.
    pub const ZONE_FAULT_TOLERANT: &str = "ZoneFaultTolerant";
    /// The certificate of the servers is there and good; present with TLS only.
    pub const CERTIFICATES_VALID: &str = "CertificatesValid";
}

/// The types of operations.
pub mod operation_type {
    /// The ensemble begins.
    pub const FORMING: &str = "Forming";
    /// Servers are restarted with the new spec.
    pub const ROLLING_UPDATE: &str = "RollingUpdate";
    /// Voters come.
    pub const SCALING_UP: &str = "ScalingUp";
    /// Voters go.
    pub const SCALING_DOWN: &str = "ScalingDown";
    /// Another server gets the vote of one that is lost, or gives it back.
    pub const REPLACING: &str = "Replacing";
    /// Volumes grow.
    pub const GROWING_VOLUMES: &str = "GrowingVolumes";

    /// Servers take other settings while they run.
    pub const CHANGING_SETTINGS: &str = "ChangingSettings";

    /// All of them.
    pub(crate) const ALL: [&str; 7] = [
        FORMING,
        ROLLING_UPDATE,
        SCALING_UP,
        SCALING_DOWN,
        REPLACING,
        GROWING_VOLUMES,
        CHANGING_SETTINGS,
    ];

    /// The type of this name, if it is one.
    pub(crate) fn known(name: &str) -> Option<&'static str> {
        ALL.into_iter().find(|kind| *kind == name)
    }
}

/// Observed state of an ensemble.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZkEnsembleStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Identity of the ensemble, set once; the servers keep it on their disks and refuse another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble_id: Option<String>,
    /// How the ensemble began; set once, before its first object is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formation: Option<Formation>,
    /// The members that the ensemble agreed upon, as far as the operator has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<Membership>,
    /// What is being done; absent at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Ready, QuorumAvailable, Progressing, Degraded, DisruptionSafe, ZoneFaultTolerant, and with TLS
    /// CertificatesValid, each with a reason and a message.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The server that leads now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
    /// Counts of voters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voters: Option<VoterCounts>,
    /// Counts of observers; absent where there never were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observers: Option<ObserverCounts>,
    /// Where clients connect: the Service of the voters, that of each zone with observers, and each listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    #[schemars(extend("x-kubernetes-list-map-keys" = ["service"]))]
    pub endpoints: Vec<Endpoint>,
    /// The voters one by one.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    #[schemars(extend("x-kubernetes-list-map-keys" = ["serverId"]))]
    pub members: Vec<Member>,
}

/// How the ensemble began. Empty servers may vote only while it is not complete and all of its
/// voters are empty: afterwards an empty volume is a lost one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Formation {
    /// Number of voters that form it, whatever the spec says meanwhile.
    pub voters: u8,
    /// Whether a leader was seen with a quorum of them.
    pub complete: bool,
}

/// The members that the ensemble agreed upon. Every server starts with this list unless it knows a
/// newer one, so that a volume from an earlier time cannot bring back the voters of that time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Version of the config, hexadecimal: the zxid of the change that made it.
    pub version: String,
    /// Ids of the servers that vote.
    pub voters: Vec<u8>,
    /// The lines of the servers in that config.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// What is being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Forming, ScalingUp, ScalingDown, Replacing, RollingUpdate, ChangingSettings or GrowingVolumes.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is, or what it waits for.
    pub step: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
}

/// The server that leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leader {
    /// Its id in the ensemble.
    pub server_id: u8,
    /// The pod it runs in.
    pub pod: String,
}

/// Counts of voters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoterCounts {
    /// Voters that the spec asks for.
    pub desired: i32,
    /// Voters that have a pod.
    pub current: i32,
    /// Voters that serve clients.
    pub ready: i32,
    /// Ready of desired, as `kubectl get` shows it.
    pub summary: String,
    /// Number of known zones that voters run in; absent when the nodes carry no zone label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<i32>,
}

/// Counts of observers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObserverCounts {
    /// Observers that have a pod.
    pub replicas: i32,
    /// Observers that serve clients.
    pub ready_replicas: i32,
    /// Ready of wanted, as `kubectl get` shows it.
    pub summary: String,
    /// Selects the pods of observers, for autoscalers.
    pub selector: String,
    /// The zones that have observers, or had some.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    #[schemars(extend("x-kubernetes-list-map-keys" = ["name"]))]
    pub zones: Vec<ObserverZoneStatus>,
}

/// The observers of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObserverZoneStatus {
    /// The zone.
    pub name: String,
    /// Id of the observer in the pod with ordinal 0; no other zone ever has this block of ids while
    /// there are others.
    pub id_base: u8,
    /// Observers that are wanted there.
    pub desired: i32,
    /// Observers that have a pod there.
    pub current: i32,
    /// Observers that serve clients there.
    pub ready: i32,
}

/// Where clients connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The Service.
    pub service: String,
    /// Connect string without TLS; absent where there is no such port, or no address yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
    /// Connect string with TLS; absent where there is no such port, or no address yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The port of every node that leads there without TLS, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_node_port: Option<i32>,
    /// The port of every node that leads there with TLS, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_node_port: Option<i32>,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id in the ensemble: the ordinal of its pod plus one.
    pub server_id: u8,
    /// The pod it runs in.
    pub pod: String,
    /// Whether the ensemble counts its vote: one that is to come or that went has none.
    #[serde(default)]
    pub votes: bool,
    /// The node that the pod is bound to; absent while it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The zone of that node; absent when the node has no zone label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What it does in the ensemble.
    pub role: MemberRole,
    /// How far it has come.
    pub state: MemberState,
}

/// What a server does in the ensemble, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberRole {
    /// It leads.
    Leader,
    /// It follows a leader.
    Follower,
    /// It follows without a vote.
    Observer,
    /// It looks for a leader.
    Looking,
    /// It did not say.
    Unknown,
}

/// How far a voter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberState {
    /// It has no pod.
    Missing,
    /// Its pod does not run yet: it waits for a node, a volume or the image.
    Pending,
    /// Its container ends again and again.
    Crashing,
    /// Its pod runs but does not answer the operator.
    Unreachable,
    /// It answers but does not serve clients: it looks for a leader or synchronizes with one.
    Joining,
    /// It serves clients.
    Serving,
}

/// `metav1.Condition` as a list keyed by type, written out so that the schema stays structural.
fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "message": {"type": "string", "maxLength": 32768},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "type": {"type": "string", "maxLength": 316},
            },
        },
    })
}
