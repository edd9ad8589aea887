//! Leaders come and go, and clients of the servers that stay must not notice: sessions on all
//! servers write and watch while the lead is passed on, all servers are restarted in turn, and
//! leaders are killed.
//!
//! Each writer owns a node and counts: a write that is lost or applied twice shows in the version,
//! an event that is lost or doubled in what came before the reply. Beside it, the same restarts and
//! kills with Apache's servers, for the gaps between successful writes.

mod away;
mod gaps;
mod programs;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::peers::{Ensemble, Kind, Settings, admin};
use crate::progress::Progress;
use away::{Away, Loss, now_ms};
use programs::Program;
use session::{Ledger, Session};

/// Calm between two changes.
const CALM: Duration = Duration::from_millis(700);

/// Complaints that are printed.
const SHOWN_MAX: usize = 20;

/// What to do.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Servers of the ensemble.
    #[arg(long, default_value_t = 3)]
    pub servers: usize,
    /// Sessions of our own client, spread over the servers; every other one writes.
    #[arg(long, default_value_t = 200)]
    pub sessions: usize,
    /// Sessions of kazoo and of Apache's client each.
    #[arg(long, default_value_t = 50)]
    pub programs: usize,
    /// Times that the lead is passed on.
    #[arg(long, default_value_t = 50)]
    pub count: usize,
    /// Times that all servers are restarted in turn, the leader last.
    #[arg(long, default_value_t = 1)]
    pub restarts: usize,
    /// Times that the leader is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: usize,
    /// How many of the servers are Apache's: nobody is connected to those, but they lead in turn.
    #[arg(long, default_value_t = 0)]
    pub apache: usize,
    /// Leaves connections to close and leaders to die, as with Apache.
    #[arg(long)]
    pub off: bool,
    /// Leaves out the ensemble of Apache's servers.
    #[arg(long)]
    pub alone: bool,
}

/// What the sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    addresses: Vec<SocketAddr>,
    stop: AtomicBool,
}

/// What is done to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    HandOver,
    Restart,
    Kill,
}

impl What {
    const ALL: [Self; 3] = [Self::HandOver, Self::Restart, Self::Kill];

    fn name(self) -> &'static str {
        match self {
            Self::HandOver => "hand-over",
            Self::Restart => "rolling restart",
            Self::Kill => "kill -9",
        }
    }
}

/// A change of leaders.
#[derive(Debug)]
pub(crate) struct Change {
    what: What,
    at: Instant,
    /// The server that was stopped.
    gone: Option<u8>,
}

/// Runs the plan and prints what came of it.
///
/// # Errors
/// When a client of a server that stayed noticed anything.
pub fn run(progress: &Progress, plan: &Plan) -> Result<()> {
    let ours = plan.servers.saturating_sub(plan.apache);
    ensure!(ours > 0, "nobody to connect to");
    let mut kinds = vec![Kind::Quorate; ours];
    kinds.resize(plan.servers, Kind::Apache);
    one_ensemble(progress, &kinds, plan)?;
    if !plan.alone {
        let theirs = Plan {
            count: 0,
            apache: 0,
            ..plan.clone()
        };
        one_ensemble(progress, &vec![Kind::Apache; plan.servers], &theirs)?;
    }
    Ok(())
}

fn settings(plan: &Plan) -> Settings {
    let keys = ["quorate.handOver=false", "quorate.hold.timeMaxMs=0"];
    Settings {
        extra: match plan.off {
            true => keys.map(str::to_owned).to_vec(),
            false => Vec::new(),
        },
        ..Settings::default()
    }
}

fn one_ensemble(progress: &Progress, kinds: &[Kind], plan: &Plan) -> Result<()> {
    let mut ensemble = Ensemble::configured(kinds, &settings(plan))?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let kind = *kinds.first().context("no server")?;
    let mut addresses = ensemble.addresses();
    addresses.truncate(plan.servers - plan.apache);
    let connect: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let shared = Arc::new(Shared {
        addresses,
        stop: AtomicBool::new(false),
    });
    let programs = match plan.programs {
        0 => Vec::new(),
        sessions => Program::start_all(&connect.join(","), sessions)?,
    };
    let mut threads = Vec::new();
    for index in 0..plan.sessions {
        let session = Session::open(index, shared.clone())?;
        threads.push(thread::spawn(move || session.run()));
    }
    thread::sleep(CALM);
    let mut away = Away::default();
    let changed = change_leaders(progress, &mut ensemble, plan, &mut away);
    shared.stop.store(true, Ordering::SeqCst);
    let mut ledgers: Vec<Ledger> = Vec::new();
    for thread in threads {
        let ledger = thread.join();
        ledgers.push(ledger.map_err(|_| anyhow::anyhow!("a session's thread failed"))?);
    }
    let mut complaints: Vec<String> = Vec::new();
    let mut losses: Vec<Loss> = Vec::new();
    for ledger in &mut ledgers {
        complaints.append(&mut ledger.complaints);
        losses.append(&mut ledger.losses);
    }
    for program in programs {
        let seen = program.stop()?;
        progress.say(format!(
            "{} on {}: {} operations, {} events",
            seen.name,
            kind.name(),
            seen.operations,
            seen.events
        ));
        complaints.extend(seen.complaints);
        losses.extend(seen.losses);
    }
    let unexplained = losses.iter().filter(|loss| !away.explains(loss));
    complaints.extend(unexplained.map(|l| format!("server {}, {}: {}", l.server, l.at_ms, l.what)));
    let changes = changed?;
    gaps::print(progress, kind.name(), &ledgers, &changes);
    let count = complaints.len();
    progress.say(format!(
        "{}: {count} things that clients of servers that stayed noticed",
        kind.name()
    ));
    if kind == Kind::Quorate && count > 0 {
        for complaint in complaints.iter().take(SHOWN_MAX) {
            progress.say(complaint);
        }
        bail!("{count} things noticed; kept {}", ensemble.keep().display());
    }
    Ok(())
}

fn change_leaders(
    progress: &Progress,
    ensemble: &mut Ensemble,
    plan: &Plan,
    away: &mut Away,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for n in 0..plan.count {
        let leader = ensemble.leader()?;
        let server = ensemble.server(leader)?;
        if server.kind == Kind::Apache {
            stop_one(ensemble, leader, What::Kill, &mut changes, away)?;
            continue;
        }
        let address = server.admin_address();
        // The last server is Apache's if any is: every other time it is to lead.
        let steered = plan.apache > 0 && n.is_multiple_of(2);
        let target = steered.then(|| u8::try_from(plan.servers)).transpose()?;
        changes.push(Change {
            what: What::HandOver,
            at: Instant::now(),
            gone: None,
        });
        let answer = admin::transfer(address, target)?;
        ensure!(
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
            "no hand-over: {answer}"
        );
        thread::sleep(CALM);
    }
    progress.say(format!("{} hand-overs", plan.count));
    for _ in 0..plan.restarts {
        let leader = ensemble.leader()?;
        let mut ids: Vec<u8> = ensemble.servers.iter().map(|s| s.id).collect();
        ids.sort_by_key(|id| *id == leader);
        for id in ids {
            stop_one(ensemble, id, What::Restart, &mut changes, away)?;
        }
    }
    progress.say(format!("{} rolling restarts", plan.restarts));
    for _ in 0..plan.kills {
        let leader = ensemble.leader()?;
        stop_one(ensemble, leader, What::Kill, &mut changes, away)?;
    }
    progress.say(format!("{} leaders killed", plan.kills));
    Ok(changes)
}

/// Stops a server and starts it again.
fn stop_one(
    ensemble: &mut Ensemble,
    id: u8,
    what: What,
    changes: &mut Vec<Change>,
    away: &mut Away,
) -> Result<()> {
    changes.push(Change {
        what,
        at: Instant::now(),
        gone: Some(id),
    });
    let from_ms = now_ms();
    let server = ensemble.server(id)?;
    match what {
        What::Kill => server.kill()?,
        What::HandOver | What::Restart => {
            server.terminate()?;
        }
    }
    ensemble.leader()?;
    thread::sleep(CALM);
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    away.until_now(id, from_ms);
    thread::sleep(CALM);
    Ok(())
}
