//! The API of the operator: the kind `ZkEnsemble` of the group `quorate.dev`.
//!
//! The types here are the source of `crds/zkensembles.quorate.dev.yaml`; their doc comments become
//! the text that `kubectl explain` shows, so they speak to the person who writes the YAML.

mod chart_schema;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod listeners;
mod manifest;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod network;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod observers;
mod reference;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod spec;
mod status;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod template;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod tls;
#[expect(
    unreachable_pub,
    reason = "the schema derive copies each struct into a private place"
)]
mod updates;

pub use chart_schema::chart_schema;
pub use listeners::{Listener, ListenerServers, ListenerTls, ListenerType};
pub use manifest::{crd, crd_yaml};
pub use network::NetworkAccess;
pub use observers::{
    Ephemeral, OBSERVER_ZONES_MAX, OBSERVERS_PER_ZONE_MAX, ObserverStorage, ObserverZone, Observers,
};
pub use reference::api_reference;
pub use spec::{
    GIVEN_PREFIXES, OWNED_KEYS, OWNED_PREFIXES, Resources, Retention, Spread, Storage, Volumes,
    Voters, ZkEnsemble, ZkEnsembleSpec,
};
pub use status::{
    Endpoint, Formation, Leader, Member, MemberRole, MemberState, Membership, ObserverCounts,
    ObserverZoneStatus, Operation, VoterCounts, ZkEnsembleStatus, condition_type, operation_type,
};
pub use template::Template;
pub use tls::{ClientTls, ClientTlsMode, IssuerRef, PeerTls, PeerTlsMode, Tls};
pub use updates::{Day, Updates, Window};
