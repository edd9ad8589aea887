//! The hand tool around the end-to-end harness: brings clusters up and down, writes and loads
//! images, and breaks the network between nodes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use quorate_e2e::cluster::{self, Layout, network};
use quorate_e2e::disk_faults;
use quorate_e2e::docs;
use quorate_e2e::handover;
use quorate_e2e::histories;
use quorate_e2e::image::{self, Image};
use quorate_e2e::kube;
use quorate_e2e::kube::checks::{Choice, NAMESPACE};
use quorate_e2e::migrate;
use quorate_e2e::mixed;
use quorate_e2e::monitoring;
use quorate_e2e::peers::tool::{self, PeerJob};
use quorate_e2e::pictures;
use quorate_e2e::progress::Progress;
use quorate_e2e::reconfig;
use quorate_e2e::suites;
use quorate_e2e::tools::Tools;
use quorate_e2e::twin;

/// The name of the cluster where none is given.
const CLUSTER: &str = "quorate";

/// A real Kubernetes for the end-to-end tests, on a bare machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Get every tool that a cluster needs.
    Deps,
    /// Bring clusters up and down.
    Cluster {
        /// The cluster's name.
        #[arg(long, global = true, default_value = CLUSTER)]
        name: String,
        #[command(subcommand)]
        job: ClusterJob,
    },
    /// Write and load images.
    #[command(subcommand)]
    Image(ImageJob),
    #[command(flatten)]
    Peers(PeerJob),
    /// What the chart has for Prometheus and Grafana.
    #[command(subcommand)]
    Monitoring(monitoring::Job),
    /// Run the test suites of ZooKeeper's clients, and Kafka, on Apache's servers and on ours.
    Suites(suites::Plan),
    /// Send the same requests to Apache's server and to ours, and compare every byte.
    Twin(twin::job::Arguments),
    /// Replace servers by those of the other kind, one at a time under load, there and back.
    Migrate(migrate::Arguments),
    /// Break ensembles of Apache's servers and ours in every way, and look for lost writes.
    Mixed(mixed::Arguments),
    /// Damage every file of a server, and let its disk fail.
    DiskFaults(disk_faults::Arguments),
    /// Check what clients of ensembles under faults were told for linearizability.
    Histories(histories::Arguments),
    /// Change the members of an ensemble in every way, with and without the loss of the leader.
    ReconfigMatrix(reconfig::Arguments),
    /// Pass on the lead and kill leaders while clients write and watch.
    Handover(handover::Plan),
    /// Take the pictures of the page that are in docs/images.
    Pictures(pictures::Arguments),
    /// Build the book of docs/, and follow its links.
    Book {
        /// The directory to write: a new one, or that of an older book.
        #[arg(long)]
        out: PathBuf,
    },
    /// The whole path: a cluster, the operator, an ensemble, a write and a read.
    Demo {
        /// The cluster's name.
        #[arg(long, global = true, default_value = CLUSTER)]
        name: String,
        #[command(subcommand)]
        job: DemoJob,
    },
    /// The end-to-end checks on a cluster.
    KubeTest {
        /// The cluster's name.
        #[arg(long, default_value = CLUSTER)]
        name: String,
        /// The namespace of the ensemble under test.
        #[arg(long, default_value = NAMESPACE)]
        namespace: String,
        /// Only checks whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// The checks that take long, instead of the others.
        #[arg(long)]
        long: bool,
        /// Everything is prepared, and this process is where addresses are reachable.
        #[arg(long, hide = true)]
        checks_only: bool,
    },
}

#[derive(Subcommand)]
enum ClusterJob {
    /// Make sure that there is a cluster, and print the path of its kubeconfig.
    Up,
    /// Stop and remove the cluster.
    Down,
    /// Fail if anything of the cluster is left, naming it.
    CheckClean,
    /// Run a command in the network namespace of a node.
    ExecNode {
        /// The node's number, from 1.
        number: u8,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Pull the network cable of a node.
    Isolate {
        /// The node's number, from 1.
        number: u8,
    },
    /// Plug the network cable of a node in again.
    Rejoin {
        /// The node's number, from 1.
        number: u8,
    },
}

#[derive(Subcommand)]
enum DemoJob {
    /// Bring everything up and show it.
    Up,
    /// Write and read through the client Service of the running demo.
    Show,
    /// Remove everything.
    Down,
}

#[derive(Subcommand)]
enum ImageJob {
    /// Write one static binary on an empty base as an image archive.
    Build {
        /// The binary; it lands in the image's root directory.
        #[arg(long)]
        binary: PathBuf,
        /// The image's name and tag.
        #[arg(long = "name", value_name = "NAME:TAG")]
        reference: String,
        /// A word of the command, repeated for more; the binary alone if not given.
        #[arg(long, allow_hyphen_values = true)]
        entrypoint: Vec<String>,
        /// A bill of materials to put beside the binary.
        #[arg(long)]
        sbom: Option<PathBuf>,
        /// The archive to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the bills of materials of the images to deploy/sbom.
    Sbom,
    /// Import an image archive on every node.
    Load {
        /// The archive.
        archive: PathBuf,
        /// The cluster's name.
        #[arg(long, default_value = CLUSTER)]
        cluster: String,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::default();
    match arguments.job {
        Job::Deps => {
            Tools::ensure(&progress)?;
            progress.say("all tools are there");
        }
        Job::Cluster { name, job } => return run_cluster(&progress, &Layout::new(&name)?, job),
        Job::Demo { name, job } => return run_demo(&progress, Layout::new(&name)?, &job),
        Job::KubeTest {
            name,
            namespace,
            only,
            long,
            checks_only,
        } => {
            let layout = Layout::new(&name)?;
            let choice = Choice {
                namespace,
                only,
                long,
            };
            return if checks_only {
                kube::checks::run_checks(&progress, &layout, &choice)
            } else {
                kube::checks::run(&progress, layout, &choice)
            };
        }
        Job::Image(job) => run_image(&progress, job)?,
        Job::Peers(job) => tool::run(&progress, job)?,
        Job::Monitoring(job) => monitoring::run(&progress, &job)?,
        Job::Book { out } => {
            let built = docs::book::build(&docs::root().join(docs::DOCS), &out)?;
            println!(
                "{} pages in {}, {} links lead somewhere",
                built.pages,
                out.display(),
                built.links
            );
        }
        Job::Suites(plan) => suites::run(&progress, &plan)?,
        Job::Migrate(job) => migrate::run(&progress, &job)?,
        Job::Mixed(job) => mixed::run(&progress, &job)?,
        Job::DiskFaults(job) => disk_faults::run(&progress, &job)?,
        Job::Histories(job) => {
            histories::run(&progress, &job)?;
        }
        Job::ReconfigMatrix(job) => reconfig::run(&progress, &job)?,
        Job::Pictures(job) => pictures::run(&progress, &job)?,
        Job::Handover(plan) => handover::run(&progress, &plan)?,
        Job::Twin(job) => twin::job::run(&progress, &job)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_image(progress: &Progress, job: ImageJob) -> Result<()> {
    match job {
        ImageJob::Build {
            binary,
            reference,
            entrypoint,
            sbom,
            out,
        } => {
            let image = Image {
                binary,
                reference,
                entrypoint,
                sbom,
            };
            println!("sha256:{}", image::write(&image, &out)?);
        }
        ImageJob::Sbom => image::sbom::write_all()?,
        ImageJob::Load { archive, cluster } => {
            image::load(progress, &Layout::new(&cluster)?, &archive)?;
        }
    }
    Ok(())
}

fn run_demo(progress: &Progress, layout: Layout, job: &DemoJob) -> Result<ExitCode> {
    match job {
        DemoJob::Up => kube::demo::up(progress, layout),
        DemoJob::Show => kube::demo::show(&layout),
        DemoJob::Down => kube::demo::down(progress, &layout).map(|()| ExitCode::SUCCESS),
    }
}

fn run_cluster(progress: &Progress, layout: &Layout, job: ClusterJob) -> Result<ExitCode> {
    match job {
        ClusterJob::Up => println!("{}", cluster::ensure(progress, layout)?.display()),
        ClusterJob::Down => cluster::down(progress, layout)?,
        ClusterJob::CheckClean => cluster::check_clean(layout)?,
        ClusterJob::ExecNode { number, command } => {
            let (program, words) = command.split_first().context("no command")?;
            let status = network::command_inside(&layout.node(number)?, program)
                .args(words)
                .status()
                .with_context(|| format!("cannot run {program}"))?;
            let code = status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1);
            return Ok(ExitCode::from(code));
        }
        ClusterJob::Isolate { number } => network::isolate(&layout.node(number)?)?,
        ClusterJob::Rejoin { number } => network::rejoin(&layout.node(number)?)?,
    }
    Ok(ExitCode::SUCCESS)
}
