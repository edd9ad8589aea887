//! Reconfigurations of ensembles of ours with Apache's servers in them, and the other way round.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{
    Client, Ensemble, Kind, Server, Settings, four_letter, programs, wait_for,
};
use quorate_e2e::progress::Progress;
use quorate_e2e::reconfig as matrix;
use zk_wire::client::Request;
use zk_wire::client::request::ReconfigRequest;

use super::cli::{ours, zkcli};
use super::{LIMIT, equal_trees, write_some};
use crate::alone;

/// How long a change of roles may take on a busy machine.
const SETTLE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    let extra = ["reconfigEnabled=true", "skipACL=yes"];
    Settings {
        extra: extra.map(str::to_owned).into(),
        ..Settings::default()
    }
}

fn line(server: &Server) -> String {
    format!("{};127.0.0.1:{}", server.member_line(), server.ports.client)
}

/// Servers of which the first three know each other, and each later one itself and those three.
fn configured(kinds: &[Kind]) -> Result<Ensemble> {
    let ensemble = Ensemble::configured(kinds, &settings())?;
    for (at, server) in ensemble.servers.iter().enumerate() {
        let known = ensemble.servers.iter().enumerate();
        let known = known.filter(|(n, _)| *n < 3 || *n == at);
        let lines: Vec<String> = known.map(|(_, server)| line(server)).collect();
        server.configure(&settings(), &lines)?;
    }
    Ok(ensemble)
}

/// Asks server `at` for a change and returns the new config.
fn reconfig(
    ensemble: &mut Ensemble,
    at: u8,
    joining: Option<String>,
    leaving: Option<&str>,
) -> Result<String> {
    let address = ensemble.server(at)?.client_address();
    let mut client = Client::connect(address, LIMIT)?;
    let change = ReconfigRequest {
        joining,
        leaving: leaving.map(str::to_owned),
        new_members: None,
        from_config: -1,
    };
    let mut answer = client.call(&Request::Reconfig(change))?;
    let text = answer.buffer()?.context("no config in the answer")?;
    Ok(String::from_utf8(text.to_vec())?)
}

/// The config node as server `id` has it.
fn config(ensemble: &mut Ensemble, id: u8) -> Result<String> {
    let address = ensemble.server(id)?.client_address();
    let mut client = Client::connect(address, LIMIT)?;
    client.sync()?;
    let (data, _) = client.get("/zookeeper/config", false)?;
    Ok(String::from_utf8(data.unwrap_or_default().to_vec())?)
}

/// Waits until each of these servers is in one of its modes.
fn wait_modes(ensemble: &mut Ensemble, wanted: &[(u8, &[&str])]) -> Result<()> {
    for (id, modes) in wanted {
        let address = ensemble.server(*id)?.client_address();
        wait_for("a mode", SETTLE, || match four_letter::mode(address) {
            Ok(mode) if modes.contains(&mode.as_str()) => Ok(()),
            Ok(mode) => Err(format!("server {id} is {mode}")),
            Err(e) => Err(format!("server {id}: {e}")),
        })?;
    }
    Ok(())
}

/// A server of the other kind joins three, gets a vote, loses it and gets it back; then the leader
/// goes. In the end all have the same tree and the same members.
fn joins_and_outlives_the_leader(three: Kind, fourth: Kind) -> Result<()> {
    let _alone = alone();
    let mut ensemble = configured(&[three, three, three, fourth])?;
    for id in 1..=3 {
        ensemble.server(id)?.start()?;
    }
    let leader = ensemble.leader()?;
    for id in 1..=3 {
        ensemble.server(id)?.wait_serving(SETTLE)?;
    }
    let address = ensemble.server(leader)?.client_address();
    write_some(address, "/before")?;
    ensemble.server(4)?.start()?;
    wait_modes(&mut ensemble, &[(4, &["follower"])])?;

    let voter = line(ensemble.server(4)?);
    let text = reconfig(&mut ensemble, leader, Some(voter.clone()), None)?;
    ensure!(text.contains(":participant;"), "{text}");
    for id in 1..=4 {
        ensure!(
            config(&mut ensemble, id)?.contains("server.4="),
            "server {id}"
        );
    }
    let observer = voter.replace(';', ":observer;");
    let follower = if leader == 1 { 2 } else { 1 };
    reconfig(&mut ensemble, follower, Some(observer), None)?;
    wait_modes(&mut ensemble, &[(4, &["observer"])])?;
    let address = ensemble.server(4)?.client_address();
    write_some(address, "/observed")?;
    reconfig(&mut ensemble, leader, Some(voter), None)?;
    wait_modes(&mut ensemble, &[(4, &["follower"])])?;

    // Apache's leader may close the connection before its answer; what follows tells.
    if let Err(e) = reconfig(&mut ensemble, leader, None, Some(&leader.to_string())) {
        println!("the leader left without an answer: {e}");
    }
    wait_modes(&mut ensemble, &[(leader, &["follower"])])?;
    let next = ensemble.leader()?;
    ensure!(next != leader, "server {leader} still leads");
    for id in 1..=4 {
        ensemble.server(id)?.wait_serving(SETTLE)?;
        let members = config(&mut ensemble, id)?;
        ensure!(!members.contains(&format!("server.{leader}=")), "{members}");
        let address = ensemble.server(id)?.client_address();
        write_some(address, &format!("/after-{id}"))?;
    }
    equal_trees(&ensemble)?;

    // What is left goes on without the one that was removed, and from its files.
    ensemble.server(leader)?.kill()?;
    for id in (1..=4).filter(|id| *id != leader) {
        ensemble.server(id)?.kill()?;
    }
    for id in (1..=4).filter(|id| *id != leader) {
        ensemble.server(id)?.start()?;
    }
    for id in (1..=4).filter(|id| *id != leader) {
        ensemble.server(id)?.wait_serving(SETTLE)?;
        let members = config(&mut ensemble, id)?;
        ensure!(members.contains("server.4="), "server {id}: {members}");
    }
    Ok(())
}

/// Runs a client program and returns what it printed.
fn run(mut command: Command) -> Result<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {text}\n{errors}");
    Ok(text)
}

#[test]
fn kazoo_zkcli_and_our_cli_change_our_members() -> Result<()> {
    let _alone = alone();
    let super_user = "DigestAuthenticationProvider.superDigest=super:0bX78nEegDzJM3ju0iLBEJdWzjg=";
    let settings = Settings {
        extra: vec![super_user.to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(Kind::Quorate, 3, &settings)?;
    let address = ensemble.server(1)?.client_address();
    // A member that is not there yet, as an observer: it changes no quorum.
    let joining = "server.9=127.0.0.1:11:12:observer;127.0.0.1:13";
    let mut kazoo = programs::kazoo_reconfig()?;
    kazoo.args([&address.to_string(), joining, "9"]);
    run(kazoo)?;
    ensure!(!config(&mut ensemble, 2)?.contains("server.9="));

    let mut type_lines = zkcli(address)?;
    type_lines.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = type_lines.spawn()?;
    let lines = format!("addauth digest super:pw\nreconfig -add {joining}\nquit\n");
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(lines.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("Committed new configuration"), "{text}");
    ensure!(config(&mut ensemble, 3)?.contains(joining), "{text}");

    let shown = run({
        let mut command = ours(address)?;
        command.arg("config");
        command
    })?;
    ensure!(shown.contains(joining), "{shown}");
    let mut child = ours(address)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(b"addauth digest super:pw\nreconfig -remove 9\n")?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("Committed new configuration"), "{text}");
    ensure!(!config(&mut ensemble, 3)?.contains("server.9="), "{text}");
    Ok(())
}

#[test]
fn an_apache_server_joins_ours_and_outlives_the_leader() -> Result<()> {
    joins_and_outlives_the_leader(Kind::Quorate, Kind::Apache)
}

#[test]
fn our_server_joins_apaches_and_outlives_the_leader() -> Result<()> {
    joins_and_outlives_the_leader(Kind::Apache, Kind::Quorate)
}

/// The whole matrix: `quorate-e2e reconfig-matrix`.
#[test]
fn one_becomes_five_and_one_again_and_leaders_are_lost_meanwhile() -> Result<()> {
    let _alone = alone();
    for (mix, losses) in [("qqqqq", 2), ("aqaqa", 0)] {
        let arguments = matrix::Arguments {
            mixes: vec![mix.parse()?],
            losses,
            short: true,
            seed: 1,
        };
        matrix::run(&Progress::default(), &arguments)?;
    }
    Ok(())
}
