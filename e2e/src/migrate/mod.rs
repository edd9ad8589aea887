//! Live migration: under a write load and with clients that others wrote, one server after the other
//! is replaced by one of the other kind, until all are, and back again; on the same data directories,
//! or on empty ones by changes of the members.

mod clients;
mod in_place;
mod members;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::faults::random::Random;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Ensemble, Kind, Server, Settings};
use crate::progress::Progress;
use clients::{Program, Turn};

/// Threads that write.
const WRITERS: usize = 4;

/// Pause of each after a write: the clients that others wrote are to get their turns.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes between two replacements, some snapshots' worth.
const BETWEEN: u64 = 600;

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Which servers are there first.
    #[arg(long, value_enum, default_value = "apache")]
    pub from: Kind,
    /// How many.
    #[arg(long, default_value_t = 3)]
    pub servers: u8,
    /// How often there and back.
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// How Apache compresses its snapshots: gz or snappy; not at all if not given.
    #[arg(long)]
    pub compression: Option<String>,
    /// New servers with empty directories join, and the old ones leave; without it the new ones go on
    /// with the directories of the old ones.
    #[arg(long)]
    pub empty: bool,
    /// Only until all are of the other kind.
    #[arg(long)]
    pub one_way: bool,
}

/// An ensemble on its way.
struct Migration<'a> {
    progress: &'a Progress,
    settings: Settings,
    ensemble: Ensemble,
    load: Load,
    random: Random,
    /// What was done when.
    turns: Vec<Turn>,
    /// Longest time without a write.
    longest: Duration,
    replaced: u32,
}

/// Migrates, and tells what it was like.
///
/// # Errors
/// When a write is lost, a client fails, loses its session, or a connection to a server that was not
/// stopped and is not Apache's, or a server does not come up.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let mut properties = Vec::new();
    if let Some(method) = &arguments.compression {
        properties.push(format!("zookeeper.snapshot.compression.method={method}"));
    }
    let mut extra: Vec<String> = ["snapCount=500", "initLimit=40", "syncLimit=10"]
        .map(str::to_owned)
        .to_vec();
    if arguments.empty {
        extra.extend(members::SETTINGS.map(str::to_owned));
    }
    let settings = Settings {
        extra,
        properties,
        ..Settings::default()
    };
    let mut ensemble = if arguments.empty {
        members::first(arguments, &settings)?
    } else {
        Ensemble::configured(
            &vec![arguments.from; usize::from(arguments.servers)],
            &settings,
        )?
    };
    for id in 1..=arguments.servers {
        ensemble.server(id)?.start()?;
    }
    for id in 1..=arguments.servers {
        ensemble.server(id)?.wait_serving(START_LIMIT)?;
    }
    let programs = Program::start_all(&ensemble.connect_string())?;
    let load = Load::start_paced(&ensemble.addresses(), WRITERS, PAUSE)?;
    let mut migration = Migration {
        progress,
        settings,
        ensemble,
        load,
        random: Random::new(1),
        turns: Vec::new(),
        longest: Duration::ZERO,
        replaced: 0,
    };
    match migration.go(arguments) {
        Ok(()) => migration.end(programs),
        Err(error) => Err(migration.keep(error)),
    }
}

impl Migration<'_> {
    fn go(&mut self, arguments: &Arguments) -> Result<()> {
        let other = match arguments.from {
            Kind::Apache => Kind::Quorate,
            Kind::Quorate => Kind::Apache,
        };
        let back = (!arguments.one_way).then_some(arguments.from);
        for _ in 0..arguments.rounds {
            for kind in [Some(other), back].into_iter().flatten() {
                for number in 1..=arguments.servers {
                    self.load
                        .wait_progress(BETWEEN, START_LIMIT)
                        .with_context(|| format!("before server {number} is replaced"))?;
                    if arguments.empty {
                        self.replace_by_members(number, arguments.servers, kind)?;
                    } else {
                        self.replace_in_place(number, kind)?;
                    }
                    self.replaced += 1;
                }
            }
        }
        self.load.wait_progress(BETWEEN, START_LIMIT)
    }

    fn end(self, programs: Vec<Program>) -> Result<()> {
        let mut reports = Vec::new();
        for program in programs {
            match program.stop(&self.turns) {
                Ok(report) => reports.push(report),
                Err(error) => return Err(self.keep(error)),
            }
        }
        let acknowledged = self.load.stop()?;
        let mut ensemble = self.ensemble;
        ensemble.servers.retain(Server::is_started);
        ensemble.wait_serving()?;
        if let Err(error) = kill_loop::check(&mut ensemble, &acknowledged) {
            return Err(error.context(format!("kept {}", ensemble.keep().display())));
        }
        println!(
            "{} servers replaced under load, no acknowledged write lost: {} nodes; longest time \
             without a write {:.2} s",
            self.replaced,
            acknowledged.nodes(),
            self.longest.as_secs_f32()
        );
        reports.iter().for_each(|report| println!("{report}"));
        Ok(())
    }

    fn keep(mut self, error: anyhow::Error) -> anyhow::Error {
        for server in &mut self.ensemble.servers {
            if server.is_started() {
                // What matters is the error; a server that is gone already is no other.
                drop(server.kill());
            }
        }
        error.context(format!("kept {}", self.ensemble.keep().display()))
    }
}
