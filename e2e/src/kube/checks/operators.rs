//! The operator's pod dies: another one works within seconds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use crate::kube::{Kubectl, OPERATOR_NAMESPACE};
use crate::peers::wait_for;

/// Until the Lease has run out and another operator has taken it, with a margin for a busy machine.
const TAKE_OVER_MAX: Duration = Duration::from_secs(45);

/// Until the one that works has made up for what was missing.
const REPAIR_MAX: Duration = Duration::from_secs(60);

/// Who is in the Lease: the pod's name, and a random number behind it.
fn holder(kubectl: &Kubectl) -> Result<String> {
    let leases = kubectl.get(OPERATOR_NAMESPACE, &["leases"])?;
    let holder = leases.pointer("/items/0/spec/holderIdentity");
    let holder = holder.and_then(Value::as_str).filter(|h| !h.is_empty());
    Ok(holder.context("nobody is in the Lease")?.to_owned())
}

/// Names of the ConfigMaps that the operator made.
fn config_maps(bench: &Bench<'_>) -> Result<Vec<String>> {
    let list = bench
        .zke
        .kubectl
        .get(bench.zke.namespace, &["configmaps"])?;
    let items = list.pointer("/items").and_then(Value::as_array);
    let names = items.into_iter().flatten().filter_map(|item| {
        let name = item.pointer("/metadata/name")?.as_str()?;
        (name != "kube-root-ca.crt").then(|| name.to_owned())
    });
    Ok(names.collect())
}

/// The pod of the operator that works is deleted by force; the other one works on.
pub(super) fn operator_pod_dies(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    let before = holder(kubectl)?;
    let (pod, _) = before.rsplit_once('_').context("no pod's name")?;
    let mut words = vec!["delete", "pod", "--namespace", OPERATOR_NAMESPACE, pod];
    words.extend(["--force", "--grace-period=0", "--wait=false"]);
    let killed = Instant::now();
    kubectl.run(&words)?;
    let after = wait_for(
        "another operator in the Lease",
        TAKE_OVER_MAX,
        || match holder(kubectl) {
            Ok(now) if now != before => Ok(now),
            Ok(_) => Err("the dead one is".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )?;
    let took = killed.elapsed();
    let wanted = config_maps(bench)?;
    let [name] = wanted.as_slice() else {
        bail!("the operator's ConfigMaps are {wanted:?}");
    };
    kubectl.run(&[
        "delete",
        "configmap",
        "--namespace",
        bench.zke.namespace,
        name,
    ])?;
    wait_for("the ConfigMap again", REPAIR_MAX, || {
        let found = config_maps(bench).map_err(|error| error.to_string())?;
        (found == wanted).then_some(()).ok_or(format!("{found:?}"))
    })?;
    Ok(format!(
        "{after} works {:.1} s after the death of the one before",
        took.as_secs_f32()
    ))
}
