//! `leader`, `observers`, `voting_view`, `zabstate`: the ensemble as this member sees it.
//!
//! Source: `Commands.LeaderCommand`, `ObserverCommand`, `VotingViewCommand`, `ZabStateCommand` of
//! Apache ZooKeeper 3.9.

use zk_wire::election::ServerState;
use zk_wire::membership::{Role, ServerSpec};

use super::Members;
use crate::admin::json::Json;
use crate::monitor::Monitor;

/// Who leads.
pub(super) fn leader(monitor: &Monitor) -> Members {
    let Some((sid, membership)) = monitor.ensemble() else {
        let error = Json::text("server is not initialized");
        return vec![("error".into(), error)];
    };
    let leader = monitor.published().status.leader;
    let spec = leader.and_then(|leader| membership.servers.get(&leader));
    vec![
        ("is_leader".into(), Json::Bool(leader == Some(sid))),
        ("leader_id".into(), Json::Int(leader.map_or(-1, |l| l.0))),
        (
            "leader_ip".into(),
            spec.map_or(Json::text(""), |spec| Json::text(spec.host.clone())),
        ),
    ]
}

/// The observers that follow this server.
pub(super) fn observers(monitor: &Monitor) -> Members {
    let published = monitor.published();
    let membership = monitor.ensemble().map(|(_, membership)| membership);
    let observers: Vec<_> = published
        .status
        .learners
        .iter()
        .filter(|learner| !learner.voter && learner.synced)
        .collect();
    let row = |learner: &&zk_core::status::LearnerStatus| {
        let spec = membership
            .as_ref()
            .and_then(|m| m.servers.get(&learner.sid));
        let host = spec.map_or("", |spec| spec.host.as_str());
        Json::object([
            ("remote_socket_address", Json::text(format!("/{host}"))),
            ("sid", Json::Int(learner.sid.0)),
            ("queued_packets", Json::count(learner.lag)),
        ])
    };
    vec![
        (
            "synced_observers".into(),
            Json::count(observers.len() as u64),
        ),
        (
            "observers".into(),
            Json::List(observers.iter().map(row).collect()),
        ),
    ]
}

/// The voters and their addresses.
pub(super) fn voting_view(monitor: &Monitor) -> Members {
    let rows = monitor.ensemble().map(|(_, membership)| {
        let voters = membership
            .servers
            .iter()
            .filter(|(_, spec)| spec.role == Role::Participant);
        let row = |spec: &ServerSpec| {
            let at = |port: u16| Json::texts([format!("{}:{port}", spec.host)]);
            let client = spec.client.as_ref().map(ToString::to_string);
            Json::object([
                ("server_addresses", at(spec.quorum_port)),
                ("election_addresses", at(spec.election_port)),
                ("client_address", Json::text(client.unwrap_or_default())),
                ("learner_type", Json::text("participant")),
            ])
        };
        voters
            .map(|(sid, spec)| (sid.0.to_string(), row(spec)))
            .collect()
    });
    let rows = Json::Object(rows.unwrap_or_default());
    vec![("current_config".into(), rows)]
}

/// Phase, addresses and position of this member.
pub(super) fn zab_state(monitor: &Monitor) -> Members {
    let published = monitor.published();
    let s = &published.status;
    let Some((sid, membership)) = monitor.ensemble().filter(|_| s.serving) else {
        return vec![
            ("voting".into(), Json::Bool(false)),
            ("zabstate".into(), Json::text("")),
        ];
    };
    let spec = membership.servers.get(&sid);
    let zxid = s.zxid_applied;
    let address = |port: fn(&ServerSpec) -> u16| {
        spec.map_or(Json::Null, |spec| addresses(&spec.host, port(spec)))
    };
    let client = spec.and_then(|spec| spec.client.as_ref());
    let voting = spec.is_some_and(|spec| spec.role == Role::Participant);
    vec![
        ("myid".into(), Json::Int(sid.0)),
        (
            "is_leader".into(),
            Json::Bool(s.state == ServerState::Leading),
        ),
        ("quorum_address".into(), address(|spec| spec.quorum_port)),
        (
            "election_address".into(),
            address(|spec| spec.election_port),
        ),
        (
            "client_address".into(),
            client.map_or(Json::Null, |at| Json::text(at.to_string())),
        ),
        ("voting".into(), Json::Bool(voting)),
        (
            "last_zxid".into(),
            Json::text(format!("{:#x}", zxid.as_u64())),
        ),
        ("zab_epoch".into(), Json::Int(i64::from(zxid.epoch().0))),
        (
            "zab_counter".into(),
            Json::count(zxid.as_u64() & 0xffff_ffff),
        ),
        ("zabstate".into(), Json::text(s.phase.name())),
    ]
}

/// One address in the form of Apache's `MultipleAddresses`.
fn addresses(host: &str, port: u16) -> Json {
    let one = || Json::text(format!("{host}:{port}"));
    let list = || Json::List(vec![one()]);
    Json::object([
        ("empty", Json::Bool(false)),
        ("all_addresses", list()),
        (
            "wildcard_addresses",
            Json::texts([format!("0.0.0.0:{port}")]),
        ),
        ("all_ports", Json::List(vec![Json::Int(i64::from(port))])),
        ("all_host_strings", Json::texts([host])),
        ("reachable_address", one()),
        ("all_reachable_addresses", list()),
        ("all_reachable_addresses_or_all", list()),
        ("reachable_or_one", one()),
        ("one", one()),
    ])
}
