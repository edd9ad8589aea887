//! Pods as targets, with the labels that Prometheus' discovery by Kubernetes gives to them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::config::Job;
use crate::kube::Kubectl;

/// Between two looks at the pods. The discovery of Kubernetes hears of a change at once, scrapes are rarer.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Between two looks at whether to end.
const STOP_PAUSE: Duration = Duration::from_millis(250);

/// Before the name of each label that discovery gives.
const META: &str = "__meta_kubernetes_";

/// Writes the targets of all jobs anew whenever pods change, until it is dropped.
#[derive(Debug)]
pub(super) struct Discovery {
    stop: Arc<AtomicBool>,
    looks: Option<JoinHandle<()>>,
}

impl Discovery {
    /// Writes the targets once, and goes on in a thread of its own.
    pub(super) fn start(kubectl: Kubectl, jobs: Vec<Job>) -> Result<Self> {
        let mut written = vec![Value::Null; jobs.len()];
        look(&kubectl, &jobs, &mut written)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let looks = std::thread::spawn(move || {
            while pause(&told) {
                // The API server may be away, as it may be for the discovery of Kubernetes: what is known stays.
                if let Err(error) = look(&kubectl, &jobs, &mut written) {
                    eprintln!("targets of Prometheus stay as they are: {error:#}");
                }
            }
        });
        Ok(Self {
            stop,
            looks: Some(looks),
        })
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.looks.take().is_some_and(|looks| looks.join().is_err()) {
            eprintln!("the looks for targets of Prometheus have panicked");
        }
    }
}

/// Waits for the next look; false when there is to be none.
fn pause(stop: &AtomicBool) -> bool {
    let mut waited = Duration::ZERO;
    while waited < LOOK_PAUSE && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STOP_PAUSE);
        waited += STOP_PAUSE;
    }
    !stop.load(Ordering::Relaxed)
}

fn look(kubectl: &Kubectl, jobs: &[Job], written: &mut [Value]) -> Result<()> {
    for (job, written) in jobs.iter().zip(written) {
        let all = ["pods", "--all-namespaces", "--selector", &job.selector];
        let list = kubectl.get("default", &all)?;
        let pods = list.pointer("/items").and_then(Value::as_array);
        let targets: Vec<Value> = pods
            .context("kubectl printed no list")?
            .iter()
            .flat_map(targets)
            .collect();
        let targets = Value::Array(targets);
        if targets != *written {
            // In one step, so that Prometheus never reads half of it.
            let partial = job.file.with_extension("partial");
            fs::write(&partial, serde_json::to_vec(&targets)?)?;
            fs::rename(&partial, &job.file)?;
            *written = targets;
        }
    }
    Ok(())
}

/// One target for each port of each container of a pod that has an address.
fn targets(pod: &Value) -> Vec<Value> {
    let word = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let Some(ip) = word("/status/podIP") else {
        return Vec::new();
    };
    let mut meta = Map::new();
    let mut label = |name: &str, value: &str| {
        meta.insert(format!("{META}{name}"), json!(value));
    };
    for (name, pointer) in [
        ("namespace", "/metadata/namespace"),
        ("pod_name", "/metadata/name"),
        ("pod_phase", "/status/phase"),
    ] {
        label(name, word(pointer).unwrap_or_default());
    }
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    for (name, value) in labels.into_iter().flatten() {
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
        label(
            &format!("pod_label_{name}"),
            value.as_str().unwrap_or_default(),
        );
    }
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let ports = containers.into_iter().flatten().flat_map(|container| {
        let ports = container.get("ports").and_then(Value::as_array);
        ports.into_iter().flatten()
    });
    ports
        .map(|port| {
            let mut labels = meta.clone();
            let name = port.get("name").cloned().unwrap_or_else(|| json!(""));
            labels.insert(format!("{META}pod_container_port_name"), name);
            let number = port.get("containerPort").and_then(Value::as_u64);
            let address = format!("{ip}:{}", number.unwrap_or_default());
            json!({ "targets": [address], "labels": labels })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_of_a_pod_is_a_target() {
        let pod = json!({
            "metadata": {
                "namespace": "n", "name": "a-0", "labels": { "quorate.dev/ensemble": "a" },
            },
            "spec": { "containers": [{ "ports": [
                { "name": "client", "containerPort": 2181 }, { "name": "admin", "containerPort": 8080 },
            ] }] },
            "status": { "podIP": "10.0.0.7", "phase": "Running" },
        });
        let found = targets(&pod);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1]["targets"], json!(["10.0.0.7:8080"]));
        let labels = &found[1]["labels"];
        for (name, value) in [
            ("namespace", "n"),
            ("pod_name", "a-0"),
            ("pod_phase", "Running"),
            ("pod_label_quorate_dev_ensemble", "a"),
            ("pod_container_port_name", "admin"),
        ] {
            assert_eq!(labels[format!("{META}{name}")], json!(value), "{name}");
        }
    }

    #[test]
    fn a_pod_without_an_address_is_none() {
        assert!(targets(&json!({ "spec": { "containers": [] } })).is_empty());
    }
}
