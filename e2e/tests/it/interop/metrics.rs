//! Rules and dashboards that name Apache's metrics find them here: what a leader and a follower of Apache's
//! count is on the page of ours under the same names.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings, four_letter};

use super::admin::get;
use super::{LIMIT, write_some};
use crate::alone;

/// What is not counted here (docs/differences.md): what Apache has for each first part of a path, and for each
/// learner.
fn is_absent(name: &str) -> bool {
    [
        "_per_namespace",
        "_learner_handler_qp_size",
        "_learner_handler_qp_time_ms",
        "_ack_latency",
    ]
    .iter()
    .any(|set| name.ends_with(set) && name != "quorum_ack_latency")
}

/// Adds the names that an answer of `mntr` has, as Prometheus sees them: a summary is one name there.
fn add_mntr_names(answer: &str, names: &mut BTreeSet<String>) {
    const FIRST_LINES: [&str; 4] = [
        "version",
        "server_state",
        "peer_state",
        "observer_master_id",
    ];
    const OF_SUMMARY: [&str; 9] = [
        "avg_", "min_", "max_", "cnt_", "sum_", "p50_", "p95_", "p99_", "p999_",
    ];
    let keys = answer.lines().filter_map(|line| line.split_once('\t'));
    let keys: Vec<&str> = keys
        .filter_map(|(key, _)| key.strip_prefix("zk_"))
        .filter(|key| !FIRST_LINES.contains(key))
        .collect();
    let summaries: BTreeSet<&str> = keys.iter().filter_map(|k| k.strip_prefix("cnt_")).collect();
    for key in keys {
        let parts = OF_SUMMARY.iter();
        let mut summary = parts.filter_map(|part| key.strip_prefix(part));
        let name = summary.find(|name| summaries.contains(name));
        names.insert(name.unwrap_or(key).to_owned());
    }
}

/// Adds the names of the samples on a page.
fn add_page_names(page: &str, names: &mut BTreeSet<String>) {
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        names.insert(line[..end].to_owned());
    }
}

/// The names that the leader and a follower of an ensemble show, once something was written and synced.
fn shown_by(kind: Kind) -> Result<[BTreeSet<String>; 2]> {
    let settings = Settings {
        extra: vec!["admin.enableServer=true".to_owned()],
        in_memory: true,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(kind, 3, &settings)?;
    let leader = ensemble.leader()?;
    let follower = if leader == 1 { 2 } else { 1 };
    write_some(ensemble.server(follower)?.client_address(), "/here")?;
    let mut shown = [BTreeSet::new(), BTreeSet::new()];
    for (id, names) in [leader, follower].into_iter().zip(&mut shown) {
        let server = ensemble.server(id)?;
        let (address, admin) = (server.client_address(), server.admin_address());
        Client::connect(address, LIMIT)?.close()?;
        match kind {
            Kind::Apache => add_mntr_names(&four_letter::ask(address, "mntr")?, names),
            Kind::Quorate => add_page_names(&get(admin, "/metrics")?, names),
        }
        ensure!(names.len() > 100, "server {id} shows {names:?}");
    }
    Ok(shown)
}

#[test]
fn the_metrics_of_apache_are_there_under_their_names() -> Result<()> {
    let _alone = alone();
    let theirs = shown_by(Kind::Apache)?;
    let ours = shown_by(Kind::Quorate)?;
    for (role, (theirs, ours)) in ["leader", "follower"]
        .into_iter()
        .zip(theirs.iter().zip(&ours))
    {
        let missing: Vec<&String> = theirs
            .difference(ours)
            .filter(|name| !is_absent(name))
            .collect();
        ensure!(missing.is_empty(), "the {role} lacks {missing:?}");
    }
    Ok(())
}
