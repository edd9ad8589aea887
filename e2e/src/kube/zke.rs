//! A ZkEnsemble as its status shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Kubectl;
use crate::progress::{Look, Progress};

/// An ensemble on a cluster.
#[derive(Debug, Clone)]
pub(super) struct Zke<'a> {
    pub(super) kubectl: &'a Kubectl,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Zke<'_> {
    pub(super) fn get(&self) -> Result<Value> {
        self.kubectl.get(self.namespace, &["zkensemble", self.name])
    }

    /// Waits until it is Ready for its present generation, telling why it is not.
    pub(super) fn wait_ready(&self, progress: &Progress, limit: Duration) -> Result<()> {
        progress.wait(&format!("ensemble {}", self.name), limit, || {
            let object = self.get()?;
            let generation = object.pointer("/metadata/generation");
            let ready = condition(&object, "Ready");
            let is_true = ready.and_then(|c| c.get("status")) == Some(&Value::from("True"));
            let is_current = ready.and_then(|c| c.get("observedGeneration")) == generation;
            if is_true && is_current {
                return Ok(Look::Done(()));
            }
            let text = ready.and_then(|c| c.get("message")).and_then(Value::as_str);
            Ok(Look::Waiting(text.unwrap_or("no status yet").to_owned()))
        })
    }

    /// The voters' pods, by name.
    pub(super) fn pods(&self) -> Result<Vec<Value>> {
        let selector = format!("quorate.dev/ensemble={}", self.name);
        let list = self
            .kubectl
            .get(self.namespace, &["pods", "--selector", &selector])?;
        let mut pods = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .context("kubectl printed no list")?;
        pods.sort_by_key(pod_name);
        Ok(pods)
    }

    /// The uid of each pod, and how often its container was started again.
    pub(super) fn lives(&self) -> Result<BTreeMap<String, (String, u64)>> {
        let life = |pod: &Value| -> Result<(String, (String, u64))> {
            let restarts = pod.pointer("/status/containerStatuses/0/restartCount");
            let restarts = restarts.and_then(Value::as_u64);
            let uid = uid(pod).context("a pod without uid")?;
            let restarts = restarts.context("a pod without a container")?;
            Ok((pod_name(pod), (uid.to_owned(), restarts)))
        };
        self.pods()?.iter().map(life).collect()
    }

    /// Name of the leader's pod.
    pub(super) fn leader_pod(&self) -> Result<String> {
        let object = self.get()?;
        let pod = object.pointer("/status/leader/pod").and_then(Value::as_str);
        pod.map(str::to_owned).context("the status names no leader")
    }
}

pub(super) fn pod_name(pod: &Value) -> String {
    pod.pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The uid of an object.
pub(super) fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str()
}

/// The uids of these pods.
pub(super) fn uids(pods: &[Value]) -> BTreeSet<String> {
    pods.iter().filter_map(uid).map(str::to_owned).collect()
}

/// A condition of its status.
pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(name))
}
