//! Four-letter words on the client port: monitoring that people have used for fifteen years.
//!
//! Source: `FourLetterCommands` and the command classes of Apache ZooKeeper 3.9, as observed.

mod lists;
mod server;
mod summary;

use std::net::SocketAddr;

use crate::metrics;
use crate::monitor::Monitor;

pub(crate) use lists::by_path;
pub(crate) use server::{conf_port, directory_sizes, environment};
pub(crate) use summary::version;

/// The words that Apache knows.
const KNOWN: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
];

/// The telnet sequence that stands for an interrupt, and how Apache calls it; where it is allowed, the
/// connection closes without a word.
pub(super) const TELNET_CLOSE: ([u8; 4], &str) = ([0xff, 0xf4, 0xff, 0xfd], "telnet close");

/// The word that carries an argument.
pub(super) const SET_TRACE_MASK: &str = "stmk";

pub(crate) const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// The word that the first four bytes are, if any.
pub(super) fn known(head: [u8; 4]) -> Option<&'static str> {
    KNOWN.into_iter().find(|word| word.as_bytes() == head)
}

/// Who asks, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// Remote address.
    pub(super) address: SocketAddr,
    /// What follows `stmk`.
    pub(super) mask: Option<i64>,
}

/// The whole answer to a known word.
pub(super) async fn answer(monitor: &Monitor, word: &'static str, asker: Asker) -> String {
    if !allows(monitor, word) {
        return format!("{word} is not executed because it is not in the whitelist.\n");
    }
    let published = monitor.published();
    let read_only = published.status.read_only;
    let serving = published.status.serving || read_only;
    let head = first_lines(read_only);
    match word {
        word if word == TELNET_CLOSE.1 => String::new(),
        "ruok" => "imok".into(),
        "isro" if read_only => "ro".into(),
        "isro" => if serving { "rw" } else { "null" }.into(),
        "gtmk" => monitor.trace_mask().to_string(),
        "stmk" => {
            if let Some(mask) = asker.mask {
                monitor.set_trace_mask(mask);
            }
            monitor.trace_mask().to_string()
        }
        "envi" => environment_text(),
        "hash" if !serving => NOT_SERVING.into(),
        _ if !serving => format!("{NOT_SERVING}\n"),
        "srvr" => format!("{head}{}", summary::summary(monitor)),
        "stat" => format!(
            "{head}Clients:\n{}\n{}",
            summary::clients(monitor, asker.address, false),
            summary::summary(monitor)
        ),
        "cons" => format!("{}\n", summary::clients(monitor, asker.address, true)),
        "crst" => {
            monitor.reset_connections();
            "Connection stats reset.\n".into()
        }
        "srst" => {
            monitor.reset_server();
            "Server stats reset.\n".into()
        }
        "mntr" => mntr(monitor),
        "conf" => server::conf(monitor).await,
        "dirs" => {
            let [data, log] = directory_sizes(monitor).await;
            format!("datadir_size: {data}\nlogdir_size: {log}\n")
        }
        "dump" => lists::dump(monitor, asker.address).await,
        "wchs" => lists::watch_summary(monitor).await,
        "wchc" => lists::watches_by_session(monitor).await,
        "wchp" => lists::watches_by_path(monitor).await,
        _ => lists::digests(monitor).await,
    }
}

fn allows(monitor: &Monitor, word: &str) -> bool {
    let in_force = monitor.in_force();
    let whitelist = &in_force.settings.four_letter_words;
    whitelist.contains(word) || whitelist.contains("*")
}

fn first_lines(read_only: bool) -> String {
    let note = if read_only {
        "READ-ONLY mode; serving only read-only clients\n"
    } else {
        ""
    };
    format!("Zookeeper version: {}\n{note}", version())
}

fn environment_text() -> String {
    let lines = environment()
        .into_iter()
        .map(|(key, value)| format!("{key}={value}\n"));
    format!("Environment:\n{}", lines.collect::<String>())
}

fn mntr(monitor: &Monitor) -> String {
    let published = monitor.published();
    let mode = Monitor::mode_name(&published.status).unwrap_or("looking");
    let mut out = format!("zk_version\t{}\nzk_server_state\t{mode}\n", version());
    if let Some(state) = Monitor::peer_state(&published.status) {
        out.push_str(&format!("zk_peer_state\t{state}\n"));
    }
    out.push_str(&metrics::mntr_lines(monitor));
    out
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
}
