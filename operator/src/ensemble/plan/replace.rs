//! Which servers are to vote: the first so many by their ids, but for those that have been unavailable
//! for longer than a person allows, for each of which another one stands in until it is back.
//!
//! The one that is lost keeps its pod and its volume: what is on it may be needed, and whether a node
//! comes back only a person can know. Once it takes part again it gets its vote back.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{Quorum, seconds_since, serves};
use crate::ensemble::observe::{Observed, ServerPod};
use crate::ensemble::validate::{VOTER_ID_MAX, ValidatedEnsemble};

/// The ids of the servers that are to vote while these are lost.
pub(super) fn wanted(ensemble: &ValidatedEnsemble, lost: &BTreeSet<u8>) -> BTreeSet<u8> {
    let mut wanted = ensemble.wanted();
    let spare = (ensemble.replicas + 1..=VOTER_ID_MAX).take(lost.len());
    wanted.extend(spare);
    &wanted - lost
}

/// The servers that have been unavailable for too long. Without a leader nobody can be replaced, and
/// what a person has to look at first is something else.
pub(super) fn lost(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
    now: Timestamp,
) -> BTreeSet<u8> {
    let Some(after) = ensemble.replace_after_s.filter(|_| quorum.leader.is_some()) else {
        return BTreeSet::new();
    };
    let is_lost = |id: &u8| {
        let pod = observed.voters.get(id);
        !quorum.participants.contains(id) && pod.is_some_and(|pod| is_lost(pod, after, now))
    };
    ensemble.wanted().into_iter().filter(is_lost).collect()
}

/// A server that ends again and again, or cannot be started where it is, is not lost: another one of
/// the same spec would do the same.
fn is_lost(pod: &ServerPod, after_s: i64, now: Timestamp) -> bool {
    let fails = pod.node.is_some() && (pod.crashing || pod.trouble.is_some());
    let since = pod.unready_since;
    !serves(pod) && !fails && since.is_some_and(|since| seconds_since(since, now) >= after_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::plan::{Plan, Step, plan};
    use crate::fixtures::{healthy, now, seconds_ago, valid, voter};
    use crate::members::{ConfigVersion, Learner};

    fn replacing(replicas: i32) -> ValidatedEnsemble {
        ValidatedEnsemble {
            replace_after_s: Some(600),
            ..valid(replicas)
        }
    }

    /// A server is there without a vote, and has what the others have.
    fn come(ensemble: &ValidatedEnsemble, observed: &mut Observed, id: u8, voters: &BTreeSet<u8>) {
        observed.voters.insert(id, voter(ensemble, id, voters, 1));
        let leader = observed.voter_mut(1).report.as_mut().unwrap();
        leader.learners.push(Learner {
            server_id: id,
            voter: false,
            synced: true,
            lag: 0,
        });
    }

    /// Server 2 has been away for so many seconds, and server 4 is there with what the others have.
    fn away(ensemble: &ValidatedEnsemble, seconds: i64, with_spare: bool) -> Observed {
        let mut observed = healthy(ensemble, 1).starting(2, seconds);
        if with_spare {
            let members = ensemble.founders().voters;
            come(ensemble, &mut observed, 4, &members);
            observed.voter_set.as_mut().unwrap().slots = 4;
        }
        observed
    }

    fn concluded(ensemble: &ValidatedEnsemble, observed: &Observed) -> Plan {
        plan(ensemble, observed, now())
    }

    #[test]
    fn nobody_is_replaced_before_the_time_or_without_being_asked() {
        for (after, seconds) in [(None, 100_000), (Some(600), 599)] {
            let ensemble = ValidatedEnsemble {
                replace_after_s: after,
                ..valid(3)
            };
            let plan = concluded(&ensemble, &away(&ensemble, seconds, false));
            assert_eq!((plan.slots, plan.step), (3, None), "{after:?} {seconds}");
        }
    }

    #[test]
    fn another_pod_comes_and_then_takes_the_vote_in_one_change() {
        let ensemble = replacing(3);
        let first = concluded(&ensemble, &away(&ensemble, 600, false));
        assert_eq!((first.slots, first.step), (4, None));
        let second = concluded(&ensemble, &away(&ensemble, 600, true));
        let Some(Step::ReplaceVoter {
            joining, leaving, ..
        }) = second.step
        else {
            panic!("{:?}", second.step);
        };
        assert_eq!((joining, leaving), (4, 2));
    }

    #[test]
    fn one_that_has_not_what_the_others_have_waits() {
        let ensemble = replacing(3);
        let mut observed = away(&ensemble, 600, true);
        for learner in &mut observed.voter_mut(1).report.as_mut().unwrap().learners {
            learner.synced &= learner.server_id != 4;
        }
        assert_eq!(concluded(&ensemble, &observed).step, None);
    }

    #[test]
    fn one_that_ends_again_and_again_is_not_lost() {
        let ensemble = replacing(3);
        let mut observed = away(&ensemble, 100_000, false);
        observed.voter_mut(2).crashing = true;
        assert_eq!(concluded(&ensemble, &observed).slots, 3);
    }

    #[test]
    fn without_a_quorum_nobody_is_replaced() {
        let ensemble = replacing(3);
        let observed = away(&ensemble, 100_000, false).leaderless();
        assert_eq!(concluded(&ensemble, &observed).slots, 3);
    }

    /// All of these answer by a config of these voters.
    fn agreed(mut observed: Observed, voters: &BTreeSet<u8>) -> Observed {
        for pod in observed.voters.values_mut() {
            if let Some(report) = &mut pod.report {
                report.config.voters.clone_from(voters);
                report.config.version = ConfigVersion(7);
                for learner in &mut report.learners {
                    learner.voter = voters.contains(&learner.server_id);
                }
            }
        }
        observed
    }

    #[test]
    fn while_it_is_replaced_all_is_well_but_for_a_word() {
        let ensemble = replacing(3);
        let observed = agreed(away(&ensemble, 7000, true), &[1, 3, 4].into());
        let plan = concluded(&ensemble, &observed);
        assert_eq!((plan.slots, plan.step), (4, None));
        let verdict = |kind: &str| plan.conditions.iter().find(|v| v.kind == kind).unwrap();
        assert_eq!(verdict("Ready").reason, "Converged");
        let degraded = verdict("Degraded");
        assert_eq!(degraded.reason, "VoterReplaced");
        assert!(
            degraded.message.contains("demo-voter-1"),
            "{}",
            degraded.message
        );
    }

    #[test]
    fn who_is_back_gets_its_vote_back() {
        let ensemble = replacing(3);
        let voters = [1, 3, 4].into();
        let mut observed = agreed(away(&ensemble, 7000, true), &voters);
        come(&ensemble, &mut observed, 2, &voters);
        let mut observed = agreed(observed, &voters);
        let plan = concluded(&ensemble, &observed);
        let Some(Step::ReplaceVoter {
            joining, leaving, ..
        }) = plan.step
        else {
            panic!("{:?}", plan.step);
        };
        assert_eq!((joining, leaving), (2, 4));
        // Not before it has been well for a while.
        observed.voter_mut(2).ready_since = Some(seconds_ago(3));
        assert_eq!(concluded(&ensemble, &observed).step, None);
    }
}
