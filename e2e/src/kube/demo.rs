//! The demo: from nothing to a write and a read through the client Service, and back to nothing.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use super::zke::Zke;
use super::{Installed, Kubectl, OPERATOR_NAMESPACE, install, prepare, reach, repository_file};
use crate::cluster::{self, Layout};
use crate::peers::client::flags;
use crate::peers::{Client, wait_for};
use crate::progress::Progress;

const NAMESPACE: &str = "quorate-demo";
/// The name in examples/ensemble.yaml.
const ENSEMBLE: &str = "demo";
const CLIENT_PORT: u16 = 2181;
/// How long the ensemble may take, images on the nodes.
const LIMIT: Duration = Duration::from_secs(180);
/// How long the nodes may take to route the Service to pods that are ready.
const SERVICE_LIMIT: Duration = Duration::from_secs(30);

/// Brings everything up and shows it.
///
/// # Errors
/// When a step fails; the text says which.
pub fn up(progress: &Progress, layout: Layout) -> Result<ExitCode> {
    let Installed { kubectl, layout } = prepare(progress, layout)?;
    kubectl.ensure_namespace(NAMESPACE)?;
    progress.say("applying examples/ensemble.yaml");
    let example = repository_file("examples/ensemble.yaml");
    let example = example
        .to_str()
        .context("the checkout's path is not UTF-8")?;
    kubectl.run(&["apply", "--namespace", NAMESPACE, "--filename", example])?;
    let zke = Zke {
        kubectl: &kubectl,
        namespace: NAMESPACE,
        name: ENSEMBLE,
    };
    zke.wait_ready(progress, LIMIT)?;
    println!("$ kubectl get zke --namespace {NAMESPACE}");
    print!(
        "{}",
        kubectl.run(&["get", "zke", "--namespace", NAMESPACE])?
    );
    let code = match reach::enter(&layout, &["demo", "show", "--name", layout.name()])? {
        Some(code) => code,
        None => show(&layout)?,
    };
    println!("kubeconfig: {}", kubectl.kubeconfig().display());
    println!("remove all of it with: ./run demo-down");
    Ok(code)
}

/// Writes and reads through the client Service.
///
/// # Errors
/// When the Service does not answer.
pub fn show(layout: &Layout) -> Result<ExitCode> {
    let kubectl = Kubectl::new(kubeconfig(layout))?;
    let service = format!("{ENSEMBLE}-client");
    let address = reach::service(&kubectl, NAMESPACE, &service, CLIENT_PORT)?;
    // A Service that is new takes a moment to reach each node's rules.
    let mut client = wait_for("the client Service", SERVICE_LIMIT, || {
        Client::connect(address, Duration::from_secs(10)).map_err(|error| error.to_string())
    })?;
    let path = client.create("/hello-", b"world", flags::EPHEMERAL_SEQUENTIAL)?;
    println!("wrote {path} = \"world\" through Service {service} ({address})");
    let (data, stat) = client.get(&path, false)?;
    let data = data.unwrap_or_default();
    println!(
        "read  {path} = {:?}, czxid {:#x}",
        String::from_utf8_lossy(&data),
        stat.czxid
    );
    client.close()?;
    Ok(ExitCode::SUCCESS)
}

/// Removes everything: the cluster if it is ours, else what was installed on it.
///
/// # Errors
/// When something stays; the text says what.
pub fn down(progress: &Progress, layout: &Layout) -> Result<()> {
    if cluster::foreign_kubeconfig(layout).is_none() {
        return cluster::down(progress, layout);
    }
    let kubectl = Kubectl::new(kubeconfig(layout))?;
    progress.say("removing the demo from the cluster");
    kubectl.run(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?;
    install::remove(&kubectl)?;
    kubectl.run(&[
        "delete",
        "namespace",
        OPERATOR_NAMESPACE,
        "--ignore-not-found",
    ])?;
    let crd = "zkensembles.quorate.dev";
    kubectl.run(&["delete", "crd", crd, "--ignore-not-found"])?;
    Ok(())
}

/// The kubeconfig in use.
pub(super) fn kubeconfig(layout: &Layout) -> std::path::PathBuf {
    cluster::foreign_kubeconfig(layout).unwrap_or_else(|| layout.kubeconfig())
}
