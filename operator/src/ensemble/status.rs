//! Reports: from a plan and what was applied to the status of the object, written only when it
//! differs from the one that is there.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};

use super::apply::FIELD_MANAGER;
use super::build::{Applied, Resources};
use super::error::{Called, ReconcileError};
use super::observe::Observed;
use super::plan::{Plan, Truth, Verdict, member_state};
use super::validate::ValidatedEnsemble;
use crate::crd::{
    Leader, Member, MemberRole, MemberState, VoterCounts, ZkEnsemble, ZkEnsembleStatus,
    condition_type,
};

/// Composes the status of an ensemble whose objects were applied.
pub fn report(
    previous: Option<&ZkEnsembleStatus>,
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    plan: &Plan,
    applied: &Resources<Applied>,
    now: Timestamp,
) -> ZkEnsembleStatus {
    let members: Vec<Member> = ensemble
        .servers()
        .map(|(id, pod)| member(id, pod, observed))
        .collect();
    let serving = members
        .iter()
        .filter(|member| member.state == MemberState::Serving)
        .count();
    let zones: BTreeSet<&String> = members
        .iter()
        .filter_map(|member| member.zone.as_ref())
        .collect();
    let desired = i32::from(ensemble.replicas);
    let current = applied
        .voters
        .status
        .as_ref()
        .map_or(0, |status| status.replicas);
    let leader = plan.leader.and_then(|id| {
        let pod = members
            .iter()
            .find(|member| member.server_id == id)?
            .pod
            .clone();
        Some(Leader { server_id: id, pod })
    });
    ZkEnsembleStatus {
        observed_generation: ensemble.generation,
        ensemble_id: Some(ensemble.ensemble_id.clone()),
        conditions: conditions(previous, &plan.conditions, ensemble.generation, now),
        leader,
        voters: Some(VoterCounts {
            desired,
            current,
            ready: small(serving),
            summary: format!("{serving}/{desired}"),
            zones: (!zones.is_empty()).then(|| small(zones.len())),
        }),
        members,
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
    ];
    let previous = object.status.as_ref();
    ZkEnsembleStatus {
        observed_generation: object.metadata.generation,
        conditions: conditions(previous, &verdicts, object.metadata.generation, now),
        ..previous.cloned().unwrap_or_default()
    }
}

/// Writes the status if it differs from the one in `object`; tells whether it did.
///
/// # Errors
///
/// When the API server refuses it or does not answer.
pub async fn write(
    client: &Client,
    object: &ZkEnsemble,
    namespace: &str,
    name: &str,
    status: &ZkEnsembleStatus,
) -> Result<bool, ReconcileError> {
    if object.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let api: Api<ZkEnsemble> = Api::namespaced(client.clone(), namespace);
    let patch = serde_json::json!({
        "apiVersion": ZkEnsemble::api_version(&()),
        "kind": ZkEnsemble::kind(&()),
        // With the uid, a namesake that was made in the meantime does not get this status.
        "metadata": {"name": name, "uid": object.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(name, &params, &Patch::Apply(patch))
        .await
        .called("write the status")?;
    Ok(true)
}

fn member(server_id: u8, pod: String, observed: &Observed) -> Member {
    let voter = observed.voters.get(&server_id);
    let report = voter.and_then(|voter| voter.report.as_ref());
    Member {
        server_id,
        pod,
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
    let whole_seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
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
                .map_or(Time(whole_seconds), |old| old.last_transition_time.clone()),
        }
    };
    verdicts.iter().map(with_time).collect()
}

/// Counts of servers: 7 at most, so nothing is cut.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
