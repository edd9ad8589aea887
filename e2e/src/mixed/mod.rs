//! Ensembles of Apache's servers and ours under a write load: each kind leads in turn, leaders are
//! killed, servers restarted, networks partitioned, learners left so far behind that they need a
//! snapshot. At the end every acknowledged write is on every member, and all hold the same.

pub mod mix;
pub mod network;
mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::progress::Progress;

pub use mix::Mix;

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Voters and observers, a for Apache and q for Quorate: aqq/q; all mixes if not given.
    #[arg(long = "mix", value_delimiter = ',')]
    pub mixes: Vec<Mix>,
    /// Only what a test of every change can afford: one turn of each kind of leader, no second
    /// partition.
    #[arg(long)]
    pub short: bool,
    /// No new mix begins after so many minutes.
    #[arg(long, default_value_t = 60)]
    pub minutes: u64,
    /// Decides who is hit.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What one mix went through.
#[derive(Debug, Default)]
pub struct Summary {
    /// Acknowledged nodes that were found on every member.
    pub nodes: usize,
    /// How often a server of Apache led, and one of ours.
    pub led: [u32; 2],
    /// Kills, restarts, partitions.
    pub faults: u32,
    /// How often a server of Apache ended by itself, by a defect of its own.
    pub ended_itself: u32,
    /// Digests at one zxid that were compared.
    pub digests: usize,
}

/// Runs the mixes, one after the other.
///
/// # Errors
/// When a write is lost, members differ, or one does not come back; the text names the mix and the
/// directory that is kept.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let mixes = if arguments.mixes.is_empty() {
        Mix::all()?
    } else {
        arguments.mixes.clone()
    };
    let began = Instant::now();
    let mut done = 0;
    for mix in &mixes {
        if began.elapsed() > Duration::from_secs(arguments.minutes * 60) {
            break;
        }
        let summary = story::run(progress, mix, arguments.short, arguments.seed)
            .with_context(|| format!("mix {mix}, seed {}", arguments.seed))?;
        done += 1;
        println!(
            "{mix}: no acknowledged write lost: {} nodes, {} faults, Apache led {} times, Quorate \
             {} times, {} digests compared, Apache ended itself {} times",
            summary.nodes,
            summary.faults,
            summary.led[0],
            summary.led[1],
            summary.digests,
            summary.ended_itself
        );
    }
    ensure!(done > 0, "no time for a single mix");
    println!("{done} of {} mixes held", mixes.len());
    Ok(())
}
