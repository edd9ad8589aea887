//! More voters or fewer: the members change one at a time, by a change that is conditional on the
//! config that was seen. There is a pod before there is a member, and no member whose pod goes.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::quorum::{learner_of, report_of};
use super::{Place, Quorum, Step, replace, wait_for_voter};
use crate::ensemble::observe::Observed;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::History;

/// Proposals that a server may be behind when it gets its vote.
const LAG_MAX: u64 = 1000;

/// How far the members are from those that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scaling {
    /// They are as wanted, and so are the pods.
    Done,
    /// Voters are to come; `hold` says why none comes now.
    Up {
        missing: usize,
        hold: Option<String>,
    },
    /// Voters get the votes of others; `hold` says why none does now.
    Replacing { number: usize, hold: Option<String> },
    /// Voters, or pods of former voters, are to go; `hold` says why none goes now.
    Down {
        surplus: usize,
        hold: Option<String>,
    },
}

/// Number of pods of voters, and what is to be done about the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) slots: u8,
    pub(super) state: Scaling,
    pub(super) step: Option<Step>,
}

/// Decides. Nothing is concluded from servers that are missing or silent: what was wanted stays
/// wanted, and pods go only when the leader's config has no place for them any more.
pub(super) fn plan(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    lost: &BTreeSet<u8>,
    now: Timestamp,
) -> Scale {
    let founders = ensemble.formation.voters;
    let set = observed.voter_set.as_ref();
    // Where it is made again, it is for the members and the pods that are there.
    let mut there = observed.voters.iter().filter(|(_, pod)| !pod.terminating);
    let again = if ensemble.formation.complete {
        there.next_back().map_or(0, |(id, _)| *id)
    } else {
        founders
    };
    // A pod for each member, whatever somebody did to the StatefulSet.
    let kept = set.map_or(again, |set| set.slots).max(quorum.highest);
    let members = &quorum.members.voters;
    let wanted = replace::wanted(ensemble, lost);
    let surplus: BTreeSet<u8> = members - &wanted;
    let missing: BTreeSet<u8> = &wanted - members;
    // A pod for each voter, those too that others stand in for.
    let slots = wanted.last().copied().unwrap_or(1).max(ensemble.replicas);
    if quorum.leader.is_none() {
        return without_leader(ensemble, kept, surplus.len(), missing.len());
    }
    if let Some(next) = missing.first().filter(|_| !surplus.is_empty()) {
        let chosen = choose_replacement(ensemble, observed, quorum, (*next, &surplus), now);
        let (hold, step) = split(chosen);
        let number = missing.len().min(surplus.len());
        return Scale {
            slots: kept.max(slots),
            state: Scaling::Replacing { number, hold },
            step,
        };
    }
    if let Some(victim) = surplus.last() {
        let (hold, step) = split(choose_removal(ensemble, observed, quorum, *victim));
        let surplus = surplus.len();
        return Scale {
            slots: kept,
            state: Scaling::Down { surplus, hold },
            step,
        };
    }
    if let Some(next) = missing.first() {
        let (hold, step) = split(choose_addition(ensemble, observed, quorum, *next, now));
        let missing = missing.len();
        return Scale {
            slots: kept.max(slots),
            state: Scaling::Up { missing, hold },
            step,
        };
    }
    shrink(ensemble, observed, quorum, (kept, slots))
}

/// Nobody can change the members: everything stays as it is.
fn without_leader(ensemble: &ValidatedEnsemble, kept: u8, surplus: usize, missing: usize) -> Scale {
    let hold = Some("waits for a leader".to_owned());
    let state = match (ensemble.formation.complete, surplus, missing) {
        (false, _, _) | (true, 0, 0) => Scaling::Done,
        (true, 0, missing) => Scaling::Up { missing, hold },
        (true, surplus, _) => Scaling::Down { surplus, hold },
    };
    Scale {
        slots: kept,
        state,
        step: None,
    }
}

/// The members are as wanted: pods beyond them may go.
fn shrink(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    (kept, wanted): (u8, u8),
) -> Scale {
    let surplus = usize::from(kept.saturating_sub(wanted));
    let (slots, state) = if surplus == 0 {
        (wanted, Scaling::Done)
    } else {
        match wait_for_config(ensemble, observed, quorum) {
            Ok(()) => {
                let hold = None;
                (wanted, Scaling::Down { surplus, hold })
            }
            Err(why) => {
                let hold = Some(why);
                (kept, Scaling::Down { surplus, hold })
            }
        }
    };
    Scale {
        slots,
        state,
        step: None,
    }
}

fn split(chosen: Result<Step, String>) -> (Option<String>, Option<Step>) {
    match chosen {
        Ok(step) => (None, Some(step)),
        Err(hold) => (Some(hold), None),
    }
}

/// Where a change of the members is asked for: at the leader.
fn via(observed: &Observed, quorum: &Quorum) -> Result<Place, String> {
    if quorum.changing {
        return Err("waits for a change of the members that is under way".to_owned());
    }
    let leader = quorum.leader.ok_or("waits for a leader")?;
    let voter = observed.voters.get(&leader).filter(|v| !v.terminating);
    let place = voter.and_then(|voter| {
        Some(Place {
            server_id: leader,
            pod: voter.pod.clone(),
            ip: voter.ip?,
            life: voter.report.as_ref()?.life.clone(),
        })
    });
    place.ok_or_else(|| "waits until the leader can be reached".to_owned())
}

/// A voter may go when those that stay make a quorum of their own, and no other one is missing: the
/// ensemble could lose fewer afterwards.
fn choose_removal(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    victim: u8,
) -> Result<Step, String> {
    let via = via(observed, quorum)?;
    let mut rest = quorum.members.voters.clone();
    rest.remove(&victim);
    let present = rest.intersection(&quorum.participants).count();
    let absent: Vec<String> = rest
        .difference(&quorum.participants)
        .map(|id| ensemble.pod_of(*id))
        .collect();
    let after = quorum.members.with(rest);
    if present < after.quorum() {
        return Err(format!(
            "{present} of the {} that stay take part, {} are needed; waits for {}",
            after.voters.len(),
            after.quorum(),
            absent.join(", ")
        ));
    }
    if !absent.is_empty() && quorum.participants.contains(&victim) {
        return Err(format!("waits until {} takes part", absent.join(", ")));
    }
    Ok(Step::RemoveVoter {
        via,
        from: quorum.members.version,
        server_id: victim,
        pod: ensemble.pod_of(victim),
    })
}

/// One gets the vote of another one in one change, so that there is no config in between that survives
/// less: when it has what the others have, and nobody is away but those that are to go.
fn choose_replacement(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    (joining, surplus): (u8, &BTreeSet<u8>),
    now: Timestamp,
) -> Result<Step, String> {
    let via = via(observed, quorum)?;
    let absent = quorum.absent();
    if let Some(other) = absent.difference(surplus).next() {
        return Err(format!(
            "waits until {} takes part",
            ensemble.pod_of(*other)
        ));
    }
    wait_until_level(ensemble, observed, quorum, joining, now)?;
    let away = absent.intersection(surplus).next();
    let leaving = away.or(surplus.last()).copied();
    let leaving = leaving.ok_or("waits for nothing")?;
    Ok(Step::ReplaceVoter {
        via,
        from: quorum.members.version,
        joining,
        leaving,
        pods: [joining, leaving].map(|id| ensemble.pod_of(id)),
    })
}

/// A voter may come when all others take part, and it has what they have.
fn choose_addition(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    id: u8,
    now: Timestamp,
) -> Result<Step, String> {
    let via = via(observed, quorum)?;
    if let Some(absent) = quorum.absent().first() {
        return Err(format!(
            "waits until {} takes part",
            ensemble.pod_of(*absent)
        ));
    }
    wait_until_level(ensemble, observed, quorum, id, now)?;
    Ok(Step::AddVoter {
        via,
        from: quorum.members.version,
        server_id: id,
        pod: ensemble.pod_of(id),
    })
}

/// Says what is still missing before a server without a vote has what the others have, and stays.
fn wait_until_level(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    id: u8,
    now: Timestamp,
) -> Result<(), String> {
    let pod = ensemble.pod_of(id);
    wait_for_voter(observed.voters.get(&id), &pod, now)?;
    let whole = report_of(observed, id).is_some_and(|r| r.history == History::Whole);
    let level = learner_of(observed, quorum, id)
        .is_some_and(|learner| learner.synced && learner.lag <= LAG_MAX);
    if !whole || !level {
        return Err(format!("waits until {pod} has what the others have"));
    }
    Ok(())
}

/// Pods of former voters go when a quorum of the voters runs by the config without them, and
/// everyone who follows the leader does: whoever of them starts again starts with that config.
/// Others learn of it from the list that their pod is started with.
fn wait_for_config(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
) -> Result<(), String> {
    if quorum.changing {
        return Err("waits for a change of the members that is under way".to_owned());
    }
    let version = quorum.members.version;
    let knows = |id: u8| report_of(observed, id).map(|report| report.config.version >= version);
    let members = &quorum.members.voters;
    let informed = members
        .iter()
        .filter(|id| knows(**id) == Some(true))
        .count();
    if informed < quorum.members.quorum() {
        return Err("waits until a quorum runs without the former voters".to_owned());
    }
    let slow = observed
        .voters
        .iter()
        .filter(|(_, voter)| !voter.terminating && super::serves(voter))
        .find(|(id, _)| knows(**id) == Some(false));
    match slow {
        Some((id, _)) => Err(format!(
            "waits until {} knows the new members",
            ensemble.pod_of(*id)
        )),
        None => Ok(()),
    }
}
