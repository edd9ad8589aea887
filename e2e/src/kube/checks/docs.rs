//! The commands in the pages, on a cluster as the pages say: a namespace with the ensemble `orders`, kubectl with the
//! plugin, Helm, `quorate`, and a checkout. They are run in the order of the pages; what changes the ensemble is
//! among the long ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Bench, READY_LIMIT};
use crate::docs::blocks::{self, Block, Place, Treatment};
use crate::docs::place::Workplace;
use crate::kube::zke::Zke;
use crate::kube::{OPERATOR_NAMESPACE, binary, install, repository_file};
use crate::shell;
use crate::tools::clients;

/// A namespace of its own.
const NAMESPACE: &str = "quorate-e2e-docs";

/// Namespaces that pages name.
const NAMED: [&str; 2] = ["shop", "bank"];

/// The values of Helm that name the images of this checkout.
const IMAGES: &str = "images.json";

/// The ensemble of the pages.
const ENSEMBLE: &str = "orders";

/// Commands that look, and those that change little.
pub(super) fn commands_in_the_pages(bench: &Bench<'_>) -> Result<String> {
    run(bench, Place::Cluster)
}

/// Commands that restart, scale and install.
pub(super) fn long_commands_in_the_pages(bench: &Bench<'_>) -> Result<String> {
    run(bench, Place::ClusterLong)
}

fn run(bench: &Bench<'_>, wanted: Place) -> Result<String> {
    let is_wanted =
        |block: &Block| matches!(block.treatment, Treatment::Run { place, .. } if place == wanted);
    let blocks: Vec<Block> = blocks::all()?.into_iter().filter(is_wanted).collect();
    ensure!(!blocks.is_empty(), "no page has such a block");
    let kubectl = bench.zke.kubectl;
    kubectl.ensure_namespace(NAMESPACE)?;
    kubectl.apply(NAMESPACE, &manifest())?;
    let zke = Zke {
        kubectl,
        namespace: NAMESPACE,
        name: ENSEMBLE,
    };
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    let place = workplace(bench)?;
    let zone = a_zone(&zke)?;
    let placeholders = [
        ("NAME", ENSEMBLE),
        ("NAMESPACE", NAMESPACE),
        ("POD", "orders-voter-0"),
        ("ZONE", zone.as_str()),
        ("OPERATOR-NAMESPACE", OPERATOR_NAMESPACE),
    ];
    if wanted == Place::Cluster {
        run_all(bench, &place, &blocks, &placeholders)?;
    } else {
        for name in NAMED {
            kubectl.ensure_namespace(name)?;
        }
        // The pages install it.
        install::remove(kubectl)?;
        let outcome = run_all(bench, &place, &blocks, &placeholders);
        let images = place.directory().join(IMAGES);
        install::again(
            kubectl,
            &repository_file(install::CHART),
            &images,
            &json!({}),
        )?;
        outcome?;
        zke.wait_ready(bench.progress, READY_LIMIT)?;
        for name in NAMED {
            kubectl.run(&["delete", "namespace", name])?;
        }
    }
    kubectl.run(&["delete", "namespace", NAMESPACE])?;
    Ok(format!("{} blocks were run", blocks.len()))
}

fn run_all(
    bench: &Bench<'_>,
    place: &Workplace,
    blocks: &[Block],
    placeholders: &[(&str, &str)],
) -> Result<()> {
    for block in blocks {
        bench.progress.say(block.at());
        place.run(block, placeholders)?;
    }
    Ok(())
}

/// The ensemble of the pages: it has TLS beside its plain port.
fn manifest() -> Value {
    json!({
        "apiVersion": "quorate.dev/v1alpha1",
        "kind": "ZkEnsemble",
        "metadata": { "name": ENSEMBLE },
        "spec": {
            "voters": { "replicas": 3, "storage": { "size": "1Gi" } },
            "tls": { "client": { "mode": "Allow" } },
        },
    })
}

/// A zone that has a voter.
fn a_zone(zke: &Zke<'_>) -> Result<String> {
    let object = zke.get()?;
    let zone = object
        .pointer("/status/members/0/zone")
        .and_then(Value::as_str);
    Ok(zone.context("the status names no zone")?.to_owned())
}

/// A place with the programs of the pages, whose kubectl has the namespace as its own.
fn workplace(bench: &Bench<'_>) -> Result<Workplace> {
    let kubectl = crate::tools::kubectl()?;
    let plugin = binary("QUORATE_PLUGIN_BIN")?;
    let server = binary("QUORATE_BIN")?;
    let mut place = Workplace::new(&[
        ("kubectl", &kubectl),
        ("kubectl-quorate", &plugin),
        ("quorate", &server),
    ])?;
    let config = place.directory().join("kubeconfig");
    fs::copy(bench.zke.kubectl.kubeconfig(), &config)?;
    let words = [
        "config",
        "set-context",
        "--current",
        "--namespace",
        NAMESPACE,
    ];
    let mut set = std::process::Command::new(&kubectl);
    shell::run(set.args(words).env("KUBECONFIG", &config))?;
    place.set("KUBECONFIG", &config);
    helm(bench, &place)?;
    Ok(place)
}

/// Helm, whose releases of the operator take the images that are on the cluster, since no registry has them.
fn helm(bench: &Bench<'_>, place: &Workplace) -> Result<()> {
    let values = place.directory().join(IMAGES);
    fs::write(&values, install::values(bench.zke.kubectl)?.to_string())?;
    let program = clients::locate("helm").ok().or_else(|| shell::find("helm"));
    let program = program.context("no helm; `quorate-e2e deps` brings one")?;
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n\
         *charts/quorate-operator*) exec {program} \"$@\" --values {values} ;;\n\
         *) exec {program} \"$@\" ;;\nesac\n",
        program = program.display(),
        values = values.display(),
    );
    let file: &Path = &place.directory().join("bin/helm");
    fs::write(file, script)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
