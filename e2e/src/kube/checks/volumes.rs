//! Volumes grow under a write load: not where their class does not let them, one at a time where it
//! does, and no server is restarted for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::refusals::set;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::Kubectl;
use crate::kube::load::Load;
use crate::kube::zke::{Zke, condition, pod_name};
use crate::peers::wait_for;

/// A namespace of its own: volumes that have grown cannot shrink again.
const NAMESPACE: &str = "quorate-e2e-volumes";

/// A class like the default one, that lets no volume grow at first.
const CLASS: &str = "quorate-e2e-fixed";

/// Marks the class that claims get when they name none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

const WRITERS: usize = 2;

/// Acknowledgements before and after.
const WARM: usize = 100;

/// Until the operator says that it cannot.
const REFUSED_LIMIT: Duration = Duration::from_secs(60);

/// Three volumes, one after the other, and the StatefulSet.
const GROWN_LIMIT: Duration = Duration::from_secs(300);

/// How long writes may stay away: nothing of this concerns them.
const GAP_LIMIT: Duration = Duration::from_secs(2);

/// From 1Gi to 2Gi.
pub(super) fn volumes_grow(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    // What a run that failed has left is larger already.
    kubectl.run(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?;
    kubectl.ensure_namespace(NAMESPACE)?;
    make_class(kubectl)?;
    let bench = Bench {
        progress: bench.progress,
        layout: bench.layout,
        zke: Zke {
            namespace: NAMESPACE,
            ..bench.zke.clone()
        },
    };
    apply(&bench, "1Gi")?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let before = bench.zke.lives()?;
    let (old_set, _) = voter_set(&bench)?;
    let load = Load::start(bench.service()?, "/grows", WRITERS)?;
    load.wait_more(WARM, GAP_LIMIT * 5)?;
    let began = Instant::now();
    apply(&bench, "2Gi")?;
    refused(&bench)?;
    let may = json!({ "allowVolumeExpansion": true }).to_string();
    kubectl.run(&["patch", "storageclass", CLASS, "--patch", &may])?;
    let allowed = Instant::now();
    let at_once = grown(&bench)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let took = allowed.elapsed();
    load.wait_more(WARM, GAP_LIMIT * 5)?;
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    check_all_there(&bench, &acknowledged)?;
    let digest = equal_digests(&bench)?;
    let after = bench.zke.lives()?;
    ensure!(
        before == after,
        "servers were restarted: {before:?}, {after:?}"
    );
    let (new_set, size) = voter_set(&bench)?;
    ensure!(
        size == "2Gi" && new_set != old_set,
        "the StatefulSet is the old one, with {size}"
    );
    adopted(&bench, &new_set)?;
    ensure!(at_once <= 1, "{at_once} volumes grew at the same time");
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    kubectl.run(&["delete", "namespace", NAMESPACE])?;
    kubectl.run(&["delete", "storageclass", CLASS])?;
    Ok(format!(
        "refused by class {CLASS}, then three volumes grew in {:.0} s, no server restarted, {} \
         acknowledged writes, all there, longest gap {:.2} s, digest {digest}",
        took.as_secs_f32(),
        acknowledged.len(),
        gap.as_secs_f32()
    ))
}

/// Makes the class from the default one of the cluster.
fn make_class(kubectl: &Kubectl) -> Result<()> {
    let list = kubectl.get("default", &["storageclasses"])?;
    let classes = list.pointer("/items").and_then(Value::as_array);
    let is_default = |class: &&Value| {
        let annotations = class.pointer("/metadata/annotations");
        annotations.and_then(|all| all.get(DEFAULT_CLASS)) == Some(&json!("true"))
    };
    let default = classes.into_iter().flatten().find(is_default);
    let default = default.context("the cluster has no default StorageClass")?;
    let mut class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": { "name": CLASS },
        "allowVolumeExpansion": false,
    });
    for field in [
        "provisioner",
        "parameters",
        "reclaimPolicy",
        "volumeBindingMode",
    ] {
        if let Some(value) = default.get(field) {
            set(&mut class, &format!("/{field}"), value.clone())?;
        }
    }
    kubectl.apply("default", &class)?;
    Ok(())
}

/// Asks for volumes of this size.
fn apply(bench: &Bench<'_>, size: &str) -> Result<()> {
    let mut wanted = manifest();
    set(&mut wanted, "/spec/voters/storage/size", json!(size))?;
    let class = "/spec/voters/storage/storageClassName";
    set(&mut wanted, class, json!(CLASS))?;
    bench.zke.kubectl.apply(NAMESPACE, &wanted)?;
    Ok(())
}

/// Waits until the operator says why it cannot, and looks that it did not try.
fn refused(bench: &Bench<'_>) -> Result<()> {
    let message = wait_for("a refusal", REFUSED_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let degraded = condition(&object, "Degraded").cloned().unwrap_or_default();
        let text = |field: &str| {
            degraded
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        (text("reason") == "VolumesCannotGrow")
            .then(|| text("message").to_owned())
            .ok_or_else(|| degraded.to_string())
    })?;
    ensure!(
        message.contains(CLASS) && message.contains("allowVolumeExpansion"),
        "the refusal does not name class and remedy: {message}"
    );
    for (name, (requested, _)) in claims(bench)? {
        ensure!(requested == "1Gi", "{name} was asked to have {requested}");
    }
    Ok(())
}

/// Waits until all volumes have the size, and gives how many were seen on their way at a time.
fn grown(bench: &Bench<'_>) -> Result<usize> {
    let mut most = 0;
    wait_for("three larger volumes", GROWN_LIMIT, || {
        let claims = claims(bench).map_err(|error| error.to_string())?;
        let on_the_way = claims.values().filter(|(asked, has)| asked != has).count();
        most = most.max(on_the_way);
        let done = claims.values().filter(|(_, has)| has == "2Gi").count();
        (done == 3)
            .then_some(())
            .ok_or_else(|| format!("{claims:?}"))
    })?;
    Ok(most)
}

/// What each claim asks for and has.
fn claims(bench: &Bench<'_>) -> Result<BTreeMap<String, (String, String)>> {
    let list = bench
        .zke
        .kubectl
        .get(NAMESPACE, &["persistentvolumeclaims"])?;
    let items = list.pointer("/items").and_then(Value::as_array);
    let text = |claim: &Value, pointer: &str| {
        let found = claim.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let read = |claim: &Value| {
        let requested = text(claim, "/spec/resources/requests/storage");
        let capacity = text(claim, "/status/capacity/storage");
        (pod_name(claim), (requested, capacity))
    };
    Ok(items.into_iter().flatten().map(read).collect())
}

/// The uid of the StatefulSet of the voters, and the size of the volumes that it makes.
fn voter_set(bench: &Bench<'_>) -> Result<(String, String)> {
    let name = format!("{}-voter", bench.zke.name);
    let found = bench.zke.kubectl.get(NAMESPACE, &["statefulset", &name])?;
    let text = |pointer: &str| {
        let found = found.pointer(pointer).and_then(Value::as_str);
        found
            .map(str::to_owned)
            .with_context(|| format!("{name} has no {pointer}"))
    };
    let size = text("/spec/volumeClaimTemplates/0/spec/resources/requests/storage")?;
    Ok((text("/metadata/uid")?, size))
}

/// Whether every pod belongs to this StatefulSet.
fn adopted(bench: &Bench<'_>, set: &str) -> Result<()> {
    for pod in bench.zke.pods()? {
        let owner = pod.pointer("/metadata/ownerReferences/0/uid");
        ensure!(
            owner == Some(&json!(set)),
            "{} belongs to {owner:?}",
            pod_name(&pod)
        );
    }
    Ok(())
}
