//! `connections`, and the connections of `stats`.
//!
//! Source: `ServerCnxn.getConnectionInfo` of Apache ZooKeeper 3.9.

use super::Members;
use crate::admin::json::Json;
use crate::client_port::Client;
use crate::monitor::Monitor;

/// Everything about each connection.
pub(super) fn all(monitor: &Monitor) -> Members {
    by_port(monitor, |client| {
        let mut members = brief_members(client);
        let p = client.stats.picture();
        let (session, timeout_ms) = p.session.unwrap_or((0, 0));
        members.extend([
            ("session_id".into(), Json::Int(session)),
            ("last_operation".into(), Json::text(p.last_operation)),
            ("established".into(), Json::Int(p.established_ms)),
            ("session_timeout".into(), Json::Int(i64::from(timeout_ms))),
            ("last_cxid".into(), Json::Int(p.last_cxid)),
            ("last_zxid".into(), Json::Int(p.last_zxid)),
            ("last_response_time".into(), Json::count(p.last_response_ms)),
            ("last_latency".into(), Json::count(p.last_latency_ms)),
            ("min_latency".into(), Json::count(p.min_latency_ms)),
            ("avg_latency".into(), Json::count(p.avg_latency_ms)),
            ("max_latency".into(), Json::count(p.max_latency_ms)),
        ]);
        members
    })
}

/// The counts of each connection.
pub(super) fn brief(monitor: &Monitor) -> Members {
    by_port(monitor, brief_members)
}

fn by_port(monitor: &Monitor, show: impl Fn(&Client) -> Members) -> Members {
    let (mut plain, mut secure) = (Vec::new(), Vec::new());
    for client in monitor.clients() {
        let list = if client.secure {
            &mut secure
        } else {
            &mut plain
        };
        list.push(Json::Object(show(&client)));
    }
    vec![
        ("connections".into(), Json::List(plain)),
        ("secure_connections".into(), Json::List(secure)),
    ]
}

fn brief_members(client: &Client) -> Members {
    let waiting = client.gate.unanswered() as u64;
    vec![
        (
            "remote_socket_address".into(),
            Json::text(client.address.to_string()),
        ),
        ("interest_ops".into(), Json::Int(1)),
        ("outstanding_requests".into(), Json::count(waiting)),
        (
            "packets_received".into(),
            Json::count(client.received.value()),
        ),
        ("packets_sent".into(), Json::count(client.sent.value())),
    ]
}
