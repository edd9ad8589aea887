//! `kill -9` at random points of a write load, again and again: no acknowledged write may be lost.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::{Acknowledged, Load};
use super::random::Random;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Ensemble, Kind, Settings, admin, four_letter, tree, wait_for};
use crate::progress::Progress;

/// Longest time that the load runs between two kills.
const BETWEEN_KILLS_MAX: Duration = Duration::from_millis(150);

/// Threads that write.
const WRITERS: usize = 4;

/// What to do to whom.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which program.
    pub kind: Kind,
    /// How many servers.
    pub servers: usize,
    /// How many times.
    pub kills: u32,
    /// Decides who is killed when.
    pub seed: u64,
}

/// What came out.
#[derive(Debug)]
pub struct Summary {
    /// Nodes that were acknowledged and found.
    pub nodes: usize,
    /// Longest time from a kill to the next acknowledged write.
    pub longest_gap: Duration,
}

/// Runs the loop and checks every server afterwards.
///
/// # Errors
/// When a write is lost, servers differ, or one does not come back; the text names the directory
/// that is kept.
pub fn run(progress: &Progress, plan: Plan) -> Result<Summary> {
    progress.say(format!(
        "kill loop: quorate-e2e killloop --kind {} --servers {} --kills {} --seed {}",
        plan.kind.name().to_lowercase(),
        plan.servers,
        plan.kills,
        plan.seed
    ));
    // Small snapshots often, so that kills hit them too.
    let settings = Settings {
        extra: vec!["snapCount=2000".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(plan.kind, plan.servers, &settings)?;
    match kill_and_check(progress, plan, &mut ensemble) {
        Ok(summary) => Ok(summary),
        Err(error) => {
            for server in &mut ensemble.servers {
                if server.is_started() {
                    server.kill()?;
                }
            }
            Err(error.context(format!(
                "seed {}, kept {}",
                plan.seed,
                ensemble.keep().display()
            )))
        }
    }
}

fn kill_and_check(progress: &Progress, plan: Plan, ensemble: &mut Ensemble) -> Result<Summary> {
    let mut random = Random::new(plan.seed);
    let load = Load::start(&ensemble.addresses(), WRITERS)?;
    let mut longest_gap = Duration::ZERO;
    for kill in 1..=plan.kills {
        load.wait_progress(1, START_LIMIT)
            .with_context(|| format!("before kill {kill}"))?;
        let micros = usize::try_from(BETWEEN_KILLS_MAX.as_micros())?;
        thread::sleep(Duration::from_micros(random.below(micros).try_into()?));
        let victims = choose(&mut random, ensemble);
        for id in &victims {
            ensemble.server(*id)?.kill()?;
        }
        let killed = Instant::now();
        ensemble.start_all()?;
        load.wait_progress(1, START_LIMIT)
            .with_context(|| format!("after kill {kill} of servers {victims:?}"))?;
        longest_gap = longest_gap.max(killed.elapsed());
        if plan.servers > 1 {
            // The next kill must not find a minority, or it would test nothing but patience.
            ensemble.wait_serving()?;
        }
        if kill % 20 == 0 {
            progress.say(format!(
                "{kill} kills, {} writes acknowledged",
                load.count()
            ));
        }
    }
    let acknowledged = load.stop()?;
    ensemble.wait_serving()?;
    check(ensemble, &acknowledged)?;
    Ok(Summary {
        nodes: acknowledged.nodes(),
        longest_gap,
    })
}

/// The leader half of the time, any one else, now and then all.
fn choose(random: &mut Random, ensemble: &Ensemble) -> Vec<u8> {
    let ids: Vec<u8> = ensemble.servers.iter().map(|server| server.id).collect();
    let leads = |id: &&u8| {
        let server = ensemble.servers.iter().find(|server| server.id == **id);
        let mode = server.map(|server| four_letter::mode(server.client_address()));
        mode.is_some_and(|mode| mode.is_ok_and(|mode| mode == "leader"))
    };
    match random.below(10) {
        0..=4 => ids
            .iter()
            .find(leads)
            .or(ids.first())
            .copied()
            .into_iter()
            .collect(),
        5..=7 => random.choose(&ids).copied().into_iter().collect(),
        _ => ids,
    }
}

/// Checks the acknowledged writes on every server, and that all servers hold the same.
///
/// # Errors
/// When not.
pub fn check(ensemble: &mut Ensemble, acknowledged: &Acknowledged) -> Result<()> {
    equal_digests(ensemble)?;
    // Sessions come and go with each reading, but they leave no nodes.
    let trees = tree::read_all(&ensemble.addresses())?;
    for (server, tree) in ensemble.servers.iter().zip(&trees) {
        acknowledged
            .check_tree(tree)
            .with_context(|| format!("on server {}", server.id))?;
    }
    for pair in trees.windows(2) {
        if let [left, right] = pair {
            tree::check_equal(left, right)?;
        }
    }
    Ok(())
}

/// Waits until all servers of this project have the same digest at the same zxid.
///
/// # Errors
/// When they do not agree.
pub fn equal_digests(ensemble: &Ensemble) -> Result<()> {
    let ours = || {
        ensemble
            .servers
            .iter()
            .filter(|server| server.kind == Kind::Quorate)
    };
    wait_for("equal digests", START_LIMIT, || {
        let mut seen = Vec::new();
        for server in ours() {
            seen.push(admin::status(server.admin_address()).map_err(|error| format!("{error:#}"))?);
        }
        let at_one_zxid = seen.windows(2).all(|pair| match pair {
            [a, b] => a.zxid_applied == b.zxid_applied,
            _ => true,
        });
        if at_one_zxid {
            Ok(seen)
        } else {
            Err(format!("not at one zxid: {seen:?}"))
        }
    })
    .and_then(|seen| {
        let first = seen.first().map(|status| status.digest.clone());
        let all = seen
            .iter()
            .all(|status| Some(&status.digest) == first.as_ref());
        ensure!(all, "the trees differ: {seen:?}");
        Ok(())
    })
}
