//! The matrix of reconfigurations: one server becomes three and five and one again, roles are swapped,
//! addresses and ports change, the leader leaves, versions are wrong; the same again with the leader
//! killed in the middle of each change.

mod matrix;
pub(crate) mod members;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::mixed::Mix;
use crate::progress::Progress;

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The five servers, a for Apache and q for Quorate.
    #[arg(
        long = "mix",
        value_delimiter = ',',
        default_value = "qqqqq,aqaqa,qaqaq"
    )]
    pub mixes: Vec<Mix>,
    /// How often everything is done with the leader killed in each step, after a turn without.
    #[arg(long, default_value_t = 2)]
    pub losses: u32,
    /// Only what a test of every change can afford.
    #[arg(long)]
    pub short: bool,
    /// Decides when a leader is killed, and who is asked.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What one turn went through.
#[derive(Debug, Default)]
pub struct Summary {
    /// Changes that came into force.
    pub changes: u32,
    /// Of these, with a leader of Apache and with one of ours when they were asked for.
    pub led: [u32; 2],
    /// Leaders killed.
    pub losses: u32,
    /// Of these, such that the change was there without being asked for again.
    pub survived: u32,
    /// Acknowledged nodes that were found in the end.
    pub nodes: usize,
}

/// Runs the matrix for each mix.
///
/// # Errors
/// When a change does not come into force, members disagree, or a write is lost; the text names the
/// step and the directory that is kept.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    for mix in &arguments.mixes {
        ensure!(
            mix.voters.len() == 5 && mix.observers.is_empty(),
            "the matrix is one of five servers"
        );
        for turn in 0..=arguments.losses {
            let seed = arguments.seed + u64::from(turn);
            let loses = turn > 0;
            let summary = matrix::run(progress, mix, loses, arguments.short, seed)
                .with_context(|| format!("mix {mix}, turn {turn}, seed {}", arguments.seed))?;
            println!(
                "{mix}: {} changes in force ({} under Apache's leaders, {} under Quorate's), {} \
                 leaders lost within them ({} of these changes were in force all the same), no \
                 acknowledged write lost: {} nodes",
                summary.changes,
                summary.led[0],
                summary.led[1],
                summary.losses,
                summary.survived,
                summary.nodes
            );
        }
    }
    Ok(())
}
