//! Leaders come and go, and clients of the servers that stay must not notice: sessions on all
//! servers write and watch while the lead is passed on and while leaders are killed.
//!
//! Each writer owns a node and counts: a write that is lost or applied twice shows in the version,
//! an event that is lost or doubled in what came before the reply. Beside it, the same kills with
//! Apache's servers, for the gaps between successful writes.

mod gaps;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::peers::{Ensemble, Kind, Settings, admin};
use crate::progress::Progress;
use gaps::Gaps;
use session::{Ledger, Session, time_of_day};

/// Calm between two changes.
const CALM: Duration = Duration::from_millis(700);

/// What to do.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Servers of the ensemble.
    #[arg(long, default_value_t = 3)]
    pub servers: usize,
    /// Sessions, spread over the servers; every other one writes.
    #[arg(long, default_value_t = 30)]
    pub sessions: usize,
    /// Times that the lead is passed on.
    #[arg(long, default_value_t = 50)]
    pub count: usize,
    /// Times that the leader is killed.
    #[arg(long, default_value_t = 5)]
    pub kills: usize,
    /// Leaves out Apache's servers.
    #[arg(long)]
    pub alone: bool,
}

/// What the sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    addresses: Vec<SocketAddr>,
    stop: AtomicBool,
    /// The server, by id, that was killed last: its own clients may lose their connections.
    killed: AtomicU8,
}

/// Runs the plan and prints what came of it.
///
/// # Errors
/// When a client of a server that stayed noticed anything.
pub fn run(progress: &Progress, plan: &Plan) -> Result<()> {
    let ours = one_kind(progress, Kind::Quorate, plan)?;
    ours.print(progress, "Quorate");
    if !plan.alone {
        let theirs = Plan {
            count: 0,
            ..plan.clone()
        };
        one_kind(progress, Kind::Apache, &theirs)?.print(progress, "Apache");
    }
    Ok(())
}

fn one_kind(progress: &Progress, kind: Kind, plan: &Plan) -> Result<Gaps> {
    let extra = match kind {
        Kind::Quorate => vec![
            "quorate.handOver=true".to_owned(),
            "quorate.hold.timeMaxMs=10000".to_owned(),
        ],
        Kind::Apache => Vec::new(),
    };
    let settings = Settings {
        extra,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(kind, plan.servers, &settings)?;
    let shared = Arc::new(Shared {
        addresses: ensemble.addresses(),
        stop: AtomicBool::new(false),
        killed: AtomicU8::new(0),
    });
    let mut threads = Vec::new();
    for index in 0..plan.sessions {
        let session = Session::open(index, shared.clone())?;
        threads.push(thread::spawn(move || session.run()));
    }
    thread::sleep(CALM);
    let changed = change_leaders(progress, &mut ensemble, &shared, plan);
    shared.stop.store(true, Ordering::SeqCst);
    let mut ledgers: Vec<Ledger> = Vec::new();
    for thread in threads {
        let ledger = thread.join();
        ledgers.push(ledger.map_err(|_| anyhow::anyhow!("a session's thread failed"))?);
    }
    let (passed, killed) = changed?;
    let complaints: Vec<&String> = ledgers.iter().flat_map(|l| &l.complaints).collect();
    if kind == Kind::Quorate {
        for complaint in complaints.iter().take(20) {
            progress.say(complaint);
        }
        if !complaints.is_empty() {
            let count = complaints.len();
            let kept = ensemble.keep();
            bail!(
                "{count} things that a client noticed; kept {}",
                kept.display()
            );
        }
    }
    Ok(Gaps::of(&ledgers, &passed, &killed, complaints.len()))
}

/// A change of leaders: when, and whose clients are left out of the figures.
pub(crate) type Change = (Instant, Option<u8>);

fn change_leaders(
    progress: &Progress,
    ensemble: &mut Ensemble,
    shared: &Shared,
    plan: &Plan,
) -> Result<(Vec<Change>, Vec<Change>)> {
    let (mut passed, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..plan.count {
        let leader = ensemble.leader()?;
        let address = ensemble.server(leader)?.admin_address();
        let began = Instant::now();
        let answer = admin::transfer(address)?;
        passed.push((began, None));
        let when = time_of_day();
        progress.say(format!("{when}: server {leader} passes on the lead"));
        ensure!(
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
            "no hand-over: {answer}"
        );
        thread::sleep(CALM);
    }
    for _ in 0..plan.kills {
        let leader = ensemble.leader()?;
        shared.killed.store(leader, Ordering::SeqCst);
        killed.push((Instant::now(), Some(leader)));
        let when = time_of_day();
        progress.say(format!("{when}: server {leader} is killed"));
        ensemble.server(leader)?.kill()?;
        ensemble.leader()?;
        thread::sleep(CALM);
        ensemble.start_all()?;
        ensemble.wait_serving()?;
        thread::sleep(CALM);
    }
    progress.say(format!(
        "{} hand-overs, {} leaders killed",
        passed.len(),
        killed.len()
    ));
    Ok((passed, killed))
}
