//! `quorate-sim`: many seeds, one seed again, or all known mistakes.
//!
//! The command that replays a failure is printed with it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use zk_core::Bugs;
use zk_sim::{Counts, Report, RunConfig, STEPS_DEFAULT, run_many, run_seed};

/// Seeds in which a known mistake must be found.
const BUG_SEEDS_MAX: u64 = 1000;

#[derive(Debug, Parser)]
#[command(
    name = "quorate-sim",
    about = "Simulates whole ensembles from seeds",
    version
)]
struct Cli {
    #[command(subcommand)]
    job: Option<Job>,
    /// Runs this one seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints every event.
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    world: WorldArgs,
}

#[derive(Debug, Args, Clone)]
struct WorldArgs {
    /// Size of the ensemble.
    #[arg(long, value_enum, default_value = "mixed", global = true)]
    servers: Servers,
    /// Whether the members change; the seed decides when left out.
    #[arg(long, global = true)]
    reconfigs: Option<bool>,
    /// Events until the faults end.
    #[arg(long, default_value_t = STEPS_DEFAULT, global = true)]
    steps: u64,
    /// A known mistake to make.
    #[arg(long, global = true)]
    bug: Option<String>,
    /// Leaves out the checks of durability on a quorum and of established epochs, to see whether
    /// what follows from a broken one is found.
    #[arg(long, global = true)]
    effects_only: bool,
    /// Threads, a seed each.
    #[arg(long, default_value_t = 2, global = true)]
    threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Servers {
    #[value(name = "3")]
    Three,
    #[value(name = "5")]
    Five,
    Mixed,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Runs many seeds; none may violate an invariant.
    Run {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Goes on after a violation.
        #[arg(long)]
        keep_going: bool,
    },
    /// Switches each known mistake on; each must be found.
    Bugs,
}

impl WorldArgs {
    fn config(&self, trace: bool) -> Result<RunConfig> {
        let bugs = match &self.bug {
            None => Bugs::default(),
            Some(name) => match Bugs::named(name) {
                Some(bugs) => bugs,
                None => bail!("no bug {name}; there are {}", Bugs::NAMES.join(", ")),
            },
        };
        Ok(RunConfig {
            seed: 0,
            servers: match self.servers {
                Servers::Three => Some(3),
                Servers::Five => Some(5),
                Servers::Mixed => None,
            },
            reconfigs: self.reconfigs,
            steps: self.steps,
            bugs,
            trace,
            effects_only: self.effects_only,
        })
    }

    fn replay(&self, seed: u64) -> String {
        let mut command = format!("quorate-sim --seed {seed} --steps {}", self.steps);
        if self.servers != Servers::Mixed {
            let n = if self.servers == Servers::Three { 3 } else { 5 };
            command.push_str(&format!(" --servers {n}"));
        }
        if let Some(reconfigs) = self.reconfigs {
            command.push_str(&format!(" --reconfigs {reconfigs}"));
        }
        if let Some(bug) = &self.bug {
            command.push_str(&format!(" --bug {bug}"));
        }
        if self.effects_only {
            command.push_str(" --effects-only");
        }
        command
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let ok = match (&cli.job, cli.seed) {
        (Some(Job::Bugs), _) => find_bugs(&cli.world)?,
        (
            Some(Job::Run {
                seeds,
                from,
                keep_going,
            }),
            _,
        ) => many(&cli.world, *from, *seeds, *keep_going)?,
        (None, Some(seed)) => one(&cli, seed)?,
        (None, None) => bail!("nothing to do: give --seed N, or the command run or bugs"),
    };
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn one(cli: &Cli, seed: u64) -> Result<bool> {
    println!("{}", cli.world.replay(seed));
    let report = run_seed(&RunConfig {
        seed,
        ..cli.world.config(cli.trace)?
    });
    println!("trace {:016x}", report.trace_hash);
    print_counts(&report.counts, report.virtual_us);
    Ok(judge(&report, &cli.world))
}

/// Prints a violation with the command that repeats it; tells whether there is none.
fn judge(report: &Report, world: &WorldArgs) -> bool {
    let Some(violation) = &report.violation else {
        return true;
    };
    println!("\nVIOLATION in seed {}: {violation}", report.seed);
    println!("replay: {} --trace", world.replay(report.seed));
    false
}

fn many(world: &WorldArgs, from: u64, seeds: u64, keep_going: bool) -> Result<bool> {
    let config = world.config(false)?;
    let (mut done, mut bad) = (0_u64, 0_u64);
    let (mut counts, mut virtual_us) = (Counts::default(), 0);
    let mut slowest = (Duration::ZERO, 0);
    println!("{seeds} seeds from {from}, {} steps each", world.steps);
    let start = Instant::now();
    run_many(&config, from, seeds, world.threads.max(1), |report| {
        done += 1;
        counts.add(&report.counts);
        virtual_us += report.virtual_us;
        slowest = slowest.max((report.took, report.seed));
        if !judge(report, world) {
            bad += 1;
            return keep_going;
        }
        if done.is_multiple_of(100) {
            println!("{done} seeds, {:.1} s", start.elapsed().as_secs_f64());
        }
        true
    });
    let took = start.elapsed().as_secs_f64();
    print_counts(&counts, virtual_us);
    println!(
        "{done} seeds in {took:.1} s: {:.1} seeds/s, {bad} with a violation; the slowest was {} with \
         {:.1} s",
        to_f64(done) / took,
        slowest.1,
        slowest.0.as_secs_f64()
    );
    Ok(bad == 0)
}

fn find_bugs(world: &WorldArgs) -> Result<bool> {
    let mut all = true;
    for name in Bugs::NAMES {
        let world = WorldArgs {
            bug: Some((*name).to_owned()),
            ..world.clone()
        };
        let config = world.config(false)?;
        let mut found = None;
        let (mut done, start) = (0_u64, Instant::now());
        run_many(&config, 1, BUG_SEEDS_MAX, world.threads.max(1), |report| {
            done += 1;
            found = report.violation.is_some().then(|| report.clone());
            found.is_none()
        });
        let took = start.elapsed().as_secs_f64();
        match found.as_ref().map(|r| (r.seed, r.violation.as_ref())) {
            Some((seed, Some(violation))) => {
                println!("{name}: found after {done} seeds, {took:.1} s, by {violation}");
                println!("    replay: {} --trace", world.replay(seed));
            }
            _ => {
                println!("{name}: NOT FOUND in {done} seeds");
                all = false;
            }
        }
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

fn print_counts(counts: &Counts, virtual_us: u64) {
    let [diff, trunc, snap, log] = counts.syncs;
    println!(
        "virtual time {:.1} s, {} events; faults {}, crashes {}, elections {}; synchronized by DIFF \
         {diff}, DIFF from the log {log}, TRUNC {trunc}, SNAP {snap}",
        to_f64(virtual_us) / 1e6,
        counts.steps,
        counts.faults,
        counts.crashes,
        counts.elections,
    );
    println!(
        "reconfigurations {}; committed {}, writes acknowledged {}, reads checked {}, watch events {}; sessions {}, moved \
         {}, expired {}; local ones upgraded {}, expired {}; answers without a quorum {}",
        counts.reconfigs,
        counts.committed,
        counts.writes,
        counts.reads,
        counts.events,
        counts.sessions,
        counts.resumed,
        counts.expired,
        counts.upgraded,
        counts.expired_locally,
        counts.read_only,
    );
    println!(
        "leads passed on {}; connections that went on {}, requests asked again {}, held {}; holds \
         ended {}",
        counts.hand_overs, counts.went_on, counts.asked_again, counts.held, counts.holds_ended,
    );
}
