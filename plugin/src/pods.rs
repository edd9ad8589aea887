//! What Kubernetes says of a pod, in words. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::text::clean;

/// Whether the pod is ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref());
    let conditions = conditions.unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Whether its container runs, so that its server may answer.
#[must_use]
pub fn runs(pod: &Pod) -> bool {
    let state = container(pod).and_then(|container| container.state.as_ref());
    state.is_some_and(|state| state.running.is_some())
}

/// How often its container was started again.
#[must_use]
pub fn restarts(pod: &Pod) -> u32 {
    let count = container(pod).map_or(0, |container| container.restart_count);
    u32::try_from(count).unwrap_or(0)
}

/// What keeps it from running; `None` when nothing does.
#[must_use]
pub fn trouble(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("it is being deleted".to_owned());
    }
    if let Some(text) = container(pod).and_then(container_trouble) {
        return Some(clean(&text));
    }
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let unscheduled = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    Some(clean(
        unscheduled.message.as_deref().unwrap_or("it has no node"),
    ))
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_deref()?.first()
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let before = container.last_state.as_ref();
    let ended = state
        .terminated
        .as_ref()
        .or_else(|| before?.terminated.as_ref());
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    if let Some(end) = ended {
        let reason = reason.or(end.reason.as_deref()).unwrap_or("Terminated");
        let last = end.message.as_deref().unwrap_or_default();
        let last = last.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.unwrap_or("it left no message");
        return Some(format!(
            "{reason}, ended with code {}: {last}",
            end.exit_code
        ));
    }
    let message = waiting.and_then(|waiting| waiting.message.as_deref());
    let reason = reason.unwrap_or("Waiting");
    Some(message.map_or_else(
        || reason.to_owned(),
        |message| format!("{reason}: {message}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        let pod = json!({ "metadata": { "name": "orders-voter-0" }, "status": status });
        serde_json::from_value(pod).unwrap()
    }

    fn with_container(state: Value, last: Value) -> Pod {
        pod(json!({ "containerStatuses": [{
            "name": "server", "image": "x", "imageID": "", "ready": false, "restartCount": 4,
            "state": state, "lastState": last,
        }] }))
    }

    #[test]
    fn last_words_of_a_container_are_told() {
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let ended = json!({ "terminated": {
            "exitCode": 2, "message": "starts\nzoo.cfg: tickTime=soon: not a number\n\n",
        } });
        let crashing = with_container(waits, ended);
        assert_eq!(
            trouble(&crashing).as_deref(),
            Some("CrashLoopBackOff, ended with code 2: zoo.cfg: tickTime=soon: not a number")
        );
        assert_eq!((restarts(&crashing), runs(&crashing)), (4, false));
        let no_image = json!({ "waiting": { "reason": "ErrImagePull", "message": "no such tag" } });
        let no_image = with_container(no_image, json!({}));
        assert_eq!(
            trouble(&no_image).as_deref(),
            Some("ErrImagePull: no such tag")
        );
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let waiting = pod(json!({ "conditions": [{
            "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available",
        }] }));
        assert_eq!(
            trouble(&waiting).as_deref(),
            Some("0/3 nodes are available")
        );
        assert!(!is_ready(&waiting));
    }

    #[test]
    fn a_pod_that_goes_is_not_ready() {
        let mut going = pod(json!({ "conditions": [{ "type": "Ready", "status": "True" }] }));
        assert!(is_ready(&going) && trouble(&going).is_none());
        let gone = json!({ "deletionTimestamp": "2026-01-02T03:04:05Z" });
        going.metadata = serde_json::from_value(gone).unwrap();
        assert!(!is_ready(&going));
        assert_eq!(trouble(&going).as_deref(), Some("it is being deleted"));
    }
}
