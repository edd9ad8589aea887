//! The pods of servers, as the kubelets and the scheduler report them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;

use super::ZONE_LABEL;
use crate::members::MemberReport;

/// Longest piece of a container's last words that is shown in status.
const TROUBLE_LEN_MAX: usize = 240;

/// The pod of one server.
#[derive(Clone, Debug)]
pub struct ServerPod {
    /// Name of the pod.
    pub pod: String,
    /// Its uid, the precondition of any deletion.
    pub uid: String,
    /// Node that it is bound to.
    pub node: Option<String>,
    /// Zone of that node.
    pub zone: Option<String>,
    /// Revision that it was made from.
    pub revision: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Since when the kubelet has called it ready; `None` while it is not.
    pub ready_since: Option<Timestamp>,
    /// Since when the kubelet has called it unready, from its creation on; `None` while it is ready.
    pub unready_since: Option<Timestamp>,
    /// Whether it is on its way out.
    pub terminating: bool,
    /// Address, once it runs.
    pub ip: Option<IpAddr>,
    /// Whether its container ends again and again.
    pub crashing: bool,
    /// What Kubernetes says keeps it from running.
    pub trouble: Option<String>,
    /// What the server says; `None` when it did not answer.
    pub report: Option<MemberReport>,
}

/// The pods of a set by server id.
pub(super) fn pods_of(pods: &[Pod], set_name: &str, id_base: u8) -> BTreeMap<u8, ServerPod> {
    let id_of = |pod: &str| {
        let ordinal = pod.strip_prefix(set_name)?.strip_prefix('-')?;
        id_base.checked_add(ordinal.parse().ok()?)
    };
    let read = |pod: &Pod| Some((id_of(pod.metadata.name.as_deref()?)?, read_pod(pod)?));
    pods.iter().filter_map(read).collect()
}

fn read_pod(pod: &Pod) -> Option<ServerPod> {
    let metadata = &pod.metadata;
    let status = pod.status.as_ref();
    let conditions = status
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let container = status
        .and_then(|s| s.container_statuses.as_deref())
        .and_then(<[ContainerStatus]>::first);
    let ready = conditions.iter().find(|c| c.type_ == "Ready");
    let is_ready = ready.is_some_and(|c| c.status == "True");
    let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
    let changed = ready
        .and_then(|c| c.last_transition_time.as_ref())
        .map(|time| time.0);
    let labels = metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned();
    let unscheduled = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")
        .and_then(|c| c.message.clone());
    Some(ServerPod {
        pod: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        zone: label(ZONE_LABEL),
        revision: label("controller-revision-hash"),
        created,
        ready_since: changed.filter(|_| is_ready),
        unready_since: changed.or(created).filter(|_| !is_ready),
        terminating: metadata.deletion_timestamp.is_some(),
        ip: status
            .and_then(|s| s.pod_ip.as_deref())
            .and_then(|ip| ip.parse().ok()),
        crashing: container.is_some_and(is_crashing),
        trouble: container.and_then(container_trouble).or(unscheduled),
        report: None,
    })
}

/// A container that has ended and is not running now; the first end counts, whatever its code,
/// because a server never ends by itself.
fn is_crashing(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    let running = state.is_some_and(|state| state.running.is_some());
    !running && (container.restart_count > 0 || state.is_some_and(|s| s.terminated.is_some()))
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    if let Some(end) = state.terminated.as_ref().or(last) {
        let words = end
            .message
            .as_deref()
            .and_then(last_line)
            .unwrap_or("it left no message");
        return Some(shorten(&format!(
            "ended with code {}: {words}",
            end.exit_code
        )));
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("Waiting");
    Some(match waiting.message.as_deref().and_then(last_line) {
        Some(message) => shorten(&format!("{reason}: {message}")),
        None => reason.to_owned(),
    })
}

/// The last line of a server that does not take its settings, as with Apache's; the reason stands
/// before it.
const INVALID_CONFIG: &str = "Invalid config, exiting abnormally";

fn last_line(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && *line != INVALID_CONFIG)
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(TROUBLE_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_reason() {
        let words = "2026 INFO starts\nzoo.cfg: tickTime=soon: not a number\nInvalid config, exiting abnormally\n\n";
        assert_eq!(
            last_line(words),
            Some("zoo.cfg: tickTime=soon: not a number")
        );
        assert_eq!(last_line("\n"), None);
    }
}
