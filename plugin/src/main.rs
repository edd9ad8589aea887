//! The binary `kubectl-quorate`: arguments, then the library.

use std::process::ExitCode;

use clap::Parser;
use quorate_plugin::arguments::{Arguments, Command};
use quorate_plugin::cluster::Cluster;
use quorate_plugin::failure::Failure;
use quorate_plugin::{events, restart, status, transfer, zk};

/// Exit code when what was asked for was not done.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::System("cannot start the runtime", error))?;
    let cluster = runtime.block_on(Cluster::reach(&arguments.reach))?;
    match &arguments.command {
        Command::Status(asked) => runtime.block_on(status::run(&cluster, asked)),
        Command::Transfer(asked) => runtime.block_on(transfer::run(&cluster, asked)),
        Command::Restart(asked) => runtime.block_on(restart::run(&cluster, asked)),
        Command::Events(asked) => runtime.block_on(events::run(&cluster, asked)),
        // The shell waits for lines on this thread, while the runtime forwards its connections.
        Command::Zk(asked) => {
            let words = runtime.block_on(zk::prepare(&cluster, asked))?;
            Ok(quorate_server::cli::run(words))
        }
    }
}
