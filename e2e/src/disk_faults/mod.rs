//! Disks that damage files, are full, or fail: three servers, of which one has such a disk. Nothing
//! that was acknowledged is lost, and that server heals, or stops and names the file and the remedy.

mod bad_disk;
mod damage;
mod failing;
mod place;
mod sweep;
mod votes;

use anyhow::{Context, Result};
use clap::Args;

use crate::progress::Progress;
use place::Place;

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How often each kind of file is damaged.
    #[arg(long, default_value_t = 40)]
    pub samples: usize,
    /// Only what a test of every change can afford.
    #[arg(long)]
    pub short: bool,
    /// Decides where.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs everything.
///
/// # Errors
/// When something acknowledged is lost, or a server neither heals nor says what to do; the text names
/// the directory that is kept.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed;
    progress.say(format!(
        "disk faults: quorate-e2e disk-faults --samples {} --seed {seed}",
        arguments.samples
    ));
    let mut place = Place::prepare()?;
    let swept = sweep::run(progress, &mut place, arguments.samples, seed);
    let outcomes = match swept {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let kept = place.keep()?;
            return Err(error).with_context(|| format!("seed {seed}, kept {kept}"));
        }
    };
    let votes = votes::run(progress, arguments.short)?;
    println!("{votes} damaged servers did not vote: nothing lost");
    let failing = failing::run(progress, arguments.short)?;
    println!("{failing} kinds of failing calls: nothing lost");
    for (role, outcomes) in outcomes {
        println!(
            "{role}: {} healed, {} refused, {} as if nothing was",
            outcomes.healed, outcomes.refused, outcomes.unnoticed
        );
    }
    Ok(())
}
