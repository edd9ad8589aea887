//! `srvr`, and the connections of `stat` and `cons`.
//!
//! Source: `StatCommand`, `ConsCommand`, `ServerCnxn.dumpConnectionInfo` of Apache ZooKeeper 3.9.

use std::fmt::Write as _;
use std::net::SocketAddr;

use zk_wire::election::ServerState;

use crate::client_port::Client;
use crate::monitor::Monitor;

/// The version in the form that tools parse: `N.N.N-something, built on <date>`.
#[must_use]
pub(crate) fn version() -> String {
    format!(
        "3.9.4-quorate-{}, built on 2026-11-24 00:00 UTC",
        env!("CARGO_PKG_VERSION")
    )
}

/// Everything of `srvr` after its first line.
pub(super) fn summary(monitor: &Monitor) -> String {
    let published = monitor.published();
    let (s, m) = (&published.status, &monitor.metrics);
    let mut out = String::new();
    let lines = write!(
        out,
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n\
         Zxid: {:#x}\nMode: {}\nNode count: {}\n",
        m.latency.min(),
        m.latency.mean_text(),
        m.latency.max(),
        m.packets_received.value(),
        m.packets_sent.value(),
        monitor.connections(),
        s.outstanding,
        s.zxid_applied.as_u64(),
        Monitor::mode_name(s).unwrap_or("looking"),
        s.nodes
    );
    debug_assert!(lines.is_ok(), "writing to a String");
    if s.state == ServerState::Leading && !s.standalone {
        let [last, min, max] = m.proposal_sizes.values();
        let line = writeln!(out, "Proposal sizes last/min/max: {last}/{min}/{max}");
        debug_assert!(line.is_ok(), "writing to a String");
    }
    out
}

/// One line for each connection, the asker's last.
pub(super) fn clients(monitor: &Monitor, asker: SocketAddr, full: bool) -> String {
    let mut out: String = monitor
        .clients()
        .iter()
        .map(|client| client_line(client, full))
        .collect();
    out.push_str(&format!(" /{asker}[0](queued=0,recved=1,sent=0)\n"));
    out
}

fn client_line(client: &Client, full: bool) -> String {
    let mut line = format!(
        " /{}[1](queued={},recved={},sent={}",
        client.address,
        client.gate.unanswered(),
        client.received.value(),
        client.sent.value()
    );
    let p = client.stats.picture();
    if let Some((session, timeout_ms)) = p.session.filter(|_| full) {
        let cxid = if p.last_cxid < 0 {
            String::new()
        } else {
            format!("lcxid={:#x},", p.last_cxid)
        };
        let more = write!(
            line,
            ",sid={session:#x},lop={},est={},to={timeout_ms},{cxid}lzxid={:#x},lresp={},llat={},\
             minlat={},avglat={},maxlat={}",
            p.last_operation,
            p.established_ms,
            p.last_zxid,
            p.last_response_ms,
            p.last_latency_ms,
            p.min_latency_ms,
            p.avg_latency_ms,
            p.max_latency_ms
        );
        debug_assert!(more.is_ok(), "writing to a String");
    }
    line.push_str(")\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_the_shape_that_parsers_want() {
        let text = version();
        let (number, rest) = text.split_once('-').unwrap();
        let parts = number.split('.');
        assert_eq!(parts.filter(|n| n.parse::<u8>().is_ok()).count(), 3);
        assert!(rest.contains(", built on ") && rest.ends_with(" UTC"));
    }
}
