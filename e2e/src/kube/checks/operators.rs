//! The operator's pod dies: another one works within seconds. All of them die with all servers: the servers
//! need none of them, and the next operator goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::faults::{ALL_LIMIT, delete_by_force, replace_by_force, under_load_when};
use super::{Bench, READY_LIMIT};
use crate::kube::zke::pod_name;
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

/// Names of the operators' pods.
pub(super) fn operator_pods(kubectl: &Kubectl) -> Result<Vec<String>> {
    let pods = kubectl.get(OPERATOR_NAMESPACE, &["pods"])?;
    let pods = pods.pointer("/items").and_then(Value::as_array);
    Ok(pods.into_iter().flatten().map(pod_name).collect())
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
    let killed = Instant::now();
    delete_by_force(kubectl, OPERATOR_NAMESPACE, &[pod.to_owned()])?;
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

/// All servers and all operators are deleted by force at once, and one of the operators works again.
pub(super) fn all_pods_and_operators_die(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    let before = holder(kubectl)?;
    let operators = operator_pods(kubectl)?;
    let servers: Vec<String> = bench.zke.pods()?.iter().map(pod_name).collect();
    let killed = Instant::now();
    let figures = under_load_when(bench, "/everybody-dies", ALL_LIMIT, || {
        delete_by_force(kubectl, OPERATOR_NAMESPACE, &operators)?;
        replace_by_force(bench, &servers)
    })?;
    wait_for("another operator in the Lease", TAKE_OVER_MAX, || {
        let now = holder(kubectl).map_err(|error| error.to_string())?;
        (now != before).then_some(()).ok_or(now)
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    Ok(format!(
        "{figures}; an operator works at the latest {:.0} s after",
        killed.elapsed().as_secs_f32()
    ))
}
