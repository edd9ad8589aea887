//! The safety brain: from what is wanted and what was found to what it means and at most one step.
//!
//! Pure: the same arguments give the same plan. Only a step makes a pod go away, and no step is
//! chosen that could cost the quorum while there is one:
//!
//! - an outdated pod that takes no part in the ensemble may go at once, since nothing is lost by
//!   it; this also is how reverting a bad spec repairs the ensemble;
//! - an outdated pod that takes part may go only when all voters take part, are ready and have
//!   been so for a while, followers before the leader.
//!
//! Not here: changes of membership, handing over the lead before the leader goes, replacing a lost
//! disk.

mod conditions;
mod quorum;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub use conditions::{Truth, Verdict};
pub use quorum::Quorum;

use super::build;
use super::observe::{Observed, Voter};
use super::validate::ValidatedEnsemble;
use crate::crd::MemberState;

/// How long every voter must have been ready before the next one may go: a server that dies soon
/// after its start must be seen dying first.
const STABILIZATION_S: i64 = 10;

/// How long a pod may take to serve before a rollout counts as stalled.
const PROGRESS_DEADLINE_S: i64 = 600;

/// How long pods may take to start before their absence is called a fault.
const START_GRACE_S: i64 = 120;

/// Pace while something moves; changes of objects come as events, roles of servers do not.
const PACE_MOVING: Duration = Duration::from_secs(5);

/// Pace at rest.
const PACE_RESTING: Duration = Duration::from_secs(30);

/// What was concluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One verdict for each condition.
    pub conditions: Vec<Verdict>,
    /// Id of the server that leads with a quorum.
    pub leader: Option<u8>,
    /// The one disruptive step to take now.
    pub step: Option<Step>,
    /// When to look again at the latest.
    pub look_again: Duration,
}

/// A disruptive step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete this very pod, so that it comes back from the new template.
    RestartVoter {
        /// Id of the server.
        server_id: u8,
        /// Name of the pod.
        pod: String,
        /// Uid of the pod; another one of that name stays.
        uid: String,
        /// Why, for the log, the event and the metric.
        why: RestartReason,
    },
}

/// Why a voter is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartReason {
    /// It takes no part and its template is outdated.
    OutdatedAndAbsent,
    /// It follows and its template is outdated.
    OutdatedFollower,
    /// It leads, it alone is left and its template is outdated.
    OutdatedLeader,
}

impl RestartReason {
    /// The reason as a constant, for conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutdatedAndAbsent => "OutdatedAndAbsent",
            Self::OutdatedFollower => "OutdatedFollower",
            Self::OutdatedLeader => "OutdatedLeader",
        }
    }
}

/// How far the pods are from the template that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// The objects are not there or not as wanted yet; nothing is known about pods.
    ObjectsPending,
    /// Every pod that exists is from the wanted template.
    Done,
    /// Pods with these server ids are from an older template; `hold` says why none goes now.
    Outdated { ids: Vec<u8>, hold: Option<String> },
}

/// Concludes what the observation means and what to do next.
pub fn plan(ensemble: &ValidatedEnsemble, observed: &Observed, now: Timestamp) -> Plan {
    let quorum = Quorum::read(ensemble, observed);
    let (rollout, step) = plan_rollout(ensemble, observed, &quorum, now);
    let facts = conditions::Facts {
        ensemble,
        observed,
        quorum: &quorum,
        rollout: &rollout,
        now,
    };
    let conditions = facts.verdicts(step.as_ref());
    let resting = conditions::at_rest(&conditions);
    Plan {
        conditions,
        leader: quorum.leader,
        step,
        look_again: if resting { PACE_RESTING } else { PACE_MOVING },
    }
}

fn plan_rollout(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    now: Timestamp,
) -> (Rollout, Option<Step>) {
    let wanted = build::template_fingerprint(ensemble);
    let revision = observed
        .voter_set
        .as_ref()
        .filter(|set| set.template_fingerprint.as_ref() == Some(&wanted))
        .and_then(|set| set.update_revision.as_ref());
    let Some(revision) = revision else {
        return (Rollout::ObjectsPending, None);
    };
    let outdated: Vec<(u8, &Voter)> = observed
        .voters
        .iter()
        .filter(|(_, voter)| voter.revision.as_ref() != Some(revision))
        .map(|(id, voter)| (*id, voter))
        .collect();
    if outdated.is_empty() {
        return (Rollout::Done, None);
    }
    let ids = outdated.iter().map(|(id, _)| *id).collect();
    let chosen = choose_restart(ensemble, observed, quorum, &outdated, now);
    match chosen {
        Ok(step) => (Rollout::Outdated { ids, hold: None }, Some(step)),
        Err(hold) => (
            Rollout::Outdated {
                ids,
                hold: Some(hold),
            },
            None,
        ),
    }
}

/// Chooses the pod to restart, or says what has to come first.
fn choose_restart(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    outdated: &[(u8, &Voter)],
    now: Timestamp,
) -> Result<Step, String> {
    let restart = |(id, voter): &(u8, &Voter), why| Step::RestartVoter {
        server_id: *id,
        pod: voter.pod.clone(),
        uid: voter.uid.clone(),
        why,
    };
    if let Some(voter) = observed.voters.values().find(|voter| voter.terminating) {
        return Err(format!("waits until {} has ended", voter.pod));
    }
    let absent = outdated.iter().find(|(id, voter)| {
        voter.ready_since.is_none() && !quorum.participants.contains(id) && !serves(voter)
    });
    if let Some(absent) = absent {
        return Ok(restart(absent, RestartReason::OutdatedAndAbsent));
    }
    for (id, pod) in ensemble.servers() {
        wait_for_voter(observed.voters.get(&id), &pod, now)?;
        if !quorum.participants.contains(&id) {
            return Err(format!("waits until {pod} follows the leader"));
        }
    }
    let Some(leader) = quorum.leader else {
        return Err("waits for a leader".to_owned());
    };
    let follower = outdated.iter().rev().find(|(id, _)| *id != leader);
    if let Some(follower) = follower {
        return Ok(restart(follower, RestartReason::OutdatedFollower));
    }
    let last = outdated
        .first()
        .ok_or_else(|| "waits for nothing".to_owned())?;
    Ok(restart(last, RestartReason::OutdatedLeader))
}

/// Says what is still missing before `voter` counts as stable.
fn wait_for_voter(voter: Option<&Voter>, pod: &str, now: Timestamp) -> Result<(), String> {
    let Some(voter) = voter else {
        return Err(format!("waits for {pod} to be created"));
    };
    let Some(since) = voter.ready_since else {
        return Err(format!("waits for {pod} to become ready"));
    };
    if !serves(voter) {
        return Err(format!("waits until {pod} says that it serves"));
    }
    if seconds_since(since, now) < STABILIZATION_S {
        return Err(format!(
            "waits until {pod} has been ready for {STABILIZATION_S} s"
        ));
    }
    Ok(())
}

fn serves(voter: &Voter) -> bool {
    voter.report.as_ref().is_some_and(|report| report.serving)
}

fn seconds_since(then: Timestamp, now: Timestamp) -> i64 {
    now.as_second() - then.as_second()
}

/// Tells how far a voter has come.
pub fn member_state(voter: Option<&Voter>) -> MemberState {
    match voter {
        None => MemberState::Missing,
        Some(voter) if voter.crashing => MemberState::Crashing,
        Some(voter) if voter.ip.is_none() => MemberState::Pending,
        Some(voter) => match &voter.report {
            None => MemberState::Unreachable,
            Some(report) if report.serving => MemberState::Serving,
            Some(_) => MemberState::Joining,
        },
    }
}

#[cfg(test)]
mod tests;
