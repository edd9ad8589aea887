//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Longest wait for a restart, seconds: a day.
const WAIT_MAX_S: u64 = 24 * 60 * 60;

/// Looks after ensembles of the Quorate operator.
#[derive(Debug, Parser)]
#[command(name = "kubectl quorate", bin_name = "kubectl quorate", version)]
pub struct Arguments {
    /// Which cluster, and where in it.
    #[command(flatten)]
    pub reach: Reach,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, and where in it: the options of kubectl.
#[derive(Debug, Default, Args)]
pub struct Reach {
    /// Namespace of the ensemble; that of the context without this
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Path of the kubeconfig
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show ensembles: zones, members, who leads, who lags, what is awaited, what to do
    Status(Status),
    /// Pass on the lead, to a member or to the voter that has most
    Transfer(Transfer),
    /// Restart all servers, one at a time, the leader last
    Restart(Restart),
    /// Show the events of an ensemble and of its pods in the order of time
    Events(Events),
    /// Read and change nodes, with the commands of zkCli
    Zk(Zk),
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Name of the ensemble; all of the namespace without this
    pub name: Option<String>,
    /// Ensembles of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// For programs
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// A form of output for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One JSON document
    Json,
}

/// `transfer`.
#[derive(Debug, Args)]
pub struct Transfer {
    /// Name of the ensemble
    pub name: String,
    /// Who is to lead: the id of a voter or the name of its pod
    #[arg(long, value_name = "MEMBER|POD")]
    pub to: Option<String>,
    /// How long clients may be held meanwhile, ms
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=10_000))]
    pub deadline_ms: u64,
}

/// `restart`.
#[derive(Debug, Args)]
pub struct Restart {
    /// Name of the ensemble
    pub name: String,
    /// Tell what is done until all servers have been restarted
    #[arg(short, long)]
    pub watch: bool,
    /// With --watch: give up after so many seconds; the restarts go on
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=WAIT_MAX_S))]
    pub timeout_s: u64,
}

/// `events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Name of the ensemble
    pub name: String,
    /// Go on with those that come
    #[arg(short, long)]
    pub watch: bool,
}

/// `zk`.
#[derive(Debug, Args)]
pub struct Zk {
    /// Name of the ensemble
    pub name: String,
    /// Talk TLS; certificates of the authorities that sign the servers' (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The client's own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "tls_ca")]
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Options and a command of `quorate cli`; interactive without a command
    #[arg(last = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn words_of_the_shell_stand_behind_two_dashes() {
        let words = "x zk orders -n shop -- --json ls -R /";
        let parsed = Arguments::try_parse_from(words.split(' ')).unwrap();
        assert_eq!(parsed.reach.namespace.as_deref(), Some("shop"));
        let Command::Zk(zk) = parsed.command else {
            panic!("{parsed:?}");
        };
        assert_eq!(zk.words, ["--json", "ls", "-R", "/"]);
    }

    #[test]
    fn what_is_out_of_bounds_or_contradicts_is_refused() {
        for line in [
            "x status orders -A",
            "x status -A -n shop",
            "x transfer",
            "x transfer orders --deadline-ms 60000",
            "x restart orders --timeout-s 0",
            "x zk orders --tls-key key.pem",
        ] {
            assert!(
                Arguments::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
    }
}
