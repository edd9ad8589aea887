//! Four-letter words on the client port: monitoring that people have used for fifteen years.
//!
//! Source: `FourLetterCommands` and the command classes of Apache ZooKeeper 3.9, as observed.

use std::fmt::Write as _;
use std::path::Path;

use zk_wire::election::ServerState;

use crate::config::{BindAddress, Mode};
use crate::metrics;
use crate::monitor::Monitor;

/// The words that Apache knows. Those that are not answered here count as not in the whitelist.
const KNOWN: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
];

const ANSWERED: [&str; 6] = ["ruok", "srvr", "stat", "mntr", "conf", "isro"];

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// The version in the form that tools parse: `N.N.N-something, built on <date>`.
#[must_use]
pub(crate) fn version() -> String {
    format!(
        "3.9.4-quorate-{}, built on 2026-11-24 00:00 UTC",
        env!("CARGO_PKG_VERSION")
    )
}

/// The word that the first four bytes are, if any.
pub(super) fn known(head: [u8; 4]) -> Option<&'static str> {
    KNOWN.into_iter().find(|word| word.as_bytes() == head)
}

/// The whole answer to a known word.
pub(super) async fn answer(monitor: &Monitor, word: &'static str) -> String {
    let whitelist = &monitor.settings.four_letter_words;
    if !ANSWERED.contains(&word) || !(whitelist.contains(word) || whitelist.contains("*")) {
        return format!("{word} is not executed because it is not in the whitelist.\n");
    }
    let published = monitor.published();
    let serving = published.status.serving;
    match word {
        "ruok" => "imok".into(),
        "isro" if published.status.read_only => "ro".into(),
        "isro" => if serving { "rw" } else { "null" }.into(),
        _ if !serving => NOT_SERVING.into(),
        "srvr" => format!("Zookeeper version: {}\n{}", version(), summary(monitor)),
        "stat" => {
            let clients = clients(monitor);
            format!(
                "Zookeeper version: {}\nClients:\n{clients}\n{}",
                version(),
                summary(monitor)
            )
        }
        "mntr" => mntr(monitor),
        _ => {
            let (data, log) = (&monitor.settings.data_dir, &monitor.settings.data_log_dir);
            let sizes = [data.join("version-2"), log.join("version-2")];
            // Thousands of files may be there; that is not a job for a socket's thread.
            let sizes = tokio::task::spawn_blocking(move || sizes.map(|dir| size_of_files(&dir)));
            conf(monitor, sizes.await.unwrap_or_default())
        }
    }
}

fn summary(monitor: &Monitor) -> String {
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
        out.push_str("Proposal sizes last/min/max: -1/-1/-1\n");
    }
    out
}

fn clients(monitor: &Monitor) -> String {
    monitor
        .client_lines()
        .into_iter()
        .map(|(address, received, sent, queued)| {
            format!(" /{address}[1](queued={queued},recved={received},sent={sent})\n")
        })
        .collect()
}

fn mntr(monitor: &Monitor) -> String {
    let published = monitor.published();
    let s = &published.status;
    let mode = Monitor::mode_name(s).unwrap_or("looking");
    let mut out = format!("zk_version\t{}\nzk_server_state\t{mode}\n", version());
    if !s.standalone {
        let state = match s.state {
            ServerState::Looking => "looking",
            ServerState::Following => "following",
            ServerState::Leading => "leading",
            ServerState::Observing => "observing",
        };
        out.push_str(&format!("zk_peer_state\t{state} - {}\n", s.phase.name()));
    }
    out.push_str(&metrics::mntr_lines(monitor));
    out
}

fn conf(monitor: &Monitor, sizes: [u64; 2]) -> String {
    let s = &monitor.settings;
    let port = match &s.client {
        Some(BindAddress::All(port)) => i32::from(*port),
        Some(BindAddress::Host(host)) => i32::from(host.port),
        None => -1,
    };
    let [data_size, log_size] = sizes;
    let mut out = format!(
        "clientPort={port}\nsecureClientPort=-1\ndataDir={}\ndataDirSize={data_size}\n\
         dataLogDir={}\ndataLogSize={log_size}\ntickTime={}\nmaxClientCnxns={}\n\
         minSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\n",
        s.data_dir.join("version-2").display(),
        s.data_log_dir.join("version-2").display(),
        s.tick_ms,
        s.limits.connections_per_ip_max.unwrap_or(0),
        s.sessions.timeout_min_ms,
        s.sessions.timeout_max_ms,
        s.client_backlog,
    );
    match &s.mode {
        Mode::Standalone => out.push_str("serverId=0\n"),
        Mode::Ensemble { sid, membership } => {
            let own = membership.servers.get(sid);
            let lines = write!(
                out,
                "serverId={sid}\ninitLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\n\
                 quorumPort={}\npeerType={}\nmembership: \n{}",
                s.init_limit,
                s.sync_limit,
                own.map_or(0, |spec| spec.election_port),
                own.map_or(0, |spec| spec.quorum_port),
                i32::from(membership.voters().all(|voter| voter != *sid)),
                membership.to_text()
            );
            debug_assert!(lines.is_ok(), "writing to a String");
        }
    }
    out
}

fn size_of_files(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|m| m.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!(known(*b"ruok"), Some("ruok"));
        assert_eq!(known(*b"wchp"), Some("wchp"));
        for other in [*b"RUOK", *b"ruo\n", [0, 0, 0, 45]] {
            assert_eq!(known(other), None);
        }
    }

    #[test]
    fn the_version_has_the_shape_that_parsers_want() {
        let text = version();
        let (number, rest) = text.split_once('-').unwrap();
        assert_eq!(
            number
                .split('.')
                .filter(|n| n.parse::<u8>().is_ok())
                .count(),
            3
        );
        assert!(rest.contains(", built on ") && rest.ends_with(" UTC"));
    }
}
