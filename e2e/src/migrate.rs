//! Live migration: under a write load, one server after the other is replaced by one of the other
//! kind on the same data directory, until all are, and back again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::programs::Watcher;
use crate::peers::{Ensemble, Kind, Settings};
use crate::progress::Progress;

/// Threads that write.
const WRITERS: usize = 4;

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
    pub servers: usize,
    /// How often there and back.
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// How Apache compresses its snapshots: gz or snappy; not at all if not given.
    #[arg(long)]
    pub compression: Option<String>,
    /// Only until all are of the other kind.
    #[arg(long)]
    pub one_way: bool,
}

/// Migrates, and tells what it was like.
///
/// # Errors
/// When a write is lost, a client of kazoo fails or loses its session, or a server does not come up.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let mut properties = Vec::new();
    if let Some(method) = &arguments.compression {
        properties.push(format!("zookeeper.snapshot.compression.method={method}"));
    }
    let settings = Settings {
        extra: ["snapCount=500", "initLimit=40", "syncLimit=10"]
            .map(str::to_owned)
            .to_vec(),
        properties,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(arguments.from, arguments.servers, &settings)?;
    match migrate(progress, arguments, &mut ensemble) {
        Ok(()) => Ok(()),
        Err(error) => {
            for server in &mut ensemble.servers {
                if server.is_started() {
                    server.kill()?;
                }
            }
            Err(error.context(format!("kept {}", ensemble.keep().display())))
        }
    }
}

fn migrate(progress: &Progress, arguments: &Arguments, ensemble: &mut Ensemble) -> Result<()> {
    let kazoo = Watcher::start(&ensemble.connect_string())?;
    let load = Load::start(&ensemble.addresses(), WRITERS)?;
    let mut longest = Duration::ZERO;
    let mut replaced = 0;
    for _ in 0..arguments.rounds {
        let other = match arguments.from {
            Kind::Apache => Kind::Quorate,
            Kind::Quorate => Kind::Apache,
        };
        let turns = match arguments.one_way {
            true => vec![other],
            false => vec![other, arguments.from],
        };
        for kind in turns {
            for id in 1..=u8::try_from(arguments.servers)? {
                load.wait_progress(BETWEEN, START_LIMIT)
                    .with_context(|| format!("before server {id} is replaced"))?;
                let gap = replace(ensemble, id, kind, &load)?;
                longest = longest.max(gap);
                replaced += 1;
                progress.say(format!(
                    "server {id} is of {} now; {:.2} s without a write",
                    kind.name(),
                    gap.as_secs_f32()
                ));
            }
        }
    }
    load.wait_progress(BETWEEN, START_LIMIT)?;
    let report = kazoo.stop()?;
    let acknowledged = load.stop()?;
    ensemble.wait_serving()?;
    kill_loop::check(ensemble, &acknowledged)?;
    println!(
        "{replaced} servers replaced under load, no acknowledged write lost: {} nodes; longest time \
         without a write {:.2} s; kazoo: {report}",
        acknowledged.nodes(),
        longest.as_secs_f32()
    );
    Ok(())
}

/// Lets a server of the other kind go on with a directory.
fn replace(ensemble: &mut Ensemble, id: u8, kind: Kind, load: &Load) -> Result<Duration> {
    let stopped = Instant::now();
    let status = ensemble.server(id)?.terminate()?;
    // Java ends with 143 after SIGTERM.
    if !status.success() && status.code() != Some(143) && kind == Kind::Apache {
        bail!("server {id} ended with {status}");
    }
    ensemble.server(id)?.become_kind(kind)?;
    ensemble.configure()?;
    load.wait_progress(1, START_LIMIT)
        .with_context(|| format!("while server {id} is down"))?;
    let gap = stopped.elapsed();
    ensemble.server(id)?.start()?;
    ensemble.wait_serving()?;
    Ok(gap)
}
