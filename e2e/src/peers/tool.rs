//! The part of the hand tool that needs no Kubernetes: client programs, kill loops, garbage and
//! the benchmark, against real servers on loopback.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Subcommand;

use super::{Kind, programs};
use crate::bench::{self, table};
use crate::faults::{garbage, kill_loop};
use crate::progress::Progress;

/// What can be done to servers.
#[derive(Debug, Subcommand)]
pub enum PeerJob {
    /// Run kazoo, Apache's Java client and the crate zookeeper-client against running servers.
    Clients {
        /// Where the servers are: host:port, more with commas.
        #[arg(long)]
        connect: String,
    },
    /// Kill servers under a write load again and again, and look for lost writes.
    Killloop {
        /// Which server.
        #[arg(long, value_enum, default_value = "quorate")]
        kind: Kind,
        /// How many: 1, 3 or 5.
        #[arg(long, default_value_t = 1)]
        servers: usize,
        /// How many kills.
        #[arg(long, default_value_t = 200)]
        kills: u32,
        /// Decides who is killed when; the time of day if not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Send garbage to the client, quorum and election ports of three servers.
    Garbage {
        /// Which server.
        #[arg(long, value_enum, default_value = "quorate")]
        kind: Kind,
        /// How many frames.
        #[arg(long, default_value_t = 20_000)]
        frames: usize,
        /// Decides the frames; the time of day if not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Compare rates and latencies with Apache's.
    Bench {
        /// Sizes of ensembles.
        #[arg(long, value_delimiter = ',', default_value = "1,3")]
        servers: Vec<usize>,
        /// Numbers of clients.
        #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
        clients: Vec<usize>,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Turns of each kind of server.
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// Which servers.
        #[arg(
            long,
            value_enum,
            value_delimiter = ',',
            default_value = "apache,quorate"
        )]
        kinds: Vec<Kind>,
        /// Write the table to this file, too.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// Does one of these jobs.
///
/// # Errors
/// When something does not hold.
pub fn run(progress: &Progress, job: PeerJob) -> Result<()> {
    match job {
        PeerJob::Clients { connect } => {
            let own = std::env::current_exe()?;
            let beside = own.parent().context("a program without a directory")?;
            for outcome in programs::run_all(beside, &connect)? {
                println!("{}", outcome.report);
            }
        }
        PeerJob::Killloop {
            kind,
            servers,
            kills,
            seed,
        } => {
            let seed = seed.map_or_else(now, Ok)?;
            let plan = kill_loop::Plan {
                kind,
                servers,
                kills,
                seed,
            };
            let summary = kill_loop::run(progress, plan)?;
            println!(
                "no acknowledged write lost: {} nodes on {servers} server(s) after {kills} kills; \
                 longest time without a write {:.2} s",
                summary.nodes,
                summary.longest_gap.as_secs_f32()
            );
        }
        PeerJob::Garbage { kind, frames, seed } => {
            let seed = seed.map_or_else(now, Ok)?;
            let summary = garbage::run(progress, garbage::Plan { kind, frames, seed })?;
            println!("serves on after {:?} frames", summary.frames);
            for (before, peak) in summary.memory {
                println!(
                    "memory: {} MiB before, {} MiB at most",
                    before >> 20,
                    peak >> 20
                );
            }
        }
        PeerJob::Bench {
            servers,
            clients,
            seconds,
            rounds,
            kinds,
            out,
        } => {
            let duration = Duration::from_secs(seconds);
            let plan = bench::Plan {
                servers,
                clients,
                duration,
                rounds,
                kinds,
            };
            let lines = bench::run(progress, &plan)?;
            let text = table::markdown(&plan, &lines);
            print!("{text}");
            if let Some(out) = out {
                fs::write(&out, text).with_context(|| format!("cannot write {}", out.display()))?;
            }
        }
    }
    Ok(())
}

fn now() -> Result<u64> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(u64::try_from(time.as_nanos() & u128::from(u64::MAX))?)
}
