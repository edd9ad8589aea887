//! `kubectl quorate restart`: asks the operator to restart all servers, and follows it.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use quorate_operator::crd::{ZkEnsemble, condition_type};
use quorate_operator::ensemble::validate::RESTARTED_AT_ANNOTATION;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::arguments::Restart;
use crate::cluster::{Cluster, ENSEMBLES};
use crate::failure::Failure;
use crate::pods;
use crate::text::clean;

/// Who changed the annotation, as the API server notes it.
const FIELD_MANAGER: &str = "kubectl-quorate";

/// Between two looks.
const PACE: Duration = Duration::from_secs(2);

/// Asks for the restarts; returns the exit code.
///
/// # Errors
/// When the ensemble is not there, is suspended, the API server refuses, or with `--watch` it takes too
/// long.
pub async fn run(cluster: &Cluster, asked: &Restart) -> Result<u8, Failure> {
    let name = &asked.name;
    let object = cluster.ensemble(name).await?;
    if object.spec.suspend {
        return Err(Failure::Suspended(format!(
            "{name} is suspended, and the operator restarts nothing: kubectl patch zke {name} -n {} \
             --type merge -p '{{\"spec\":{{\"suspend\":false}}}}', then ask again",
            cluster.namespace
        )));
    }
    let at = Timestamp::now().to_string();
    let patch = Patch::Merge(json!({
        "metadata": { "annotations": { RESTARTED_AT_ANNOTATION: at } },
    }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<ZkEnsemble> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let patched = api.patch(name, &params, &patch).await;
    patched.map_err(|error| cluster.asked("patch", ENSEMBLES).failed(&error))?;
    anstream::println!("{name} is asked to restart ({RESTARTED_AT_ANNOTATION}={at})");
    if asked.watch {
        follow(cluster, name, Duration::from_secs(asked.timeout_s)).await?;
    }
    Ok(0)
}

async fn follow(cluster: &Cluster, name: &str, within: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    let mut told = String::new();
    loop {
        let object = cluster.ensemble(name).await?;
        let pods = cluster.pods(&cluster.namespace, name).await?;
        let state = match progress(&object, &pods) {
            Progress::Done => {
                anstream::println!("all {} servers have been restarted", pods.len());
                return Ok(());
            }
            Progress::Goes(state) => state,
        };
        if state != told {
            anstream::println!("{state}");
            told.clone_from(&state);
        }
        if began.elapsed() >= within {
            return Err(Failure::Late {
                seconds: within.as_secs(),
                state,
                name: name.to_owned(),
            });
        }
        sleep(PACE).await;
    }
}

/// How far the restarts are.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// All servers have been restarted and serve.
    Done,
    /// What is done, and what is left.
    Goes(String),
}

/// Pods carry the annotation that they were made with; the operator is done when it rests.
fn progress(object: &ZkEnsemble, pods: &[Pod]) -> Progress {
    let wanted = object.annotations().get(RESTARTED_AT_ANNOTATION);
    let made = |pod: &&Pod| pod.annotations().get(RESTARTED_AT_ANNOTATION) == wanted;
    let new = pods
        .iter()
        .filter(made)
        .filter(|pod| pods::is_ready(pod))
        .count();
    let status = object.status.as_ref();
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let ready = conditions
        .iter()
        .any(|condition| condition.type_ == condition_type::READY && condition.status == "True");
    let operation = status.and_then(|status| status.operation.as_ref());
    if new == pods.len() && ready && operation.is_none() && !pods.is_empty() {
        return Progress::Done;
    }
    let step = operation.map_or_else(
        || "waits for the operator".to_owned(),
        |operation| format!("{}: {}", clean(&operation.kind), clean(&operation.step)),
    );
    Progress::Goes(format!("{new} of {} servers restarted; {step}", pods.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::made_up;

    fn goes(text: &str) -> Progress {
        Progress::Goes(text.to_owned())
    }

    #[test]
    fn restarts_are_done_when_all_pods_are_new_and_the_operator_rests() {
        let mut looked = made_up::healthy().looked();
        let annotation = [(RESTARTED_AT_ANNOTATION.to_owned(), "now".to_owned())];
        looked.object.metadata.annotations = Some(annotation.clone().into());
        let waits = goes("0 of 3 servers restarted; waits for the operator");
        assert_eq!(progress(&looked.object, &looked.pods), waits);
        for pod in &mut looked.pods {
            pod.metadata.annotations = Some(annotation.clone().into());
        }
        assert_eq!(progress(&looked.object, &looked.pods), Progress::Done);
        let mut busy = made_up::healthy()
            .operation("RollingUpdate", "waits for it")
            .looked();
        busy.object.metadata.annotations = Some(annotation.into());
        busy.pods = looked.pods.clone();
        let all = goes("3 of 3 servers restarted; RollingUpdate: waits for it");
        assert_eq!(progress(&busy.object, &busy.pods), all);
        assert!(matches!(progress(&looked.object, &[]), Progress::Goes(_)));
    }
}
