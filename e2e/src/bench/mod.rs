//! Rates and latencies of both servers, on the same machine in the same run, taking turns.
//!
//! The generator is a closed loop: each client has one session and one request under way. It runs
//! on the machine of the servers and takes its share of it, alike for both.

pub mod measure;
pub mod table;

use std::time::Duration;

use anyhow::Result;

use self::measure::{Cell, Job, measure};
use crate::peers::{Ensemble, Kind, Settings};
use crate::progress::Progress;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Sizes of the ensembles.
    pub servers: Vec<usize>,
    /// Numbers of clients.
    pub clients: Vec<usize>,
    /// How long each measurement takes.
    pub duration: Duration,
    /// How often both servers have their turn.
    pub rounds: usize,
    /// Which servers; for a look at one alone.
    pub kinds: Vec<Kind>,
}

/// One line of the results: a job for a number of clients on a size of ensemble.
#[derive(Debug)]
pub struct Line {
    /// Size of the ensemble.
    pub servers: usize,
    /// What was done.
    pub job: Job,
    /// How many clients.
    pub clients: usize,
    /// What each kind of server did, over all rounds.
    pub cells: Vec<(Kind, Cell)>,
}

/// Measures everything that the plan asks for.
///
/// # Errors
/// When a server does not come up, or fails a request.
pub fn run(progress: &Progress, plan: &Plan) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for servers in &plan.servers {
        let at = lines.len();
        for job in Job::ALL {
            for clients in &plan.clients {
                let cells = plan
                    .kinds
                    .iter()
                    .map(|kind| (*kind, Cell::default()))
                    .collect();
                lines.push(Line {
                    servers: *servers,
                    job,
                    clients: *clients,
                    cells,
                });
            }
        }
        let lines = lines.get_mut(at..).unwrap_or_default();
        for round in 1..=plan.rounds {
            for kind in &plan.kinds {
                progress.say(format!(
                    "round {round}: {servers} server(s) of {}",
                    kind.name()
                ));
                one_turn(progress, plan, *kind, *servers, lines)?;
            }
        }
    }
    Ok(lines)
}

fn one_turn(
    progress: &Progress,
    plan: &Plan,
    kind: Kind,
    servers: usize,
    lines: &mut [Line],
) -> Result<()> {
    // Nothing that a user would not have: durable writes, the default snapshot interval.
    let settings = Settings {
        tick: Duration::from_secs(2),
        ..Settings::default()
    };
    let ensemble = Ensemble::start(kind, servers, &settings)?;
    let addresses = ensemble.addresses();
    for line in lines {
        let cell = measure(&addresses, line.job, line.clients, plan.duration)?;
        progress.say(format!(
            "  {} with {} client(s): {:.0}/s",
            line.job.name(),
            line.clients,
            cell.rate()
        ));
        for (of, total) in &mut line.cells {
            if *of == kind {
                total.add(&cell);
            }
        }
    }
    Ok(())
}
