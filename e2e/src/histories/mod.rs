//! Histories of clients of live ensembles under faults, checked for linearizability.
//!
//! Clients on all servers read (after a sync), create, set and delete a few nodes, most writes only if
//! the node has the version that they saw last. Servers are killed, paused and parted meanwhile
//! (`nemesis`); every server lives in a network namespace of its own. What the clients were told is
//! then given to porcupine, with a model of a node (`e2e/histories/main.go`): every write, and every
//! read after a sync, must have happened at one moment between its sending and its answer. Left out are
//! reads answered by a leader that was deposed and did not know it yet (`record`).

mod check;
mod client;
mod examples;
mod links;
mod nemesis;
mod record;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::faults::kill_loop;
use crate::faults::random::Random;
use crate::mixed::Mix;
use crate::mixed::network::Network;
use crate::peers::{Ensemble, Settings, wait_for};
use crate::progress::Progress;
use check::Checker;
use client::{Recorder, Shared};
use links::Links;
use nemesis::{Counts, Nemesis};
use record::Operation;

/// Clients at one time.
const CLIENTS: usize = 9;

/// How long faults happen before a history is checked.
const ROUND: Duration = Duration::from_secs(30);

/// How long clients work after the last fault.
const CALM: Duration = Duration::from_millis(700);

/// How long that may take to get answers again.
const ANSWERS_LIMIT: Duration = Duration::from_secs(30);

/// Session time-out of the clients, and their patience: some give up what is held for them.
const CLIENT_LIMITS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(8)];

/// What switches on that connections outlive the leader, and that it passes on the lead.
const HOLD: [&str; 2] = ["quorate.hold.timeMaxMs=5000", "quorate.handOver=true"];

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How long all ensembles together are tested.
    #[arg(long, default_value_t = 30)]
    pub minutes: u64,
    /// Voters and observers, a for Apache and q for Quorate: aqq/q. Three and five of ours if not
    /// given.
    #[arg(long = "mix", value_delimiter = ',')]
    pub mixes: Vec<Mix>,
    /// Decides who is hit when; the load adds its own chance.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What was checked.
#[derive(Debug, Default)]
pub struct Summary {
    /// Histories, operations in them, operations of unknown outcome, nodes.
    pub histories: usize,
    /// Operations in them.
    pub operations: usize,
    /// Those whose outcome is unknown.
    pub open: usize,
    /// Reads left out: a leader answered that was deposed and did not know it yet.
    pub deposed: usize,
    /// Nodes.
    pub keys: usize,
    /// Faults by kind.
    pub faults: Counts,
}

/// Runs ensembles without and with held connections in turn, for as long as asked.
///
/// # Errors
/// When a history is not linearizable, members differ, or one does not come back; the text names the
/// directory that is kept.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<Summary> {
    let mixes = if arguments.mixes.is_empty() {
        vec!["qqq".parse()?, "qqqqq".parse()?]
    } else {
        arguments.mixes.clone()
    };
    let mut scratch = tempfile::Builder::new()
        .prefix("quorate-histories-")
        .tempdir()?;
    let checker = Checker::ready(progress, scratch.path())?;
    let plans: Vec<(&Mix, bool)> = mixes
        .iter()
        .flat_map(|mix| [(mix, false), (mix, true)])
        .collect();
    let all = Duration::from_secs(arguments.minutes * 60);
    let share = all / u32::try_from(plans.len())?;
    let mut summary = Summary::default();
    for (n, (mix, hold)) in (1..).zip(plans) {
        let end = Instant::now() + share;
        let mut trial = Trial {
            progress,
            checker: &checker,
            mix,
            hold,
            scratch: scratch.path(),
            random: Random::new(arguments.seed.wrapping_mul(1000).wrapping_add(n)),
        };
        let outcome = trial.run(end, &mut summary);
        if outcome.is_err() {
            scratch.disable_cleanup(true);
        }
        outcome.with_context(|| {
            format!(
                "mix {mix}, hold {hold}, seed {}, kept {}",
                arguments.seed,
                kept(&scratch)
            )
        })?;
    }
    println!(
        "linearizable: {} histories, {} operations on {} nodes, {} of unknown outcome; {} reads of \
         deposed leaders left out; {:?}",
        summary.histories,
        summary.operations,
        summary.keys,
        summary.open,
        summary.deposed,
        summary.faults
    );
    Ok(summary)
}

fn kept(scratch: &TempDir) -> String {
    scratch.path().display().to_string()
}

/// One ensemble, for several rounds.
struct Trial<'a> {
    progress: &'a Progress,
    checker: &'a Checker,
    mix: &'a Mix,
    hold: bool,
    scratch: &'a Path,
    random: Random,
}

impl Trial<'_> {
    fn run(&mut self, end: Instant, summary: &mut Summary) -> Result<()> {
        let kinds = self.mix.kinds();
        let network = Network::create(u8::try_from(kinds.len())?)?;
        let mut links = Links::new(&network)?;
        // Whoever asks to pass on the lead comes from loopback.
        let mut extra = vec![
            "snapCount=2000",
            "initLimit=20",
            "syncLimit=4",
            "admin.serverAddress=0.0.0.0",
        ];
        if self.hold {
            extra.extend(HOLD);
        }
        let settings = Settings {
            extra: extra.into_iter().map(str::to_owned).collect(),
            in_memory: true,
            ..Settings::default()
        };
        let mut ensemble = Ensemble::placed(&kinds, &settings, |server| {
            server.live_in(network.namespace(server.id), network.address(server.id));
            server.observer = !self.mix.is_voter(server.id);
        })?;
        ensemble.start_all()?;
        ensemble.wait_serving()?;
        let mut round = 0;
        while Instant::now() < end || round == 0 {
            round += 1;
            let until = end.min(Instant::now() + ROUND);
            let done = self.round(&mut ensemble, &network, &mut links, (round, until), summary);
            if let Err(error) = done {
                for server in &mut ensemble.servers {
                    if server.is_started() {
                        server.kill()?;
                    }
                }
                let kept = ensemble.keep();
                return Err(error.context(format!("round {round}, kept {}", kept.display())));
            }
        }
        Ok(())
    }

    fn round(
        &mut self,
        ensemble: &mut Ensemble,
        network: &Network,
        links: &mut Links,
        (round, until): (usize, Instant),
        summary: &mut Summary,
    ) -> Result<()> {
        let limit = *self.random.choose(&CLIENT_LIMITS).context("no limits")?;
        let shared = Arc::new(Shared::new(ensemble.addresses(), round, limit));
        let mut threads = Vec::new();
        for n in 0..CLIENTS {
            let at = n.checked_rem(shared.addresses.len()).unwrap_or_default();
            let recorder = Recorder::new(shared.clone(), at, self.random.next_u64());
            threads.push(thread::spawn(move || recorder.run()));
        }
        let mut nemesis = Nemesis {
            ensemble,
            network,
            links,
            random: &mut self.random,
            counts: &mut summary.faults,
            story: Vec::new(),
            began: shared.began,
        };
        let harmed = nemesis.run(until);
        let story = nemesis.story.join("\n");
        let answered = harmed.and_then(|()| wait_for_answers(&shared));
        shared.stop.store(true, Ordering::SeqCst);
        let mut operations = Vec::new();
        for thread in threads {
            let joined = thread.join().map_err(|_| anyhow!("a client panicked"))?;
            operations.extend(joined?);
        }
        answered?;
        operations.extend(self.read_everywhere(&shared)?);
        self.check(round, operations, &story, summary)?;
        kill_loop::equal_digests(ensemble)
    }

    /// Every server shows every node as it must be in the end.
    fn read_everywhere(&mut self, shared: &Arc<Shared>) -> Result<Vec<Operation>> {
        let keys = shared.keys();
        let mut operations = Vec::new();
        for at in 0..shared.addresses.len() {
            let recorder = Recorder::new(shared.clone(), at, self.random.next_u64());
            operations.extend(recorder.read_all(&keys)?);
        }
        Ok(operations)
    }

    fn check(
        &mut self,
        round: usize,
        operations: Vec<Operation>,
        story: &str,
        summary: &mut Summary,
    ) -> Result<()> {
        let name = format!("{}-{}-{round}", self.mix, self.hold).replace('/', "+");
        let path = self.scratch.join(format!("{name}.jsonl"));
        let (operations, deposed) = record::without_deposed(operations);
        summary.deposed += deposed;
        record::write(&path, &operations)?;
        fs::write(path.with_extension("story"), story)?;
        let verdict = self.checker.check(&path)?;
        ensure!(
            verdict.operations > verdict.keys,
            "hardly an operation was done"
        );
        summary.histories += 1;
        summary.operations += verdict.operations;
        summary.open += verdict.open;
        summary.keys += verdict.keys;
        self.progress.say(format!(
            "{}, hold {}, round {round}: linearizable: {} operations, {} of unknown outcome",
            self.mix, self.hold, verdict.operations, verdict.open
        ));
        fs::remove_file(path.with_extension("story"))?;
        fs::remove_file(path)?;
        Ok(())
    }
}

/// Lets the clients work a while on servers that are all well.
fn wait_for_answers(shared: &Shared) -> Result<()> {
    let count = || shared.answers.load(Ordering::Relaxed);
    let before = count();
    thread::sleep(CALM);
    wait_for("answers after the last fault", ANSWERS_LIMIT, || {
        if count() > before + 100 {
            Ok(())
        } else {
            Err(format!("{} came", count() - before))
        }
    })
}
