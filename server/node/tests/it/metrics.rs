//! The page for Prometheus: what is promised is there, and it is well formed.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;

use crate::ensemble::{configs, leader_of};
use crate::process::{Server, free_ports, metric, page, wait_for, write_config};
use crate::raw_client::Client;

/// The page that lists our own metrics.
const PAGE: &str = include_str!("../../../../docs/metrics.md");

/// What public rules for Apache's servers name: the monitoring guide of Apache, the mixins, and the rules
/// that distributors ship.
const IN_RULES: [&str; 25] = [
    "approximate_data_size",
    "avg_latency",
    "connection_rejected",
    "election_time",
    "election_time_count",
    "ephemerals_count",
    "fsynctime_sum",
    "global_sessions",
    "leader_unavailable_time",
    "looking_count",
    "max_file_descriptor_count",
    "num_alive_connections",
    "open_file_descriptor_count",
    "outstanding_requests",
    "outstanding_tls_handshake",
    "pending_session_queue_size",
    "quorum_size",
    "snapshottime_sum",
    "unavailable_time",
    "unrecoverable_error_count",
    "uptime",
    "watch_count",
    "znode_count",
    "synced_observers",
    "digest_mismatches_count",
];

/// What public dashboards name besides.
const IN_DASHBOARDS: [&str; 17] = [
    "bytes_received_count",
    "commit_count",
    "connection_drop_count",
    "election_time_sum",
    "local_write_committed_time_ms",
    "max_latency",
    "min_latency",
    "packets_received",
    "packets_sent",
    "proposal_count",
    "proposal_latency",
    "propagation_latency",
    "quorum_ack_latency",
    "readlatency",
    "server_write_committed_time_ms",
    "updatelatency",
    "sync_processor_queue_size",
];

/// What either names, and only a leader has.
const OF_LEADERS: [&str; 5] = [
    "leader_uptime",
    "learners",
    "pending_syncs",
    "synced_followers",
    "synced_non_voting_followers",
];

/// Samples by their names and labels, and types by the names of families.
struct Shown {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Shown {
    /// Reads the page of a server; it must be well formed.
    fn by(server: &Server) -> Self {
        let answer = page(&server.admin, "/metrics");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        let mut family = String::new();
        for line in body.lines() {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').unwrap();
                name.clone_into(&mut family);
                let before = types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} twice");
            } else if !line.starts_with('#') {
                let (key, value) = line.rsplit_once(' ').unwrap();
                assert!(key.starts_with(&family), "{key} in the family {family}");
                let before = samples.insert(key.to_owned(), value.parse().unwrap());
                assert_eq!(before, None, "{key} twice");
            }
        }
        Self { samples, types }
    }

    /// Whether there is a sample of this name, with labels or without.
    fn has(&self, name: &str) -> bool {
        let named = |key: &String| key.split('{').next() == Some(name);
        self.samples.keys().any(named)
    }

    fn own(&self) -> BTreeMap<&str, &str> {
        let all = self.types.iter();
        all.filter(|(name, _)| name.starts_with("zk_"))
            .map(|(name, kind)| (name.as_str(), kind.as_str()))
            .collect()
    }
}

/// Names, types and meanings in the table of the page.
fn promised() -> Vec<(&'static str, &'static str, &'static str)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `zk_"));
    rows.map(|row| {
        let row = row.trim_start_matches("| ").trim_end_matches(" |");
        let cells: Vec<&str> = row.split(" | ").collect();
        (cells[0].trim_matches('`'), cells[1], cells[4])
    })
    .collect()
}

fn ensemble(dir: &std::path::Path) -> Vec<Server> {
    let mut servers: Vec<Server> = configs(dir).iter().map(|c| Server::start(c)).collect();
    for server in &mut servers {
        server.wait_serving();
    }
    servers
}

#[test]
fn the_page_lists_what_is_served_and_apaches_names_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let servers = ensemble(dir.path());
    let leads = leader_of(&servers);
    let follows = (leads + 1) % 3;
    let mut client = Client::connect(&servers[follows].client, None).unwrap();
    assert_eq!(client.create("/a", b"v", 0).unwrap().error, 0);
    wait_for("the room on the disks", || {
        let known = |s: &Server| Shown::by(s).has("zk_disk_free_bytes");
        servers.iter().all(known).then_some(())
    });
    let (leader, follower) = (Shown::by(&servers[leads]), Shown::by(&servers[follows]));
    let promised = promised();
    assert!(promised.len() > 40, "{promised:?}");
    let all: BTreeMap<&str, &str> = promised.iter().map(|(n, kind, _)| (*n, *kind)).collect();
    assert_eq!(leader.own(), all);
    let of_all = promised.iter();
    let of_all = of_all
        .filter(|(_, kind, meaning)| *kind != "gauge" || !meaning.starts_with("Leader:"))
        .map(|(name, kind, _)| (*name, *kind))
        .collect();
    assert_eq!(follower.own(), of_all);
    for name in IN_RULES.iter().chain(&IN_DASHBOARDS) {
        assert!(leader.has(name), "the leader lacks {name}");
        assert!(follower.has(name), "the follower lacks {name}");
    }
    for name in OF_LEADERS {
        assert!(leader.has(name), "the leader lacks {name}");
        assert!(!follower.has(name), "the follower has {name}");
    }
    for latency in ["proposal_latency", "propagation_latency"] {
        let seen = format!("{latency}{{quantile=\"0.99\"}}");
        assert!(follower.samples[&seen] >= 0.0, "{seen}");
    }
    assert!(leader.samples["proposal_count"] >= 2.0, "session and node");
    assert!(leader.samples["commit_count"] >= 2.0);
    assert!(follower.samples["learner_commit_received_count"] >= 2.0);
    assert!(leader.samples["zk_commit_duration_seconds_count"] >= 2.0);
    assert_eq!(leader.samples["zk_synced_voters"], 3.0);
    assert_eq!(follower.samples["zk_role{role=\"follower\"}"], 1.0);
}

#[test]
fn a_leader_sees_who_falls_behind() {
    let dir = tempfile::tempdir().unwrap();
    let servers = ensemble(dir.path());
    let leads = leader_of(&servers);
    let stands = (leads + 1) % 3;
    let of = |what: &str| {
        let name = format!(
            "zk_member_{what}{{member=\"{}\",role=\"voter\"}}",
            stands + 1
        );
        move |shown: &Shown| shown.samples.get(&name).copied()
    };
    let (txns, seconds, synced) = (of("lag_txns"), of("lag_seconds"), of("synced"));
    let leader = &servers[leads];
    let level = || {
        let shown = Shown::by(leader);
        let of_it = (txns(&shown)?, seconds(&shown)?, synced(&shown)?);
        (of_it == (0.0, 0.0, 1.0)).then_some(())
    };
    wait_for("a level follower", level);
    servers[stands].signal(Signal::STOP);
    let mut client = Client::connect(&leader.client, None).unwrap();
    for n in 0..5 {
        assert_eq!(client.create(&format!("/n{n}"), b"v", 0).unwrap().error, 0);
    }
    // It is let go after syncLimit.
    let mut ages = Vec::new();
    let missing = wait_for("a lag that grows", || {
        let shown = Shown::by(leader);
        ages.extend(seconds(&shown));
        let grows = ages.last()? >= &(ages.first()? + 1.0);
        if grows { txns(&shown) } else { None }
    });
    assert!(missing >= 5.0, "{missing}");
    assert!(ages.is_sorted(), "{ages:?}");
    let page = leader.status().unwrap();
    let learners = page["learners"].as_array().unwrap().iter();
    let lags: BTreeSet<u64> = learners.map(|l| l["lagTxns"].as_u64().unwrap()).collect();
    assert!(lags.len() == 2, "one of the two is behind: {page}");
    servers[stands].signal(Signal::CONT);
    wait_for("a level follower again", level);
}

#[test]
fn words_have_no_braces_and_elections_their_old_names() {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin] = free_ports();
    let mut server = Server::start(&write_config(dir.path(), client, admin, ""));
    server.wait_serving();
    let answer = page(&server.admin, "/commands/monitor");
    for name in [
        "elections_total",
        "elections_start_total",
        "elections_leader_lost_total",
        "limit_reached_throttle_total",
        "sessions",
    ] {
        assert!(answer.contains(&format!("\"{name}\" : 0")), "{answer}");
    }
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let names = body.lines().filter(|line| line.contains(" : "));
    for line in names {
        assert!(!line.contains('{') && !line.contains("bucket"), "{line}");
    }
    assert_eq!(metric(&server, "zk_role{role=\"standalone\"}"), 1);
    assert_eq!(metric(&server, "zk_outstanding_requests_limit"), 1000);
}
