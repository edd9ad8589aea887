//! Tables of "observation in, step and conditions out".

use super::*;
use crate::crd::condition_type::{
    CERTIFICATES_VALID, DEGRADED, PROGRESSING, QUORUM_AVAILABLE, READY,
};
use crate::crd::{Day, Updates, Window};
use crate::ensemble::validate::validate;
use crate::fixtures::{defaults, ensemble, healthy, now, seconds_ago, valid, valid_with_tls};

/// Step as "pod reason", or the reason of Progressing when there is none.
fn conclusion(plan: &Plan) -> String {
    match &plan.step {
        Some(Step::Restart { pod, why, .. }) => format!("{pod} {}", why.as_str()),
        Some(Step::AddVoter { pod, .. } | Step::RemoveVoter { pod, .. }) => {
            format!("{pod} {}", plan.step.as_ref().unwrap().reason())
        }
        Some(step @ Step::ReplaceVoter { pods, .. }) => {
            format!("{} {}", pods.join(" "), step.reason())
        }
        Some(Step::GrowVolume { pod, .. }) => format!("{pod} GrowingVolume"),
        Some(step @ Step::RecreateSet { .. }) => step.reason().to_owned(),
        Some(step @ Step::Form { servers }) => format!("{} {}", servers.len(), step.reason()),
        None => reason(plan, PROGRESSING).to_owned(),
    }
}

fn verdict<'a>(plan: &'a Plan, kind: &str) -> &'a Verdict {
    plan.conditions
        .iter()
        .find(|verdict| verdict.kind == kind)
        .unwrap()
}

fn reason(plan: &Plan, kind: &str) -> &'static str {
    verdict(plan, kind).reason
}

#[track_caller]
fn check(name: &str, observed: Observed, expected: &str) {
    let ensemble = valid(i32::try_from(observed.voters.len().max(3)).unwrap());
    let plan = plan(&ensemble, &observed, now());
    assert_eq!(conclusion(&plan), expected, "{name}: {plan:#?}");
}

#[track_caller]
fn check_conditions(name: &str, observed: &Observed, expected: [(&str, Truth, &str); 4]) {
    let plan = plan(&valid(3), observed, now());
    for (kind, truth, reason) in expected {
        let found = verdict(&plan, kind);
        assert_eq!(
            (found.truth, found.reason),
            (truth, reason),
            "{name}: {kind}: {plan:#?}"
        );
    }
}

#[test]
fn outdated_voters_restart_followers_first_and_the_leader_last() {
    let three = valid(3);
    let rest = || healthy(&three, 2);
    check("none outdated", rest(), "Converged");
    check(
        "all outdated",
        rest().outdated(&[1, 2, 3]),
        "demo-voter-2 OutdatedFollower",
    );
    check(
        "one follower left",
        rest().outdated(&[1, 2]),
        "demo-voter-0 OutdatedFollower",
    );
    check(
        "leader left",
        rest().outdated(&[2]),
        "demo-voter-1 OutdatedLeader",
    );
    let five = valid(5);
    let all = healthy(&five, 5).outdated(&[1, 2, 3, 4, 5]);
    check("five", all, "demo-voter-3 OutdatedFollower");
}

#[test]
fn no_voter_that_takes_part_goes_while_another_is_away() {
    let three = valid(3);
    let rest = || healthy(&three, 2).outdated(&[1, 2]);
    check("one is starting", rest().starting(3, 5), "RollingOut");
    check("one is crashing", rest().crashing(3), "RollingOut");
    check(
        "one has no pod",
        {
            let mut observed = rest();
            observed.voters.remove(&3);
            observed
        },
        "RollingOut",
    );
    check("one does not answer", rest().silent(3), "RollingOut");
    check("no leader", rest().leaderless(), "RollingOut");
    let mut just_ready = rest();
    just_ready.voter_mut(3).ready_since = Some(seconds_ago(3));
    check("one is ready for 3 s", just_ready, "RollingOut");
    let mut leaving = rest();
    leaving.voter_mut(3).terminating = true;
    check("one is leaving", leaving, "RollingOut");
    check(
        "one is stalled",
        rest().starting(3, 700),
        "DeadlineExceeded",
    );
}

#[test]
fn outdated_voter_that_takes_no_part_goes_at_once() {
    let three = valid(3);
    // The new revision was bad, its pod crashes, and the spec was reverted.
    let reverted = healthy(&three, 2).outdated(&[3]).crashing(3);
    check("reverted", reverted, "demo-voter-2 OutdatedAndAbsent");
    // The leader still counts a voter that the kubelet calls unready: it takes part.
    let counted = healthy(&three, 2).outdated(&[3]).silent(3).unready(3, 5);
    check("counted by the leader", counted, "RollingOut");
}

#[test]
fn nothing_goes_before_the_objects_are_as_wanted() {
    let three = valid(3);
    let mut other_spec = healthy(&three, 2).outdated(&[1]);
    let set = other_spec.voter_set.as_mut().unwrap();
    set.template_fingerprint = Some("of an older spec".to_owned());
    check("spec not applied", other_spec, "UpdatingObjects");
    let mut lagging = healthy(&three, 2).outdated(&[1]);
    lagging.voter_set.as_mut().unwrap().update_revision = None;
    check("StatefulSet controller lags", lagging, "UpdatingObjects");
    check("nothing there", Observed::default(), "Creating");
}

#[test]
fn single_voter_restarts_although_it_leads() {
    let one = valid(1);
    let observed = healthy(&one, 1).outdated(&[1]);
    assert_eq!(
        conclusion(&plan(&one, &observed, now())),
        "demo-voter-0 OutdatedLeader"
    );
}

#[test]
fn conditions_tell_what_is_wrong() {
    let three = valid(3);
    let rest = || healthy(&three, 2);
    check_conditions(
        "at rest",
        &rest(),
        [
            (READY, Truth::True, "Converged"),
            (QUORUM_AVAILABLE, Truth::True, "QuorumHealthy"),
            (PROGRESSING, Truth::False, "Converged"),
            (DEGRADED, Truth::False, "AsExpected"),
        ],
    );
    check_conditions(
        "one starting",
        &rest().starting(3, 5),
        [
            (READY, Truth::False, "VotersNotServing"),
            (QUORUM_AVAILABLE, Truth::True, "QuorumHealthy"),
            (PROGRESSING, Truth::True, "WaitingForVoters"),
            (DEGRADED, Truth::False, "AsExpected"),
        ],
    );
    check_conditions(
        "one crashing",
        &rest().crashing(1),
        [
            (READY, Truth::False, "VotersNotServing"),
            (QUORUM_AVAILABLE, Truth::True, "QuorumHealthy"),
            (PROGRESSING, Truth::True, "WaitingForVoters"),
            (DEGRADED, Truth::True, "VoterCrashing"),
        ],
    );
    check_conditions(
        "two gone",
        &rest().missing(1).missing(2),
        [
            (READY, Truth::False, "VotersMissing"),
            (QUORUM_AVAILABLE, Truth::False, "VotersMissing"),
            (PROGRESSING, Truth::True, "WaitingForVoters"),
            (DEGRADED, Truth::True, "QuorumLost"),
        ],
    );
    check_conditions(
        "election",
        &rest().leaderless(),
        [
            (READY, Truth::False, "NoLeader"),
            (QUORUM_AVAILABLE, Truth::False, "NoLeader"),
            (PROGRESSING, Truth::True, "WaitingForVoters"),
            (DEGRADED, Truth::True, "QuorumLost"),
        ],
    );
    check_conditions(
        "operator cut off",
        &rest().silent(1).silent(2).silent(3),
        [
            (READY, Truth::False, "MembersUnreachable"),
            (QUORUM_AVAILABLE, Truth::Unknown, "MembersUnreachable"),
            (PROGRESSING, Truth::True, "WaitingForVoters"),
            (DEGRADED, Truth::True, "MembersUnreachable"),
        ],
    );
}

#[test]
fn crash_message_carries_the_last_words_of_the_server() {
    let three = valid(3);
    let plan = plan(&three, &healthy(&three, 2).crashing(1), now());
    let message = &verdict(&plan, DEGRADED).message;
    assert!(
        message.contains("demo-voter-0 crashes (ended with code 1: zoo.cfg"),
        "{message}"
    );
}

#[test]
fn leader_without_followers_does_not_lead() {
    let three = valid(3);
    // Cut off: it still claims to lead, the others have elected 3.
    let mut split = healthy(&three, 3);
    let stale = healthy(&three, 1).voters.remove(&1).unwrap();
    split.voters.insert(1, stale);
    split.voter_mut(1).report.as_mut().unwrap().learners.clear();
    assert_eq!(plan(&three, &split, now()).leader, Some(3));
    let alone = split.missing(2).missing(3);
    assert_eq!(plan(&three, &alone, now()).leader, None);
}

#[test]
fn rollout_of_any_shape_restarts_each_voter_once_and_keeps_the_quorum() {
    for replicas in [3_u8, 5, 7] {
        let ensemble = valid(i32::from(replicas));
        for leader in 1..=replicas {
            let ids: Vec<u8> = (1..=replicas).collect();
            let mut observed = healthy(&ensemble, leader).outdated(&ids);
            let mut order = Vec::new();
            while let Some(Step::Restart { server_id, .. }) = plan(&ensemble, &observed, now()).step
            {
                order.push(server_id);
                assert!(order.len() <= ids.len(), "{replicas} voters, {order:?}");
                // While it is away nothing else may go.
                let revision = Some("new".to_owned());
                let mut away = observed.clone().starting(server_id, 1);
                away.voter_mut(server_id).revision.clone_from(&revision);
                assert_eq!(plan(&ensemble, &away, now()).step, None, "{order:?}");
                observed.voter_mut(server_id).revision = revision;
            }
            assert_eq!(order.len(), ids.len());
            assert_eq!(order.last(), Some(&leader));
        }
    }
}

#[test]
fn nothing_is_restarted_into_a_secret_that_is_not_there() {
    let ensemble = valid_with_tls(Some("given"));
    let observed = healthy(&ensemble, 2).outdated(&[1]);
    let plan = plan(&ensemble, &observed, now());
    assert_eq!(plan.step, None);
    assert_eq!(reason(&plan, CERTIFICATES_VALID), "SecretMissing");
    let degraded = verdict(&plan, DEGRADED);
    assert_eq!(degraded.truth, Truth::True);
    assert_eq!(degraded.reason, "SecretMissing");
    let without_tls = super::plan(&valid(3), &healthy(&valid(3), 2), now());
    let mut kinds = without_tls.conditions.iter().map(|verdict| verdict.kind);
    assert!(kinds.all(|kind| kind != CERTIFICATES_VALID));
}

#[test]
fn rollouts_wait_for_their_window_and_repairs_do_not() {
    // The present of the tests is a Friday, 08:00 UTC.
    let with_window = |start: &str| {
        let mut object = ensemble(3);
        object.spec.updates = Some(Updates {
            paused: false,
            windows: vec![Window {
                days: vec![Day::Friday],
                start: start.to_owned(),
                duration: "1h".to_owned(),
            }],
        });
        validate(&object, &defaults()).unwrap().unwrap()
    };
    let (open, closed) = (with_window("07:30"), with_window("06:00"));
    let outdated = healthy(&open, 2).outdated(&[1, 3]);
    assert!(plan(&open, &outdated, now()).step.is_some());
    let waits = plan(&closed, &outdated, now());
    assert_eq!(waits.step, None);
    let progressing = waits.conditions.iter().find(|c| c.kind == PROGRESSING);
    let progressing = progressing.unwrap();
    assert_eq!(progressing.reason, "WaitingForWindow");
    let expected = "2 voters to restart; waits for the window that begins at 2027-01-22T06:00:00Z";
    assert_eq!(progressing.message, expected);
    let broken = plan(&closed, &outdated.crashing(3), now());
    assert!(matches!(
        broken.step,
        Some(Step::Restart { server_id: 3, .. })
    ));
}
