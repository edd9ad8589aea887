//! Restarts: which pod goes next so that all come back from the template that is wanted.
//!
//! - an outdated pod that takes no part in the ensemble may go at once, since nothing is lost by
//!   it; this also is how reverting a bad spec repairs the ensemble;
//! - an outdated pod that takes part may go only when all voters take part, are ready and have
//!   been so for a while, after the observers, followers before the leader. The leader passes on the
//!   lead when it is told to stop.

use k8s_openapi::jiff::Timestamp;

use super::{
    Observers, Quorum, RestartReason, START_GRACE_S, Step, seconds_since, serves, wait_for_voter,
};
use crate::ensemble::observe::{Observed, ServerPod};
use crate::ensemble::validate::ValidatedEnsemble;

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

pub(super) fn plan(
    ensemble: &ValidatedEnsemble,
    template: &str,
    observed: &Observed,
    quorum: &Quorum,
    observers: &Observers,
    now: Timestamp,
) -> (Rollout, Option<Step>) {
    let revision = observed
        .voter_set
        .as_ref()
        .filter(|set| set.template_fingerprint.as_deref() == Some(template) && !set.terminating)
        .and_then(|set| set.update_revision.as_ref());
    let Some(revision) = revision else {
        return (Rollout::ObjectsPending, None);
    };
    let outdated: Vec<(u8, &ServerPod)> = observed
        .voters
        .iter()
        .filter(|(_, voter)| voter.revision.as_ref() != Some(revision))
        .map(|(id, voter)| (*id, voter))
        .collect();
    if outdated.is_empty() {
        return (Rollout::Done, None);
    }
    let ids = outdated.iter().map(|(id, _)| *id).collect();
    match choose(ensemble, observed, quorum, (&outdated, observers), now) {
        Ok(step) => (Rollout::Outdated { ids, hold: None }, Some(step)),
        Err(hold) => {
            let hold = Some(hold);
            (Rollout::Outdated { ids, hold }, None)
        }
    }
}

/// Whether a pod does not come to run as it is.
pub(super) fn is_stuck(voter: &ServerPod) -> bool {
    voter.crashing || voter.trouble.is_some() || voter.ip.is_none()
}

/// A voter other than `candidate` that does not take part yet, and of which nothing bad is known.
fn on_its_way(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    candidate: u8,
    now: Timestamp,
) -> Option<String> {
    let comes = |id: &&u8| {
        **id != candidate
            && observed.voters.get(id).is_none_or(|voter| {
                let since = voter.unready_since.or(voter.created);
                let late = since.is_some_and(|since| seconds_since(since, now) > START_GRACE_S);
                !is_stuck(voter) && !late
            })
    };
    quorum
        .absent()
        .iter()
        .find(comes)
        .map(|id| ensemble.pod_of(*id))
}

/// Waits until every member takes part and has been ready for a while.
pub(super) fn wait_for_all(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    now: Timestamp,
) -> Result<(), String> {
    if quorum.leader.is_none() {
        return Err("waits for a leader".to_owned());
    }
    if quorum.changing {
        return Err("waits for a change of the members that is under way".to_owned());
    }
    for id in &quorum.members.voters {
        let pod = ensemble.pod_of(*id);
        wait_for_voter(observed.voters.get(id), &pod, now)?;
        if !quorum.participants.contains(id) {
            return Err(format!("waits until {pod} follows the leader"));
        }
    }
    Ok(())
}

/// Chooses the pod to restart, of these, or says what has to come first.
pub(super) fn choose(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    (outdated, observers): (&[(u8, &ServerPod)], &Observers),
    now: Timestamp,
) -> Result<Step, String> {
    let restart = |(id, voter): &(u8, &ServerPod), why| Step::Restart {
        server_id: *id,
        pod: voter.pod.clone(),
        uid: voter.uid.clone(),
        why,
    };
    if let Some(voter) = observed.voters.values().find(|voter| voter.terminating) {
        return Err(format!("waits until {} has ended", voter.pod));
    }
    let takes_no_part = |(id, voter): &&(u8, &ServerPod)| {
        voter.ready_since.is_none() && !quorum.participants.contains(id) && !serves(voter)
    };
    // Those first that will not come back as they are.
    let absent = outdated
        .iter()
        .filter(takes_no_part)
        .max_by_key(|(_, voter)| is_stuck(voter));
    if let Some(absent) = absent {
        let is_outdated = |id: &u8| outdated.iter().any(|(other, _)| other == id);
        let mut updated = observed.voters.iter().filter(|(id, _)| !is_outdated(id));
        let failed = updated.find(|(_, voter)| is_stuck(voter));
        let failed = failed.map(|(_, voter)| &voter.pod);
        if let Some(failed) = failed.or(observers.failed.as_ref()) {
            // The wanted template may be what is wrong: it must not spread.
            return Err(format!("waits until {failed} runs with the new spec"));
        }
        // Another one may be back by now, unseen: so not while a third is on its way.
        let way = on_its_way(ensemble, observed, quorum, absent.0, now);
        if let Some(pod) = way.filter(|_| !is_stuck(absent.1)) {
            return Err(format!("waits for {pod}, which is on its way"));
        }
        return Ok(restart(absent, RestartReason::OutdatedAndAbsent));
    }
    if let Some(why) = observers.holds_voters().filter(|_| quorum.leader.is_some()) {
        return Err(why);
    }
    wait_for_all(ensemble, observed, quorum, now)?;
    // Nothing depends on who has no vote; they still go one at a time.
    let members = &quorum.members.voters;
    let mut rest = outdated.iter().filter(|(id, _)| !members.contains(id));
    if let Some(voteless) = rest.next() {
        return Ok(restart(voteless, RestartReason::OutdatedWithoutVote));
    }
    let follower = outdated
        .iter()
        .rev()
        .find(|(id, _)| Some(*id) != quorum.leader);
    if let Some(follower) = follower {
        return Ok(restart(follower, RestartReason::OutdatedFollower));
    }
    let last = outdated
        .first()
        .ok_or_else(|| "waits for nothing".to_owned())?;
    Ok(restart(last, RestartReason::OutdatedLeader))
}
