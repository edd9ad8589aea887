//! The client connections that there is most of: packets, requests that wait, time.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::client_port::Client;

/// Connections in each list.
const LIST_MAX: usize = 10;

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Talker {
    /// Address and port.
    address: String,
    /// Whether it is encrypted.
    secure: bool,
    /// Hexadecimal; `None` before there is one.
    session: Option<String>,
    /// Packets from the client.
    received: u64,
    /// Packets to it.
    sent: u64,
    /// Requests without an answer.
    outstanding: u64,
    /// What was answered last.
    last_operation: &'static str,
    /// Mean, ms.
    avg_latency_ms: u64,
    /// Longest, ms.
    max_latency_ms: u64,
}

impl Talker {
    fn of(client: &Client) -> Self {
        let p = client.stats.picture();
        Self {
            address: client.address.to_string(),
            secure: client.secure,
            session: p.session.map(|(id, _)| format!("0x{id:x}")),
            received: client.received.value(),
            sent: client.sent.value(),
            outstanding: client.gate.unanswered() as u64,
            last_operation: p.last_operation,
            avg_latency_ms: p.avg_latency_ms,
            max_latency_ms: p.max_latency_ms,
        }
    }

    fn packets(&self) -> u64 {
        self.received.saturating_add(self.sent)
    }
}

/// Those at the top, in each of three orders.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Talkers {
    /// Most packets in both directions first.
    by_packets: Vec<Talker>,
    /// Most requests without an answer first.
    by_outstanding: Vec<Talker>,
    /// The longest mean latency first.
    by_latency: Vec<Talker>,
}

impl Talkers {
    /// Of real connections: those of the page itself have no port.
    pub(super) fn of(clients: &[impl AsRef<Client>]) -> Self {
        let all = clients.iter().map(AsRef::as_ref);
        let real = all.filter(|client| client.address.port() != 0);
        Self::top(&real.map(Talker::of).collect::<Vec<_>>())
    }

    fn top(all: &[Talker]) -> Self {
        let by = |key: fn(&Talker) -> u64| {
            let mut sorted: Vec<&Talker> = all.iter().collect();
            sorted.sort_by_cached_key(|t| (Reverse(key(t)), t.address.clone()));
            sorted.into_iter().take(LIST_MAX).cloned().collect()
        };
        Self {
            by_packets: by(Talker::packets),
            by_outstanding: by(|t| t.outstanding),
            by_latency: by(|t| t.avg_latency_ms),
        }
    }
}

/// Connections of the address that has most.
pub(super) fn most_of_one_address(clients: &[impl AsRef<Client>]) -> u64 {
    let mut counts: HashMap<IpAddr, u64> = HashMap::new();
    for client in clients {
        *counts.entry(client.as_ref().address.ip()).or_default() += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talker(n: u64) -> Talker {
        Talker {
            address: format!("10.0.0.1:{n}"),
            secure: false,
            session: None,
            received: n,
            sent: n,
            outstanding: 100 - n,
            last_operation: "GETD",
            avg_latency_ms: n % 7,
            max_latency_ms: n,
        }
    }

    #[test]
    fn each_order_has_its_ten() {
        let all: Vec<Talker> = (1..=50).map(talker).collect();
        let top = Talkers::top(&all);
        let received = |list: &[Talker]| list.iter().map(|t| t.received).collect::<Vec<_>>();
        assert_eq!(
            received(&top.by_packets),
            (41..=50).rev().collect::<Vec<_>>()
        );
        assert_eq!(received(&top.by_outstanding), (1..=10).collect::<Vec<_>>());
        assert_eq!(top.by_latency.len(), LIST_MAX);
        assert!(top.by_latency.iter().take(7).all(|t| t.avg_latency_ms == 6));
        assert_eq!(Talkers::top(&[]), Talkers::default());
    }
}
