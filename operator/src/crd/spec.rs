//! What a person asks for: the spec of a `ZkEnsemble`, its defaults and its validation rules.
//!
//! The rules are CEL, so that the API server itself refuses a bad object with a message that says
//! what to do, and no webhook has to be up for that. A field is here only when it has an effect.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::listeners::Listener;
use super::network::NetworkAccess;
use super::observers::Observers;
use super::status::ZkEnsembleStatus;
use super::template::Template;
use super::tls::Tls;
use super::updates::Updates;

/// The `zoo.cfg` keys that the operator writes itself, so that `spec.config` may not set them.
pub const OWNED_KEYS: [&str; 22] = [
    "dataDir",
    "dataLogDir",
    "clientPort",
    "clientPortAddress",
    "secureClientPort",
    "secureClientPortAddress",
    "dynamicConfigFile",
    "standaloneEnabled",
    "reconfigEnabled",
    "peerType",
    "electionAlg",
    "quorumListenOnAllIPs",
    "electionPortBindRetry",
    "db.autocreate",
    "client.certReload",
    "sslQuorum",
    "sslQuorumReloadCertFiles",
    "portUnification",
    "fips-mode",
    "ssl.quorum.clientAuth",
    "ssl.quorum.clientHostnameVerification",
    "ssl.quorum.hostnameVerification",
];

/// The beginnings of `zoo.cfg` keys that the operator writes itself.
pub const OWNED_PREFIXES: [&str; 9] = [
    "server.",
    "group.",
    "weight.",
    "admin.",
    "quorate.",
    "ssl.keyStore.",
    "ssl.trustStore.",
    "ssl.quorum.keyStore.",
    "ssl.quorum.trustStore.",
];

/// The beginnings of keys among those that are left to the user all the same: what servers tell about themselves.
pub const GIVEN_PREFIXES: [&str; 3] = ["quorate.log.", "quorate.audit.", "quorate.traces."];

/// Wanted state of one ZooKeeper-compatible ensemble.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quorate.dev",
    version = "v1alpha1",
    kind = "ZkEnsemble",
    plural = "zkensembles",
    shortname = "zke",
    category = "quorate",
    namespaced,
    status = "ZkEnsembleStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.observers.replicas",
        status_replicas_path = ".status.observers.replicas",
        label_selector_path = ".status.observers.selector"
    ),
    doc = "An ensemble of ZooKeeper-compatible servers, run by the Quorate operator.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.voters.summary",
        description = "Voters that serve, of the voters wanted"
    ),
    printcolumn(
        name = "Quorum",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='QuorumAvailable')].status",
        description = "Whether a leader with a quorum serves writes"
    ),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.leader.pod"),
    printcolumn(
        name = "Observers",
        type_ = "string",
        json_path = ".status.observers.summary",
        description = "Observers that serve, of the observers wanted"
    ),
    printcolumn(
        name = "Zones",
        type_ = "integer",
        json_path = ".status.voters.zones",
        description = "Zones that the voters run in"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why the ensemble is ready or not"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    validation = Rule::new("size(self.metadata.name) <= 30").message(
        "metadata.name is longer than 30 characters: the names of pods and their DNS names are \
         built from it; create the ensemble under a shorter name"
    ),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "metadata.name must start with a letter and contain only a-z, 0-9 and '-': Services are \
         named after it; choose a name like 'orders'"
    ),
    validation = Rule::new(
        "!has(self.spec.observers) || self.spec.observers.zones.all(zone, \
         size(zone.name) + size(self.metadata.name) <= 42)"
    ).message(
        "metadata.name and the name of a zone in observers.zones are longer than 42 characters \
         together: the names of pods are built from both; create the ensemble under a shorter name"
    ),
    validation = Rule::new(
        "!has(self.spec.tls) || !has(self.spec.tls.secretName) || \
         !(self.spec.tls.secretName in [self.metadata.name + '-tls', self.metadata.name + '-ca', \
         self.metadata.name + '-tls-issued'])"
    ).message(
        "tls.secretName is one of the names that the operator uses itself (NAME-tls, NAME-ca and \
         NAME-tls-issued): remove it to use the operator's certificates, or give the Secret another name"
    ),
    validation = Rule::new(
        "!has(self.spec.listeners) || self.spec.listeners.all(listener, !has(listener.tls) || \
         listener.tls != 'Require') || (has(self.spec.tls) && has(self.spec.tls.client) && \
         has(self.spec.tls.client.mode) && self.spec.tls.client.mode != 'Disabled')"
    ).message(
        "listeners with tls Require have no port while tls.client.mode is Disabled: set tls.client.mode to \
         Allow or Require, or remove tls from the listeners"
    ),
    validation = Rule::new(
        "(has(self.spec.tls) && has(self.spec.tls.peer) && has(self.spec.tls.peer.mode) ? \
         self.spec.tls.peer.mode : 'Disabled') == (has(oldSelf.spec.tls) && has(oldSelf.spec.tls.peer) && \
         has(oldSelf.spec.tls.peer.mode) ? oldSelf.spec.tls.peer.mode : 'Disabled')"
    ).message(
        "tls.peer.mode cannot be changed: servers with it and without would not understand each other \
         while they are restarted one after the other; set it back to its old value, or create a new \
         ZkEnsemble with the other mode and move the data"
    ),
    validation = Rule::new(
        "!has(self.spec.tls) || !has(self.spec.tls.peer) || !has(self.spec.tls.peer.mode) || \
         self.spec.tls.peer.mode == 'Disabled' || !has(oldSelf.spec.tls) || \
         ((has(self.spec.tls.secretName) ? self.spec.tls.secretName : '') == \
         (has(oldSelf.spec.tls.secretName) ? oldSelf.spec.tls.secretName : '') && \
         has(self.spec.tls.issuerRef) == has(oldSelf.spec.tls.issuerRef) && \
         (!has(self.spec.tls.issuerRef) || self.spec.tls.issuerRef == oldSelf.spec.tls.issuerRef))"
    ).message(
        "tls.secretName and tls.issuerRef cannot be changed while peer.mode is Require: servers with \
         certificates of the old authority and of the new one would not let each other in; set them back to \
         their old values and replace what is in the Secret, with both authorities in ca.crt for a time"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ZkEnsembleSpec {
    /// Container image of the server. Without it, the image that the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// Whether the operator keeps its hands off: it goes on to report, and changes nothing. The
    /// servers work on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,

    /// The servers that vote: they elect the leader and acknowledge every write.
    pub voters: Voters,

    /// Servers that follow without a vote and serve clients in their zone; none without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observers: Option<Observers>,

    /// TLS with clients and between servers; none without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Further Services for clients, beside `NAME-client`; none without this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    #[schemars(extend("x-kubernetes-list-map-keys" = ["name"]))]
    pub listeners: Vec<Listener>,

    /// What becomes of volumes that no server uses any more; by default they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Volumes>,

    /// When servers may be restarted with a new spec; at any time without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Updates>,

    /// Who may reach the servers over the network; everybody without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkAccess>,

    /// Settings of `zoo.cfg`, added to those that the operator writes, e.g. `maxClientCnxns: "200"`.
    /// A change restarts the servers one at a time, the leader last, except where it is only of keys that
    /// they take while they run: maxClientCnxns, maxCnxns, 4lw.commands.whitelist, clientTcpKeepAlive,
    /// nio.sessionlessCnxnTimeout and fsync.warningthresholdms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "config_schema")]
    pub config: BTreeMap<String, String>,
}

/// The voters of an ensemble.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Voters {
    /// Number of voters: 1, 3, 5 or 7. Three survive the loss of one, five of two, seven of three.
    /// A change adds or removes voters one at a time; volumes of removed ones stay.
    #[serde(default = "default_replicas")]
    #[x_kube(
        validation = Rule::new("self in [1, 3, 5, 7]").message(
            "voters.replicas must be 1, 3, 5 or 7: an even number survives no more failures than \
             the odd number below it; use 3 (survives one failure) or 5 (survives two)"
        )
    )]
    pub replicas: i32,

    /// The volume of each voter.
    pub storage: Storage,

    /// CPU and memory of each voter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Whether voters may share a zone or a node where there are too few: Preferred spreads them as
    /// evenly as the cluster allows, Required leaves a voter waiting rather than put it where it makes
    /// the spread uneven.
    #[serde(default, skip_serializing_if = "Spread::is_default")]
    pub spread: Spread,

    /// How long a voter may be unavailable, e.g. `15m`, before another server gets its vote, until it is
    /// back: where its node or its zone is lost, the ensemble survives the next loss too. Without it, the
    /// operator waits. The volume of the lost one stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 16),
        regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$")
    )]
    #[x_kube(
        validation = Rule::new(
            "duration(self) >= duration('1m') && duration(self) <= duration('720h')"
        ).message(
            "voters.replaceUnavailableAfter must be from 1m to 720h: shorter is a restart; write for \
             example 15m"
        )
    )]
    pub replace_unavailable_after: Option<String>,

    /// Additions to the pods of voters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// How strictly voters are spread over zones and nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Spread {
    /// As evenly as the cluster allows.
    #[default]
    Preferred,
    /// Evenly, or not at all.
    Required,
}

impl Spread {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of volumes that no server uses any more.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    /// Of those of an ensemble that is deleted.
    #[serde(default)]
    pub when_deleted: Retention,
    /// Of those of voters that went because fewer are wanted.
    #[serde(default)]
    pub when_scaled: Retention,
}

/// Whether a volume stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// It stays until a person deletes it.
    #[default]
    Retain,
    /// It is deleted with its data.
    Delete,
}

impl Retention {
    /// As StatefulSets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retain => "Retain",
            Self::Delete => "Delete",
        }
    }
}

/// The volume that each voter keeps its data on. It outlives the ensemble object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "has(self.storageClassName) == has(oldSelf.storageClassName) && \
         (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)"
    ).message(
        "storage.storageClassName cannot be changed: a volume stays in the class that it was made \
         in; set it back to its old value, or create a new ZkEnsemble with the other class and \
         move the data"
    ),
    validation = Rule::new("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0").message(
        "storage.size cannot shrink: a volume cannot be made smaller without losing data; set it \
         back to its old value, or create a new ZkEnsemble with smaller volumes and move the data"
    )
)]
pub struct Storage {
    /// Size of each voter's volume, e.g. `10Gi`. It may grow, where the storage class allows it: the
    /// volumes do so one at a time.
    #[x_kube(
        validation = Rule::new("isQuantity(self)").message(
            "storage.size must be a quantity: write a number with a unit, such as 10Gi"
        ),
        validation = Rule::new("!isQuantity(self) || quantity(self).compareTo(quantity('0')) > 0")
            .message("storage.size must be more than zero: write for example 10Gi")
    )]
    #[schemars(length(min = 1, max = 32))]
    pub size: String,

    /// Storage class of the volumes. Without it, the default class of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

/// CPU and memory, as in a pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside, e.g. `{cpu: 500m, memory: 1Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities_schema")]
    pub requests: BTreeMap<String, Quantity>,
    /// What a server may use at most, e.g. `{memory: 1Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities_schema")]
    pub limits: BTreeMap<String, Quantity>,
}

fn default_replicas() -> i32 {
    3
}

/// The map of settings with its bounds; without them the API server cannot bound the cost of rules.
fn config_schema(_: &mut SchemaGenerator) -> Schema {
    let list = |words: &[&str]| {
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let starts = |prefixes: &[&str]| {
        prefixes
            .iter()
            .map(|prefix| format!("key.startsWith('{prefix}')"))
            .collect::<Vec<_>>()
            .join(" || ")
    };
    let (owned, given) = (starts(&OWNED_PREFIXES), starts(&GIVEN_PREFIXES));
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 1024},
        "x-kubernetes-validations": [
            {
                "rule": format!("self.all(key, !(key in [{}]))", list(&OWNED_KEYS)),
                "message": format!(
                    "config may not set a key that the operator writes itself: remove {} from it; \
                     volumes, ports and servers follow from the other fields of the spec",
                    OWNED_KEYS.join(", ")
                ),
            },
            {
                "rule": format!("self.all(key, !({owned}) || {given})"),
                "message": format!(
                    "config may not set keys that start with {}: remove them; the operator writes \
                     the list of servers, the admin port, the identity and the certificates itself; \
                     those that start with {} may be set",
                    OWNED_PREFIXES.join(", "),
                    GIVEN_PREFIXES.join(", ")
                ),
            },
            {
                "rule": "self.all(key, !self[key].contains('\\n') && !self[key].contains('\\r'))",
                "message": "config values must be single lines: remove the line breaks, one key \
                            per setting",
            },
        ],
    })
}

fn quantities_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 32},
        "x-kubernetes-validations": [{
            "rule": "self.all(key, isQuantity(self[key]))",
            "message": "resources must be quantities: write for example cpu: 500m or memory: 1Gi",
        }],
    })
}

#[cfg(test)]
mod tests;
