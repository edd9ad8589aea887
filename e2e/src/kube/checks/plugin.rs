//! `kubectl quorate` on a running ensemble: who leads while a pod is away, the lead passed on to whoever is
//! asked for while sessions stay, events, and a node written and read through a forwarded port.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::faults::{delete_by_force, wait_replaced};
use super::{Bench, READY_LIMIT};
use crate::kube::binary;
use crate::kube::zke::{pod_name, uids};
use crate::peers::{Client, wait_for};
use crate::shell;

/// Time-out of the sessions, and the longest wait for a reply.
const SESSION: Duration = Duration::from_secs(20);

/// Until a pod that is deleted by force is shown as away.
const AWAY_LIMIT: Duration = Duration::from_secs(20);

/// Runs the plugin on the ensemble's namespace.
fn plugin(bench: &Bench<'_>, words: &[&str]) -> Result<String> {
    let mut command = Command::new(binary("QUORATE_PLUGIN_BIN")?);
    command
        .arg("--kubeconfig")
        .arg(bench.zke.kubectl.kubeconfig())
        .args(["--namespace", bench.zke.namespace])
        .args(words);
    shell::run(&mut command)
}

/// What it says where it has to fail.
fn refused(bench: &Bench<'_>, words: &[&str], says: &str) -> Result<()> {
    match plugin(bench, words) {
        Ok(printed) => bail!("{words:?} was done: {printed}"),
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(
                text.contains(says),
                "{words:?} does not say {says:?}: {text}"
            );
            Ok(())
        }
    }
}

/// The commands one after the other.
pub(super) fn plugin_does_what_it_says(bench: &Bench<'_>) -> Result<String> {
    let name = bench.zke.name;
    let leader = bench.zke.leader_pod()?;
    let away = shows_who_is_away(bench, &leader)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    lead_moves(bench, &away)?;
    events_are_in_order(bench, &away)?;
    let created = plugin(bench, &["zk", name, "--", "create", "/by-plugin", "hello"])?;
    ensure!(created.contains("Created /by-plugin"), "{created}");
    let read = plugin(bench, &["zk", name, "--", "get", "/by-plugin"])?;
    ensure!(read.trim() == "hello", "{read}");
    refused(
        bench,
        &["zk", name, "--", "get", "/no-such"],
        "Node does not exist",
    )?;
    refused(bench, &["status", "nobody"], &format!("there are: {name}"))?;
    refused(bench, &["transfer", name, "--to", "9"], "is no voter of")?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(format!(
        "{leader} led and {away} was away, {away} leads then, and {} sessions stayed; a node was created \
         and read",
        bench.zke.pods()?.len()
    ))
}

/// Deletes a follower's pod and looks until the plugin shows it as away; returns that pod.
fn shows_who_is_away(bench: &Bench<'_>, leader: &str) -> Result<String> {
    let found = bench.zke.pods()?;
    let pods: Vec<String> = found.iter().map(pod_name).collect();
    let away = pods.iter().find(|pod| *pod != leader);
    let away = away.context("a follower")?.clone();
    delete_by_force(
        bench.zke.kubectl,
        bench.zke.namespace,
        std::slice::from_ref(&away),
    )?;
    wait_for("the plugin to show who is away", AWAY_LIMIT, || {
        let document = plugin(bench, &["status", bench.zke.name, "--output", "json"]);
        let document = document.map_err(|error| format!("{error:#}"))?;
        let shown: Value = serde_json::from_str(&document).map_err(|error| error.to_string())?;
        let member = |pod: &str| {
            let members = shown.pointer("/ensembles/0/members")?.as_array()?;
            members
                .iter()
                .find(|member| member.get("pod") == Some(&Value::from(pod)))
        };
        let role = |pod: &str| member(pod)?.get("role")?.as_str();
        let seen = (role(leader), role(&away));
        (seen == (Some("leader"), Some("away")))
            .then_some(())
            .ok_or(format!("{leader} is {:?} and {away} {:?}", seen.0, seen.1))
    })?;
    let drawn = plugin(bench, &["status", bench.zke.name])?;
    ensure!(
        drawn.contains(&format!("{leader} leads, epoch ")),
        "{drawn}"
    );
    for pod in &pods {
        ensure!(drawn.contains(&format!("─ {pod} ")), "no {pod} in {drawn}");
    }
    // The plugin sees sooner than the operator that one is away, whose status calls all ready until then.
    wait_replaced(bench, std::slice::from_ref(&away), &uids(&found))?;
    Ok(away)
}

/// Passes on the lead to the server in this pod while a session is open on each server.
fn lead_moves(bench: &Bench<'_>, to: &str) -> Result<()> {
    let open = |(_, client, _): (String, _, _)| Client::connect(client, SESSION);
    let mut held = bench
        .pods()?
        .into_iter()
        .map(open)
        .collect::<Result<Vec<_>, _>>()?;
    let said = plugin(bench, &["transfer", bench.zke.name, "--to", to])?;
    ensure!(said.starts_with(&format!("{to} leads")), "{said}");
    for client in &mut held {
        client
            .sync()
            .context("a session was lost when the lead was passed on")?;
    }
    for client in held {
        client.close()?;
    }
    let drawn = plugin(bench, &["status", bench.zke.name])?;
    ensure!(drawn.contains(&format!("{to} leads, epoch ")), "{drawn}");
    Ok(())
}

/// The pod that went and came again is among the events, and these are in the order of time.
fn events_are_in_order(bench: &Bench<'_>, pod: &str) -> Result<()> {
    let events = plugin(bench, &["events", bench.zke.name])?;
    let times: Vec<&str> = events
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    ensure!(times.is_sorted(), "not in order:\n{events}");
    let started = events
        .lines()
        .any(|line| line.contains(pod) && line.contains("Started"));
    ensure!(
        started,
        "{pod} was started, and no event says so:\n{events}"
    );
    Ok(())
}
