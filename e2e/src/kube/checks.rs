//! The end-to-end checks, in the order in which a person would try things. Each prints its figures;
//! the last line counts them.

mod alerts;
mod bad_days;
mod broken;
mod chart;
mod clients;
mod deletion;
mod disks;
mod docs;
mod failpoints;
mod faults;
mod issuers;
mod listeners;
mod losses;
mod loyal;
mod network;
mod observers;
mod operators;
mod plugin;
mod refusals;
mod releases;
mod replaced;
mod rest;
mod restarts;
mod rolls;
mod scaling;
mod settings;
mod tls;
mod volumes;
mod walks;
mod wishes;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::zke::Zke;
use super::{Kubectl, demo, prepare, reach};
use crate::cluster::{self, Layout};
use crate::progress::Progress;

/// The namespace of the ensemble under test where none is given.
pub const NAMESPACE: &str = "quorate-e2e";

const ENSEMBLE: &str = "e2e";
const CLIENT_PORT: u16 = 2181;
const ADMIN_PORT: u16 = 8080;
const READY_LIMIT: Duration = Duration::from_secs(180);

/// A running ensemble under test.
struct Bench<'a> {
    progress: &'a Progress,
    layout: &'a Layout,
    zke: Zke<'a>,
}

type Check = (&'static str, fn(&Bench<'_>) -> Result<String>);

const CHECKS: &[Check] = &[
    (
        "clients work through the Service",
        clients::work_through_the_service,
    ),
    (
        "the same data on every pod",
        clients::same_data_on_every_pod,
    ),
    (
        "what must be refused is refused",
        refusals::refused_with_a_remedy,
    ),
    (
        "nothing is written at rest",
        rest::nothing_is_written_at_rest,
    ),
    ("the leader's pod dies", faults::leader_pod_dies),
    ("all pods die", faults::all_pods_die),
    (
        "an annotation restarts all pods",
        restarts::annotation_restarts_all,
    ),
    (
        "the number of voters changes",
        scaling::number_of_voters_changes,
    ),
    (
        "observers over three zones",
        observers::observers_come_and_go,
    ),
    ("volumes grow", volumes::volumes_grow),
    (
        "the plugin of kubectl shows, passes on the lead, reads and writes",
        plugin::plugin_does_what_it_says,
    ),
    (
        "the chart of an ensemble installs, is tested, and goes",
        chart::ensemble_by_helm,
    ),
    ("commands in the pages", docs::commands_in_the_pages),
    (
        "a NetworkPolicy comes and goes",
        network::policy_comes_and_goes,
    ),
    ("listeners come and go", listeners::listeners_come_and_go),
    (
        "a setting that needs no restart",
        settings::settings_come_without_a_restart,
    ),
    (
        "a spec that does not run stops at one pod",
        broken::broken_specs_stop_at_one_pod,
    ),
    ("the operator's pod dies", operators::operator_pod_dies),
    (
        "deleted ensembles go within half a minute",
        deletion::deleted_ensembles_go,
    ),
];

/// Checks that take long, and that have a command of their own.
const LONG_CHECKS: &[Check] = &[
    (
        "Prometheus answers dashboards, ours and those for Apache's",
        alerts::dashboards::queries_are_answered,
    ),
    ("alerts about leaders that die", alerts::churn::leaders_die),
    (
        "alerts about an absent operator",
        alerts::operator::operators_are_gone,
    ),
    ("alerts about a cut zone", alerts::zone::zone_is_cut),
    (
        "alerts about a certificate",
        alerts::certificate::certificate_expires,
    ),
    ("alerts about slow networks", alerts::lag::networks_are_slow),
    ("alerts about a full disk", alerts::disk::disk_fills),
    (
        "no alerts in half an hour of work",
        alerts::quiet::planned_work_is_quiet,
    ),
    ("a node is lost and comes back", losses::node_is_lost),
    (
        "a zone with observers is lost and comes back",
        losses::zone_with_observers_is_lost,
    ),
    (
        "a lost voter is replaced until it is back",
        replaced::lost_voter_is_replaced,
    ),
    (
        "each voter loses its volume",
        disks::each_voter_loses_its_volume,
    ),
    (
        "all pods and all operators die",
        operators::all_pods_and_operators_die,
    ),
    (
        "certificates are renewed while clients are connected",
        tls::certificates_are_renewed,
    ),
    ("an issuer signs the certificate", issuers::issuer_signs),
    (
        "the operator's chart is upgraded and uninstalled",
        releases::chart_is_upgraded,
    ),
    (
        "operators end at failpoints",
        failpoints::operators_end_at_failpoints,
    ),
    (
        "the API server is restarted",
        bad_days::api_server_is_restarted,
    ),
    (
        "the API server has bad days",
        bad_days::api_server_has_bad_days,
    ),
    ("many rolling restarts of three voters", rolls::three_voters),
    ("many rolling restarts of five voters", rolls::five_voters),
    (
        "the number of voters walks at random",
        walks::number_of_voters_walks,
    ),
    (
        "commands in the pages that take long",
        docs::long_commands_in_the_pages,
    ),
    (
        "nothing is written in ten minutes",
        rest::nothing_in_ten_minutes,
    ),
];

/// Which checks are run, and where.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Namespace of the ensemble under test: with one each, several runs get along on one cluster.
    pub namespace: String,
    /// Those whose name contains this.
    pub only: String,
    /// The long ones instead of the others.
    pub long: bool,
}

/// Prepares a cluster and runs the chosen checks on it; a cluster that was not there before is taken down.
///
/// # Errors
/// When the cluster or the ensemble does not come up. A failing check is an exit code.
pub fn run(progress: &Progress, layout: Layout, choice: &Choice) -> Result<ExitCode> {
    let ours = cluster::foreign_kubeconfig(&layout).is_none() && !layout.kubeconfig().exists();
    let outcome = prepare_and_run(progress, layout.clone(), choice);
    if ours {
        cluster::down(progress, &layout)?;
        cluster::check_clean(&layout)?;
    }
    outcome
}

fn prepare_and_run(progress: &Progress, layout: Layout, choice: &Choice) -> Result<ExitCode> {
    let installed = prepare(progress, layout)?;
    let mut words = vec!["kube-test", "--checks-only"];
    words.extend(["--name", installed.layout.name()]);
    words.extend(["--namespace", &choice.namespace, "--only", &choice.only]);
    words.extend(choice.long.then_some("--long"));
    match reach::enter(&installed.layout, &words)? {
        Some(code) => Ok(code),
        None => run_checks(progress, &installed.layout, choice),
    }
}

/// Runs the checks where the cluster's addresses are reachable.
///
/// # Errors
/// As [`run`].
pub fn run_checks(progress: &Progress, layout: &Layout, choice: &Choice) -> Result<ExitCode> {
    let kubectl = Kubectl::new(demo::kubeconfig(layout))?;
    let namespace = choice.namespace.as_str();
    kubectl.ensure_namespace(namespace)?;
    kubectl.apply(namespace, &manifest())?;
    let zke = Zke {
        kubectl: &kubectl,
        namespace,
        name: ENSEMBLE,
    };
    zke.wait_ready(progress, READY_LIMIT)?;
    let bench = Bench {
        progress,
        layout,
        zke,
    };
    let (mut passed, mut failed) = (0, 0);
    let checks = if choice.long { LONG_CHECKS } else { CHECKS };
    let chosen = |(name, _): &&Check| name.contains(&choice.only);
    for (name, check) in checks.iter().filter(chosen) {
        progress.say(format!("check: {name}"));
        match check(&bench) {
            Ok(figures) => {
                passed += 1;
                println!("ok    {name}: {figures}");
            }
            Err(error) => {
                failed += 1;
                println!("FAIL  {name}: {error:#}");
            }
        }
    }
    kubectl.run(&["delete", "namespace", namespace])?;
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The ensemble that is tested.
fn manifest() -> Value {
    json!({
        "apiVersion": "quorate.dev/v1alpha1",
        "kind": "ZkEnsemble",
        "metadata": { "name": ENSEMBLE },
        "spec": { "voters": { "replicas": 3, "storage": { "size": "1Gi" } } },
    })
}
