//! Rules and dashboards that name Apache's metrics find them here: what a leader and a follower of Apache's
//! count is on the page of ours under the same names.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings, four_letter, wait_for};

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

/// The samples of a leader about its learner `id`: synchronized, transactions and seconds behind.
fn lag_of(admin: SocketAddr, id: u8) -> Result<[f64; 3]> {
    let page = get(admin, "/metrics")?;
    let sample = |what: &str| -> Result<f64> {
        let start = format!("zk_member_{what}{{member=\"{id}\",");
        let line = page.lines().find(|line| line.starts_with(&start));
        let value = line.and_then(|line| line.rsplit(' ').next());
        Ok(value
            .with_context(|| format!("no {what} of server {id}"))?
            .parse()?)
    };
    Ok([
        sample("synced")?,
        sample("lag_txns")?,
        sample("lag_seconds")?,
    ])
}

#[test]
fn a_leader_knows_how_far_apaches_learners_are() -> Result<()> {
    const OBSERVER: u8 = 4;
    let _alone = alone();
    let settings = Settings {
        in_memory: true,
        ..Settings::default()
    };
    let kinds = [Kind::Apache, Kind::Quorate, Kind::Quorate, Kind::Apache];
    let mut ensemble = Ensemble::placed(&kinds, &settings, |server| {
        server.observer = server.id == OBSERVER;
    })?;
    // Of two servers with equal histories the higher id leads.
    for id in [2, 3] {
        ensemble.server(id)?.start()?;
    }
    ensure!(ensemble.leader()? == 3, "another one leads");
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let leader = ensemble.server(3)?;
    let (client, admin) = (leader.client_address(), leader.admin_address());
    write_some(client, "/here")?;
    for id in [1, 2, OBSERVER] {
        wait_for("a level learner", LIMIT, || {
            let lag = lag_of(admin, id).map_err(|e| e.to_string())?;
            let is_level = lag == [1.0, 0.0, 0.0];
            is_level.then_some(()).ok_or(format!("{id}: {lag:?}"))
        })?;
    }
    ensemble.server(OBSERVER)?.process()?.pause()?;
    write_some(client, "/while-it-stands")?;
    let grown = wait_for("a lag that grows", LIMIT, || {
        let lag = lag_of(admin, OBSERVER).map_err(|e| e.to_string())?;
        let [_, txns, seconds] = lag;
        let is_behind = txns >= 100.0 && seconds >= 1.0;
        is_behind.then_some(()).ok_or(format!("{lag:?}"))
    });
    ensemble.server(OBSERVER)?.process()?.go_on()?;
    grown?;
    wait_for("a level learner again", LIMIT, || {
        let lag = lag_of(admin, OBSERVER).map_err(|e| e.to_string())?;
        let is_level = lag == [1.0, 0.0, 0.0];
        is_level.then_some(()).ok_or(format!("{lag:?}"))
    })?;
    Ok(())
}
