//! `quorate-operator`: arguments, telemetry, and the wiring of the parts.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::Config;
use kube::api::{Api, ListParams};
use kube::client::ClientBuilder;
use kube::runtime::events::{Recorder, Reporter};
use quorate_operator::crd::{ZkEnsemble, api_reference, chart_schema, crd_yaml};
use quorate_operator::ensemble::validate::Defaults;
use quorate_operator::ensemble::{Context, controller};
#[cfg(feature = "failpoints")]
use quorate_operator::failpoints::{FailpointLayer, FailpointMembers, Failpoints, Switch};
use quorate_operator::health::{self, Readiness};
use quorate_operator::key;
use quorate_operator::leadership::{Leadership, see_operator};
use quorate_operator::log_levels;
use quorate_operator::members::{HttpMembers, Members};
use quorate_operator::metrics::Metrics;
use quorate_operator::read_again;
use quorate_operator::scope::{self, Scope};
use quorate_operator::traces::{ReconcileTraces, TracedMembers};
use quorate_telemetry::traces::{Collector, Endpoint};
use quorate_telemetry::{Levels, Log, LogFormat, Targets};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Wait between tries to reach the API server at the start.
const START_RETRY: Duration = Duration::from_secs(2);

/// Runs ZooKeeper-compatible ensembles on Kubernetes.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keeps ensembles and their objects in step until it is told to stop.
    Run(Box<RunArguments>),
    /// Prints the CRD as YAML.
    Crd,
    /// Prints the schema of the values of the chart for one ensemble.
    ChartSchema,
    /// Prints the reference of the API as Markdown.
    ApiReference,
    /// Waits until ensembles can be listed and an operator is seen to work.
    Check(CheckArguments),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Container image of the server, for ensembles that name none.
    #[arg(long, env = "QUORATE_IMAGE")]
    server_image: String,
    /// DNS domain of the cluster.
    #[arg(long, env = "QUORATE_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "QUORATE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Name of this process in the Lease of the operators, e.g. that of its pod.
    #[arg(long, env = "QUORATE_POD_NAME", default_value = "quorate-operator")]
    pod_name: String,
    #[command(flatten)]
    place: PlaceArguments,
    /// Failpoints to switch on, with commas between them, e.g. after:delete-pods:1:exit.
    #[cfg(feature = "failpoints")]
    #[arg(long, env = "QUORATE_FAILPOINTS", value_delimiter = ',')]
    failpoints: Vec<Switch>,
    /// How often of a thousand times that any failpoint is reached the operator ends there.
    #[cfg(feature = "failpoints")]
    #[arg(long, env = "QUORATE_FAILPOINT_EXITS", default_value_t = 0)]
    failpoint_exits: u64,
    #[command(flatten)]
    traces: TraceArguments,
    /// Log as JSON lines.
    #[arg(long, env = "QUORATE_LOG_JSON")]
    log_json: bool,
    /// File with the levels of the log, e.g. info,kube=debug; changes count at once. RUST_LOG without one.
    #[arg(long, env = "QUORATE_LOG_LEVEL_FILE")]
    log_level_file: Option<PathBuf>,
}

/// Where operators find each other, and where they work.
#[derive(Debug, clap::Args)]
struct PlaceArguments {
    /// Namespace of the Lease and of the key; that of the kubeconfig's context if not given.
    #[arg(long, env = "QUORATE_POD_NAMESPACE")]
    pod_namespace: Option<String>,
    /// Name of the Lease that the operators of one cluster share; their key is named after it.
    #[arg(long, env = "QUORATE_LEASE", default_value = "quorate-operator")]
    lease: String,
    /// Namespaces to work in, with commas between them; all without this.
    #[arg(long, env = "QUORATE_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,
}

impl PlaceArguments {
    /// Where what belongs to the operators themselves is.
    fn namespace(&self, client: &Client) -> String {
        let given = self.pod_namespace.clone();
        given.unwrap_or_else(|| client.default_namespace().to_owned())
    }

    /// Where ensembles are.
    fn scope(&self) -> anyhow::Result<Scope> {
        Scope::new(self.namespaces.clone()).context("--namespaces")
    }
}

/// Who takes traces.
#[derive(Debug, clap::Args)]
struct TraceArguments {
    /// Address of a collector that takes OTLP over HTTP, e.g. http://collector:4318. No traces without one.
    #[arg(long, env = "QUORATE_TRACES_ENDPOINT")]
    traces_endpoint: Option<Endpoint>,
    /// File with the authority that signed the certificate of a collector whose address begins with https.
    #[arg(long, env = "QUORATE_TRACES_CA_FILE", requires = "traces_endpoint")]
    traces_ca_file: Option<PathBuf>,
}

impl TraceArguments {
    /// Begins to send traces where somebody takes them.
    fn start(&self, pod_name: &str) -> anyhow::Result<ReconcileTraces> {
        let collector = self.traces_endpoint.clone();
        let collector = collector.map(|at| Collector::new(at, self.traces_ca_file.clone()));
        let collector = collector.transpose().context("--traces-ca-file")?;
        ReconcileTraces::start(collector.as_ref(), pod_name, Handle::current())
            .context("cannot send traces")
    }
}

#[derive(Debug, clap::Args)]
struct CheckArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// How long it may take, in seconds.
    #[arg(long, default_value_t = 60)]
    within: u64,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Crd => print(&crd_yaml().context("cannot write the CRD as YAML")?),
        Command::ChartSchema => print(&chart_schema().context("cannot write the schema as JSON")?),
        Command::ApiReference => print(&api_reference().context("cannot write the reference")?),
        Command::Check(arguments) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?
            .block_on(check(&arguments)),
        Command::Run(arguments) => {
            let log = start_log(arguments.log_json);
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("cannot start the runtime")?
                .block_on(run(*arguments, log))
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print it")
}

/// Says which operator works.
async fn check(arguments: &CheckArguments) -> anyhow::Result<()> {
    use std::io::Write as _;
    let client = Client::try_default()
        .await
        .context("no configuration to reach Kubernetes")?;
    let place = &arguments.place;
    let scope = place.scope()?;
    for namespace in scope.places() {
        let ensembles: Api<ZkEnsemble> = scope::api(&client, namespace);
        ensembles
            .list(&ListParams::default().limit(1))
            .await
            .context("cannot list ZkEnsembles; is the CRD installed?")?;
    }
    let namespace = place.namespace(&client);
    let within = Duration::from_secs(arguments.within);
    let operator = see_operator(client, &namespace, &place.lease, within).await?;
    writeln!(std::io::stdout(), "{operator} works").context("cannot print")
}

fn start_log(json: bool) -> Log {
    let format = match json {
        true => LogFormat::Json,
        false => LogFormat::Text,
    };
    Log::start(format, Targets::Shown, &Levels::info())
}

async fn run(arguments: RunArguments, log: Log) -> anyhow::Result<()> {
    if let Some(file) = arguments.log_level_file.clone() {
        tokio::spawn(log_levels::watch(log, file));
    }
    let scope = arguments.place.scope()?;
    let traces = arguments.traces.start(&arguments.pod_name)?;
    let stop = stop_on_signal()?;
    let metrics = Metrics::new().context("cannot register metrics")?;
    let readiness = Readiness::default();
    let served = health::serve(
        arguments.listen,
        readiness.clone(),
        metrics.clone(),
        stopped(stop.clone()),
    );
    let served =
        served.map(|end| end.with_context(|| format!("cannot serve on {}", arguments.listen)));
    let worked = work(&arguments, &scope, readiness, metrics, &traces, stop);
    let ended = futures::try_join!(served, worked);
    traces.end().await;
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the controller until it is told to stop.
async fn work(
    arguments: &RunArguments,
    scope: &Scope,
    readiness: Readiness,
    metrics: Metrics,
    traces: &ReconcileTraces,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (client, members) = ways_out(arguments, traces)
        .await
        .context("no configuration to reach Kubernetes")?;
    tokio::select! {
        () = wait_for_crd(&client, scope) => {}
        () = stopped(stop.clone()) => return Ok(()),
    }
    readiness.set();
    tracing::info!(image = %arguments.server_image, namespaces = ?arguments.place.namespaces, "operator runs");
    let leadership = Arc::new(lead(&client, arguments));
    tokio::select! {
        () = leadership.acquired() => {}
        () = stopped(stop.clone()) => return Ok(()),
    }
    metrics.leads(true);
    let namespace = arguments.place.namespace(&client);
    let key = key::ensure(
        &client,
        &namespace,
        &format!("{}-key", arguments.place.lease),
    )
    .await?;
    let context = Context {
        client: client.clone(),
        members,
        leadership: leadership.clone(),
        defaults: Defaults {
            key,
            server_image: arguments.server_image.clone(),
            cluster_domain: arguments.cluster_domain.clone(),
            operator_namespace: namespace,
        },
        metrics: metrics.clone(),
        clock: Timestamp::now,
        recorder: Recorder::new(client, reporter(arguments)),
        ledger: Arc::default(),
        traces: traces.clone(),
    };
    let ended = tokio::select! {
        () = controller::run(Arc::new(context), scope, stopped(stop)) => Ok(()),
        // Nothing of it may go on: the process ends, and its next life waits for the Lease.
        () = leadership.lost() => Err(anyhow::anyhow!("another operator may work by now")),
    };
    metrics.leads(false);
    leadership.give_back().await;
    ended
}

/// The ways to the API server and to the servers.
#[cfg(not(feature = "failpoints"))]
async fn ways_out(
    _: &RunArguments,
    traces: &ReconcileTraces,
) -> anyhow::Result<(Client, impl Members + Clone)> {
    let client = ClientBuilder::try_from(Config::infer().await?)?
        .with_layer(&read_again::layer())
        .build();
    Ok((client, TracedMembers::new(HttpMembers, traces.clone())))
}

/// The ways to the API server and to the servers, with failpoints on them.
#[cfg(feature = "failpoints")]
async fn ways_out(
    arguments: &RunArguments,
    traces: &ReconcileTraces,
) -> anyhow::Result<(Client, impl Members + Clone)> {
    let switches = arguments.failpoints.clone();
    let failpoints = Failpoints::at_random(switches, arguments.failpoint_exits);
    let client = ClientBuilder::try_from(Config::infer().await?)?
        .with_layer(&read_again::layer())
        .with_layer(&FailpointLayer(failpoints.clone()))
        .build();
    let members = FailpointMembers::new(HttpMembers, failpoints);
    Ok((client, TracedMembers::new(members, traces.clone())))
}

/// This process as one of those that want to work. A container that starts again in its pod is
/// another one than before.
fn lead(client: &Client, arguments: &RunArguments) -> Leadership {
    let random = RandomState::new().hash_one(std::process::id());
    let me = format!("{}_{random:016x}", arguments.pod_name);
    let namespace = arguments.place.namespace(client);
    Leadership::new(client.clone(), &namespace, &arguments.place.lease, me)
}

/// Who writes events.
fn reporter(arguments: &RunArguments) -> Reporter {
    Reporter {
        controller: "quorate-operator".to_owned(),
        instance: Some(arguments.pod_name.clone()),
    }
}

/// Returns a flag that turns true at SIGTERM or SIGINT.
fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (stop, flag) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stops");
        stop.send_replace(true);
        // Receivers take a closed channel for a stop, so the sender must outlive this task.
        stop.closed().await;
    });
    Ok(flag)
}

/// Resolves when the flag is up; a closed channel means the same.
async fn stopped(mut flag: watch::Receiver<bool>) {
    drop(flag.wait_for(|stop| *stop).await);
}

/// Waits until ensembles can be listed: a chart may install the CRD and the operator at once.
async fn wait_for_crd(client: &Client, scope: &Scope) {
    let place = scope.places().first().copied().flatten();
    let api: Api<ZkEnsemble> = scope::api(client, place);
    while let Err(error) = api.list(&ListParams::default().limit(1)).await {
        tracing::warn!(%error, "cannot list ZkEnsembles yet");
        tokio::time::sleep(START_RETRY).await;
    }
}
