//! The operators are gone for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Expected, Watch, nothing_lost};
use crate::kube::checks::{Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::zke::pod_name;
use crate::kube::{Kubectl, OPERATOR_NAMESPACE};

/// One, since each of its writes is read from each pod at the end.
const WRITERS: usize = 1;

/// For how long it has to be so.
const ABSENT_FOR: Duration = Duration::from_secs(600);

/// The Deployment without replicas, until this is dropped.
struct Stopped<'a> {
    kubectl: &'a Kubectl,
    deployment: String,
    replicas: u64,
}

impl<'a> Stopped<'a> {
    fn new(kubectl: &'a Kubectl) -> Result<Self> {
        let list = kubectl.get(OPERATOR_NAMESPACE, &["deployments"])?;
        let deployment = list.pointer("/items/0").context("no Deployment")?;
        let replicas = deployment.pointer("/spec/replicas").and_then(Value::as_u64);
        let stopped = Self {
            kubectl,
            deployment: pod_name(deployment),
            replicas: replicas.context("a Deployment without replicas")?,
        };
        stopped.scale(0)?;
        Ok(stopped)
    }

    fn scale(&self, replicas: u64) -> Result<()> {
        let words = ["scale", "deployment", &self.deployment, "--replicas"];
        let rest = [&replicas.to_string(), "--namespace", OPERATOR_NAMESPACE];
        self.kubectl.run(&[&words[..], &rest[..]].concat())?;
        Ok(())
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        // A second time changes nothing.
        if let Err(error) = self.scale(self.replicas) {
            eprintln!("the operators stay stopped: {error:#}");
        }
    }
}

/// The alert fires after its ten minutes, and ends when operators are back; the ensemble serves on.
pub(in crate::kube::checks) fn operators_are_gone(bench: &Bench<'_>) -> Result<String> {
    let watch = Watch::start(bench)?;
    let load = Load::start(bench.service()?, "/no-operator", WRITERS)?;
    let absent = Expected::of_all("ZkeOperatorAbsent", "warning");
    let gone = Instant::now();
    let stopped = Stopped::new(bench.zke.kubectl)?;
    let fired = watch.fires(&absent, gone, ABSENT_FOR)?;
    let back = Instant::now();
    drop(stopped);
    let ended = watch.ends(&absent, back, Duration::ZERO)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let writes = nothing_lost(bench, load)?;
    watch.nothing_but(&[])?;
    Ok(format!(
        "ZkeOperatorAbsent fired after {:.0} s and ended {:.0} s after operators were wanted again; {writes}",
        fired.as_secs_f32(),
        ended.as_secs_f32()
    ))
}
