//! Status keeps still while nothing changes, and keeps transition times.

use super::*;
use crate::ensemble::observe;
use crate::ensemble::plan::plan;
use crate::fixtures::{ensemble, healthy, now, seconds_ago, tls, valid, valid_with_observers};

fn report_at(
    previous: Option<&ZkEnsembleStatus>,
    observed: &observe::Observed,
    when: Timestamp,
) -> ZkEnsembleStatus {
    let three = valid(3);
    let plan = plan(&three, observed, when);
    let latched = latch(previous, &three, &plan);
    report(Some(&latched), &three, observed, &plan, None, when)
}

#[test]
fn status_of_an_ensemble_at_rest_names_leader_members_and_zones() {
    let status = report_at(None, &healthy(&valid(3), 2), now());
    assert_eq!(
        status.leader,
        Some(Leader {
            server_id: 2,
            pod: "demo-voter-1".to_owned()
        })
    );
    assert_eq!(status.ensemble_id.as_deref(), Some("uid-of-demo"));
    assert_eq!(status.observed_generation, Some(1));
    let voters = status.voters.unwrap();
    assert_eq!(
        (voters.ready, voters.summary.as_str(), voters.zones),
        (3, "3/3", Some(3))
    );
    let kinds: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "Ready",
            "QuorumAvailable",
            "Progressing",
            "Degraded",
            "DisruptionSafe",
            "ZoneFaultTolerant"
        ]
    );
    let first = &status.members[0];
    assert_eq!(
        (first.role, first.state),
        (MemberRole::Follower, MemberState::Serving)
    );
}

#[test]
fn status_does_not_change_while_nothing_changes() {
    let observed = healthy(&valid(3), 2);
    let first = report_at(None, &observed, seconds_ago(100));
    assert_eq!(report_at(Some(&first), &observed, now()), first);
}

#[test]
fn transition_time_moves_with_the_status_of_its_condition_only() {
    let first = report_at(None, &healthy(&valid(3), 2), seconds_ago(100));
    let second = report_at(Some(&first), &healthy(&valid(3), 2).crashing(1), now());
    let time = |status: &ZkEnsembleStatus, kind: &str| {
        let condition = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
        condition.last_transition_time.0
    };
    assert_eq!(time(&second, "Ready"), now());
    assert_eq!(time(&second, "QuorumAvailable"), seconds_ago(100));
}

#[test]
fn what_is_decided_by_is_latched_before_all_else() {
    let three = valid(3);
    let observed = healthy(&three, 2);
    let plan = plan(&three, &observed, now());
    let latched = latch(None, &three, &plan);
    assert_eq!(latched.ensemble_id.as_deref(), Some("uid-of-demo"));
    assert!(latched.formation.as_ref().is_some_and(|f| f.complete));
    let members = latched.membership.as_ref().unwrap();
    assert_eq!(
        (members.version.as_str(), members.voters.as_slice()),
        ("0", &[1, 2, 3][..])
    );
    assert!(latched.conditions.is_empty(), "the rest is as it was");
}

#[test]
fn what_a_server_refused_is_said() {
    let three = valid(3);
    let observed = healthy(&three, 2);
    let plan = plan(&three, &observed, now());
    let why = Some("demo-voter-1: refused: BadVersion".to_owned());
    let status = report(None, &three, &observed, &plan, why, now());
    let progressing = status.conditions.iter().find(|c| c.type_ == "Progressing");
    assert!(progressing.unwrap().message.contains("BadVersion"));
}

#[test]
fn refusal_keeps_what_was_known_and_says_why() {
    let mut object = ensemble(3);
    object.status = Some(report_at(None, &healthy(&valid(3), 2), seconds_ago(100)));
    let status = refusal(&object, "InvalidSpec", "voters.replicas is 2", now());
    assert_eq!(status.members.len(), 3);
    let degraded = status
        .conditions
        .iter()
        .find(|c| c.type_ == "Degraded")
        .unwrap();
    assert_eq!(
        (degraded.status.as_str(), degraded.reason.as_str()),
        ("True", "InvalidSpec")
    );
    assert_eq!(degraded.message, "voters.replicas is 2");
    let of_certificates = |object: &ZkEnsemble| {
        let status = refusal(object, "InvalidSpec", "voters.replicas is 2", now());
        let mut conditions = status.conditions.into_iter();
        let found = conditions.find(|c| c.type_ == "CertificatesValid");
        found.map(|condition| condition.status)
    };
    assert_eq!(of_certificates(&object), None);
    let mode = crate::crd::ClientTlsMode::Allow;
    object.spec.tls = Some(tls(mode, Default::default(), None));
    assert_eq!(of_certificates(&object).as_deref(), Some("Unknown"));
}

#[test]
fn blocks_of_observers_are_on_record_before_anything_is_made() {
    let six = valid_with_observers(6);
    let nothing = observe::Observed::default();
    let plan_of = |observed: &observe::Observed| plan(&six, observed, now());
    let latched = latch(None, &six, &plan_of(&nothing));
    let bases = |status: &ZkEnsembleStatus| -> Vec<(String, u8)> {
        let zones = status.observers.clone().unwrap().zones;
        zones
            .into_iter()
            .map(|zone| (zone.name, zone.id_base))
            .collect()
    };
    let expected = [("a", 32), ("b", 64), ("c", 96)];
    let expected: Vec<_> = expected.map(|(zone, base)| (zone.to_owned(), base)).into();
    assert_eq!(bases(&latched), expected);

    let observed = healthy(&six, 2);
    let status = report(
        Some(&latched),
        &six,
        &observed,
        &plan_of(&observed),
        None,
        now(),
    );
    let counts = status.observers.clone().unwrap();
    assert_eq!((counts.replicas, counts.ready_replicas), (6, 6));
    assert_eq!(counts.summary, "6/6");
    assert_eq!(
        counts.selector,
        "quorate.dev/ensemble=demo,quorate.dev/role=observer"
    );
    // A zone that has no observers any more keeps its block.
    let none = latch(Some(&status), &valid(3), &plan_of(&observed));
    assert_eq!(bases(&none), expected);
    let reported = report(
        Some(&none),
        &valid(3),
        &nothing,
        &plan_of(&nothing),
        None,
        now(),
    );
    let counts = reported.observers.unwrap();
    assert_eq!((counts.replicas, counts.summary.as_str()), (0, "0/0"));
}

#[test]
fn an_operation_keeps_the_time_at_which_it_began() {
    let rolls = healthy(&valid(3), 2).outdated(&[1]);
    let since = |status: &ZkEnsembleStatus| status.operation.clone().unwrap().started_at;
    let first = report_at(None, &rolls, seconds_ago(100));
    assert_eq!(since(&first), Some(Time(seconds_ago(100))));
    let second = report_at(Some(&first), &rolls, seconds_ago(50));
    assert_eq!(since(&second), since(&first));
    let rests = report_at(Some(&second), &healthy(&valid(3), 2), seconds_ago(40));
    assert_eq!(rests.operation, None);
    let again = report_at(Some(&rests), &rolls, now());
    assert_eq!(since(&again), Some(Time(now())));
}
