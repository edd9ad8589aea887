//! The binary `quorate`: arguments, then the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use quorate_server::config::PodIdentity;
use quorate_server::inspect::Inspect;
use quorate_server::shutdown::exit_code;
use quorate_server::{cli, dev, inspect, serve, status};
use quorate_telemetry::{Levels, Log, LogFormat, Targets};

/// A coordination server that speaks ZooKeeper's protocols.
#[derive(Debug, Parser)]
#[command(name = "quorate", version)]
struct Arguments {
    /// Form of the log on standard error; `RUST_LOG` chooses levels
    #[arg(
        long,
        env = "QUORATE_LOG_FORMAT",
        value_enum,
        default_value = "text",
        global = true
    )]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

impl Format {
    /// Switches the log on.
    fn start(self, default: &Levels) -> Log {
        let format = match self {
            Self::Text => LogFormat::Text,
            Self::Json => LogFormat::Json,
        };
        Log::start(format, Targets::Hidden, default)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server in the foreground
    Serve {
        /// Path of zoo.cfg
        config: PathBuf,
        /// Name of the pod, ending in -<ordinal>, from which the server's id follows
        #[arg(long, env = "QUORATE_POD_NAME", requires = "id_base")]
        pod_name: Option<String>,
        /// Id of the pod with ordinal 0
        #[arg(long, env = "QUORATE_ID_BASE")]
        id_base: Option<i64>,
        /// DNS name or address of the pod for other servers: one that is in no list of members joins
        /// them, without a vote until a reconfig adds it
        #[arg(long, env = "QUORATE_POD_HOST", requires = "pod_name")]
        pod_host: Option<String>,
        /// Such a server observes: it never gets a vote
        #[arg(long, env = "QUORATE_OBSERVER", requires = "pod_host")]
        observer: bool,
    },
    /// Print the status of a running server
    Status {
        /// Where its admin port is
        #[arg(long, env = "QUORATE_ADMIN", default_value = "http://127.0.0.1:8080")]
        admin: String,
    },
    /// Read and change nodes, with the commands of zkCli; `quorate cli --help` tells more
    #[command(disable_help_flag = true)]
    Cli {
        /// Options and a command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
        words: Vec<String>,
    },
    /// Print and check logs, snapshots and data directories
    #[command(subcommand)]
    Inspect(Inspect),
    /// Run servers on this machine for development
    Dev {
        /// How many: 1 or 3
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=7))]
        servers: u16,
        /// Directory for configuration and data
        #[arg(long, default_value = "quorate-dev")]
        dir: PathBuf,
        /// Client port of the first server; the others count up
        #[arg(long, default_value_t = 2181)]
        port: u16,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = arguments.log_format;
    let code = match arguments.command {
        Command::Serve {
            config,
            pod_name,
            id_base,
            pod_host,
            observer,
        } => {
            let log = format.start(&Levels::info());
            let pod = pod_name.zip(id_base).map(|(name, id_base)| PodIdentity {
                name,
                id_base,
                host: pod_host,
                observes: observer,
            });
            match serve::run(&config, pod.as_ref(), &log) {
                Ok(()) => 0,
                Err(e) => {
                    eprintln!("{e}");
                    if e.exit_code() == exit_code::INVALID_INVOCATION {
                        eprintln!("Invalid config, exiting abnormally");
                    }
                    e.exit_code()
                }
            }
        }
        Command::Cli { words } => {
            // What a tool prints is what counts.
            let _log = format.start(&Levels::warn());
            cli::run(words).into()
        }
        Command::Inspect(what) => {
            let _log = format.start(&Levels::warn());
            return inspect::run(&what);
        }
        Command::Status { admin } => report(status::print(&admin)),
        Command::Dev { servers, dir, port } => report(dev::run(servers, &dir, port)),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn report<E: std::fmt::Display>(outcome: Result<(), E>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("{e}");
            exit_code::UNEXPECTED
        }
    }
}
