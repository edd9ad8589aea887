//! The end-to-end checks, in the order in which a person would try things. Each prints its figures;
//! the last line counts them.

mod broken;
mod clients;
mod faults;
mod observers;
mod operators;
mod refusals;
mod rest;
mod restarts;
mod scaling;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::zke::Zke;
use super::{Kubectl, demo, prepare, reach};
use crate::cluster::{self, Layout};
use crate::progress::Progress;

const NAMESPACE: &str = "quorate-e2e";
const ENSEMBLE: &str = "e2e";
const CLIENT_PORT: u16 = 2181;
const ADMIN_PORT: u16 = 8080;
const READY_LIMIT: Duration = Duration::from_secs(180);

/// A running ensemble under test.
struct Bench<'a> {
    progress: &'a Progress,
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
    (
        "a spec that does not run stops at one pod",
        broken::broken_specs_stop_at_one_pod,
    ),
    ("the operator's pod dies", operators::operator_pod_dies),
];

/// Prepares a cluster and runs the checks on it whose name contains `only`; a cluster that was not there
/// before is taken down.
///
/// # Errors
/// When the cluster or the ensemble does not come up. A failing check is an exit code.
pub fn run(progress: &Progress, layout: Layout, only: &str) -> Result<ExitCode> {
    let ours = cluster::foreign_kubeconfig(&layout).is_none() && !layout.kubeconfig().exists();
    let outcome = prepare_and_run(progress, layout.clone(), only);
    if ours {
        cluster::down(progress, &layout)?;
        cluster::check_clean(&layout)?;
    }
    outcome
}

fn prepare_and_run(progress: &Progress, layout: Layout, only: &str) -> Result<ExitCode> {
    let installed = prepare(progress, layout)?;
    let words = ["kube-test", "--checks-only", "--only", only];
    match reach::enter(&installed.layout, &words)? {
        Some(code) => Ok(code),
        None => run_checks(progress, &installed.layout, only),
    }
}

/// Runs the checks where the cluster's addresses are reachable.
///
/// # Errors
/// As [`run`].
pub fn run_checks(progress: &Progress, layout: &Layout, only: &str) -> Result<ExitCode> {
    let kubectl = Kubectl::new(demo::kubeconfig(layout))?;
    kubectl.ensure_namespace(NAMESPACE)?;
    kubectl.apply(NAMESPACE, &manifest())?;
    let zke = Zke {
        kubectl: &kubectl,
        namespace: NAMESPACE,
        name: ENSEMBLE,
    };
    zke.wait_ready(progress, READY_LIMIT)?;
    let bench = Bench { progress, zke };
    let (mut passed, mut failed) = (0, 0);
    for (name, check) in CHECKS.iter().filter(|(name, _)| name.contains(only)) {
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
    kubectl.run(&["delete", "namespace", NAMESPACE])?;
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
