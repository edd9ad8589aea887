//! Operators end at random failpoints, all the time, while an ensemble under load is restarted, scaled and
//! changed: everything comes to be as wished, and no two voters are away at once. For an operator that was
//! built with failpoints.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::faults::delete_by_force;
use super::{Bench, wishes};
use crate::kube::zke::{pod_name, uid};
use crate::kube::{Kubectl, OPERATOR_NAMESPACE};

/// Of a thousand failpoints that an operator comes to, so many end it.
const EXITS_PER_MILLE: u32 = 4;

/// Ends that there must be for this to have been a test.
const ENDS_MIN: usize = 10;

/// The variable that has operators end.
const VARIABLE: &str = "QUORATE_FAILPOINT_EXITS";

/// How often operators ended at each failpoint, by the uid of the pod and the number of the restart.
#[derive(Default)]
struct Ends(BTreeMap<(String, u64), String>);

pub(super) fn operators_end_at_failpoints(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    let mut ends = Ends::default();
    let figures = wishes::under_load(bench, "/failpoints", || {
        set_variable(kubectl, &format!("{VARIABLE}={EXITS_PER_MILLE}"))?;
        let outcome = wishes::come_true(bench, || Ok(()), || ends.note(kubectl));
        set_variable(kubectl, &format!("{VARIABLE}-"))?;
        outcome
    })?;
    let mut sites: Vec<&String> = ends.0.values().collect();
    let number = sites.len();
    sites.sort();
    sites.dedup();
    ensure!(
        number >= ENDS_MIN,
        "operators ended {number} times only; are there failpoints in this one?"
    );
    Ok(format!(
        "operators ended {number} times at {} failpoints, {figures}",
        sites.len()
    ))
}

impl Ends {
    /// Notes where operators ended, and deletes pods whose kubelet would wait before it starts them again.
    fn note(&mut self, kubectl: &Kubectl) -> Result<()> {
        let list = kubectl.get(OPERATOR_NAMESPACE, &["pods"])?;
        let pods = list.pointer("/items").and_then(Value::as_array);
        let mut waiting = Vec::new();
        for pod in pods.into_iter().flatten() {
            let Some(container) = pod.pointer("/status/containerStatuses/0") else {
                continue;
            };
            let uid = uid(pod);
            let restarts = container.get("restartCount").and_then(Value::as_u64);
            for state in ["/state/terminated", "/lastState/terminated"] {
                let words = container.pointer(&format!("{state}/message"));
                let words = words.and_then(Value::as_str).unwrap_or_default();
                let site = words.lines().find_map(site);
                if let (Some(site), Some(uid), Some(restarts)) = (site, uid, restarts) {
                    // The end of a container that has not started again yet counts for the next start.
                    let start = restarts + u64::from(state == "/state/terminated");
                    self.0.insert((uid.to_owned(), start), site);
                }
            }
            if container.pointer("/state/waiting/reason") == Some(&json!("CrashLoopBackOff")) {
                waiting.push(pod_name(pod));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        delete_by_force(kubectl, OPERATOR_NAMESPACE, &waiting)
    }
}

/// The failpoint that a line of the log names, as the chart has operators log.
fn site(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line.pointer("/fields/site")?.as_str()?.to_owned())
}

/// Sets a variable of the operators, `NAME=VALUE`, or takes it away, `NAME-`, and waits for none: some end
/// before they are ready.
fn set_variable(kubectl: &Kubectl, assignment: &str) -> Result<()> {
    let list = kubectl.get(OPERATOR_NAMESPACE, &["deployments"])?;
    let name = list.pointer("/items/0").map(pod_name);
    let deployment = format!("deployment/{}", name.context("there is an operator")?);
    let words = ["set", "env", "--namespace", OPERATOR_NAMESPACE];
    kubectl.run(&[&words[..], &[&deployment, assignment]].concat())?;
    Ok(())
}
