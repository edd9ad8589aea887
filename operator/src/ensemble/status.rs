//! Reports: from a plan and what was applied to the status of the object, written only when it
//! differs from the one that is there.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};

use super::apply::FIELD_MANAGER;
use super::build::observer_selector;
use super::certificates::TlsSpec;
use super::endpoints;
use super::error::{Called, ReconcileError};
use super::observe::Observed;
use super::plan::{Plan, Truth, Verdict, member_state};
use super::validate::ValidatedEnsemble;
use crate::crd::{
    Leader, Member, MemberRole, MemberState, ObserverCounts, ObserverZoneStatus, Operation,
    VoterCounts, ZkEnsemble, ZkEnsembleStatus, condition_type,
};

/// Composes what must be on record before anything is done: how the ensemble began, and its members.
/// Everything else is as it was.
pub fn latch(
    previous: Option<&ZkEnsembleStatus>,
    ensemble: &ValidatedEnsemble,
    plan: &Plan,
) -> ZkEnsembleStatus {
    ZkEnsembleStatus {
        ensemble_id: Some(ensemble.ensemble_id.clone()),
        formation: Some(plan.formation.clone()),
        membership: plan.formation.complete.then(|| plan.members.to_record()),
        observers: observers_on_record(previous, ensemble),
        ..previous.cloned().unwrap_or_default()
    }
}

/// The blocks of ids, before there is a pod with one of them. The counts are as they were.
fn observers_on_record(
    previous: Option<&ZkEnsembleStatus>,
    ensemble: &ValidatedEnsemble,
) -> Option<ObserverCounts> {
    let before = previous.and_then(|status| status.observers.clone());
    if before.is_none() && ensemble.observers.groups.is_empty() {
        return None;
    }
    let mut counts = before.unwrap_or_default();
    counts.selector = observer_selector(ensemble);
    // A block that was given away is no longer that of its former zone.
    let groups = &ensemble.observers.groups;
    counts.zones.retain(|zone| {
        groups
            .iter()
            .all(|group| group.id_base != zone.id_base || group.zone == zone.name)
    });
    for group in groups {
        if counts.zones.iter().all(|zone| zone.name != group.zone) {
            counts.zones.push(ObserverZoneStatus {
                name: group.zone.clone(),
                id_base: group.id_base,
                ..ObserverZoneStatus::default()
            });
        }
    }
    Some(counts)
}

/// The same with the counts of now.
fn count_observers(
    on_record: Option<&ObserverCounts>,
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
) -> Option<ObserverCounts> {
    let mut counts = on_record.cloned()?;
    for zone in &mut counts.zones {
        let group = ensemble
            .observers
            .groups
            .iter()
            .find(|g| g.zone == zone.name);
        zone.desired = group.map_or(0, |group| i32::from(group.replicas));
        let found = observed.observers.get(&zone.name);
        zone.current = small(found.map_or(0, |found| found.pods.len()));
        let servers = found.iter().flat_map(|found| found.pods.values());
        let ready = servers.filter(|pod| member_state(Some(pod)) == MemberState::Serving);
        zone.ready = small(ready.count());
    }
    counts.replicas = counts.zones.iter().map(|zone| zone.current).sum();
    counts.ready_replicas = counts.zones.iter().map(|zone| zone.ready).sum();
    let desired: i32 = counts.zones.iter().map(|zone| zone.desired).sum();
    counts.summary = format!("{}/{desired}", counts.ready_replicas);
    Some(counts)
}

/// Composes the status of an ensemble, with what a server said instead of doing what the plan asked of
/// it.
pub fn report(
    latched: Option<&ZkEnsembleStatus>,
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    plan: &Plan,
    failed: Option<String>,
    now: Timestamp,
) -> ZkEnsembleStatus {
    let mut ids = plan.members.voters.clone();
    ids.extend(observed.voters.keys());
    let members: Vec<Member> = ids
        .iter()
        .map(|id| member(*id, ensemble.pod_of(*id), plan, observed))
        .collect();
    let serving = members
        .iter()
        .filter(|member| member.votes && member.state == MemberState::Serving)
        .count();
    let zones: BTreeSet<&String> = members
        .iter()
        .filter(|member| member.votes)
        .filter_map(|member| member.zone.as_ref())
        .collect();
    let desired = i32::from(ensemble.replicas);
    let leader = plan.leader.map(|id| Leader {
        server_id: id,
        pod: ensemble.pod_of(id),
    });
    let mut verdicts = plan.conditions.clone();
    if let Some(why) = failed {
        let progressing = verdicts
            .iter_mut()
            .find(|verdict| verdict.kind == condition_type::PROGRESSING);
        if let Some(progressing) = progressing {
            progressing.message = format!("{}; {why}", progressing.message);
        }
    }
    ZkEnsembleStatus {
        observed_generation: ensemble.generation,
        conditions: conditions(latched, &verdicts, ensemble.generation, now),
        operation: operation(latched, plan, now),
        endpoints: endpoints::endpoints(ensemble, &observed.services),
        leader,
        voters: Some(VoterCounts {
            desired,
            current: small(observed.voters.len()),
            ready: small(serving),
            summary: format!("{serving}/{desired}"),
            zones: (!zones.is_empty()).then(|| small(zones.len())),
        }),
        members,
        observers: count_observers(
            latched.and_then(|status| status.observers.as_ref()),
            ensemble,
            observed,
        ),
        ..latched.cloned().unwrap_or_default()
    }
}

/// Composes the status of an ensemble that the operator leaves as it is, because the spec cannot
/// be carried out or something is in the way. What was known about the servers stays.
pub fn refusal(
    object: &ZkEnsemble,
    reason: &'static str,
    message: &str,
    now: Timestamp,
) -> ZkEnsembleStatus {
    let verdict = |kind, truth| Verdict::new(kind, truth, reason, message);
    let verdicts = [
        verdict(condition_type::READY, Truth::False),
        verdict(condition_type::QUORUM_AVAILABLE, Truth::Unknown),
        verdict(condition_type::PROGRESSING, Truth::False),
        verdict(condition_type::DEGRADED, Truth::True),
        verdict(condition_type::DISRUPTION_SAFE, Truth::Unknown),
        verdict(condition_type::ZONE_FAULT_TOLERANT, Truth::Unknown),
    ];
    let tls = object.spec.tls.as_ref().map(TlsSpec::from);
    let tls = tls.filter(TlsSpec::is_on);
    let verdicts: Vec<Verdict> = verdicts
        .into_iter()
        .chain(tls.map(|_| verdict(condition_type::CERTIFICATES_VALID, Truth::Unknown)))
        .collect();
    let previous = object.status.as_ref();
    ZkEnsembleStatus {
        observed_generation: object.metadata.generation,
        conditions: conditions(previous, &verdicts, object.metadata.generation, now),
        ..previous.cloned().unwrap_or_default()
    }
}

/// Writes the status over that of `object`, if it differs and the object is still the one that was
/// read; returns the object as it is then, or `None` when nothing was written.
///
/// # Errors
///
/// When the API server refuses it, also because somebody changed the object meanwhile, or does not
/// answer.
pub async fn write(
    client: &Client,
    object: &ZkEnsemble,
    namespace: &str,
    name: &str,
    status: &ZkEnsembleStatus,
) -> Result<Option<ZkEnsemble>, ReconcileError> {
    if object.status.as_ref() == Some(status) {
        return Ok(None);
    }
    let api: Api<ZkEnsemble> = Api::namespaced(client.clone(), namespace);
    let patch = serde_json::json!({
        "apiVersion": ZkEnsemble::api_version(&()),
        "kind": ZkEnsemble::kind(&()),
        "metadata": {
            "name": name,
            // A namesake that was made in the meantime does not get this status.
            "uid": object.metadata.uid,
            // Nor does one that another operator has written on.
            "resourceVersion": object.metadata.resource_version,
        },
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = api
        .patch_status(name, &params, &Patch::Apply(patch))
        .await
        .called("write the status")?;
    Ok(Some(written))
}

fn member(server_id: u8, pod: String, plan: &Plan, observed: &Observed) -> Member {
    let voter = observed.voters.get(&server_id);
    let report = voter.and_then(|voter| voter.report.as_ref());
    Member {
        server_id,
        pod,
        votes: plan.members.voters.contains(&server_id),
        node: voter.and_then(|voter| voter.node.clone()),
        zone: voter.and_then(|voter| voter.zone.clone()),
        role: report.map_or(MemberRole::Unknown, |report| report.role.into()),
        state: member_state(voter),
    }
}

/// Verdicts with their times: a condition keeps its transition time until its status changes.
fn conditions(
    previous: Option<&ZkEnsembleStatus>,
    verdicts: &[Verdict],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let before = previous
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let since_now = Time(whole_seconds(now));
    let with_time = |verdict: &Verdict| {
        let same = before
            .iter()
            .find(|old| old.type_ == verdict.kind && old.status == verdict.truth.as_str());
        Condition {
            type_: verdict.kind.to_owned(),
            status: verdict.truth.as_str().to_owned(),
            reason: verdict.reason.to_owned(),
            message: verdict.message.clone(),
            observed_generation: generation,
            last_transition_time: same
                .map_or(since_now.clone(), |old| old.last_transition_time.clone()),
        }
    };
    verdicts.iter().map(with_time).collect()
}

/// What is being done, since it was first seen to be done.
fn operation(
    previous: Option<&ZkEnsembleStatus>,
    plan: &Plan,
    now: Timestamp,
) -> Option<Operation> {
    let mut operation = plan.operation.clone()?;
    let before = previous.and_then(|status| status.operation.as_ref());
    let same = before.filter(|before| before.kind == operation.kind);
    let since = same.and_then(|same| same.started_at.clone());
    operation.started_at = since.or(Some(Time(whole_seconds(now))));
    Some(operation)
}

/// Without the fraction, as the API server keeps it.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Counts of servers: 7 at most, so nothing is cut.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
