//! Tables of "volumes in, step and words out".

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::*;
use crate::crd::condition_type::{DEGRADED, PROGRESSING, READY};
use crate::ensemble::plan::{Plan, plan as whole};
use crate::fixtures::{healthy, now, seconds_ago, valid, voter};
use crate::quantity::Size;

fn size(text: &str) -> Size {
    Size::parse(&Quantity(text.to_owned())).unwrap()
}

/// Three voters on 1Gi, whose volumes are to have 2Gi.
fn larger() -> ValidatedEnsemble {
    ValidatedEnsemble {
        storage_size: size("2Gi"),
        ..valid(3)
    }
}

/// The same as it was found, with 1Gi.
fn before() -> Observed {
    healthy(&valid(3), 2)
}

fn asks(observed: &mut Observed, ids: &[u8]) {
    for id in ids {
        volume(observed, *id).requested = size("2Gi");
    }
}

fn has(observed: &mut Observed, ids: &[u8]) {
    asks(observed, ids);
    for id in ids {
        volume(observed, *id).capacity = Some(size("2Gi"));
    }
}

fn volume(observed: &mut Observed, id: u8) -> &mut ServerVolume {
    observed.volumes.get_mut(&id).unwrap()
}

fn set(observed: &mut Observed) -> &mut ServerSet {
    observed.voter_set.as_mut().unwrap()
}

fn planned(change: impl FnOnce(&mut Observed)) -> Plan {
    let mut observed = before();
    change(&mut observed);
    whole(&larger(), &observed, now())
}

/// What is done, or what Progressing says.
#[track_caller]
fn check(name: &str, change: impl FnOnce(&mut Observed), expected: &str) {
    let plan = planned(change);
    let said = match &plan.step {
        Some(step) => step.text(),
        None => verdict(&plan, PROGRESSING).message.clone(),
    };
    assert_eq!(said, expected, "{name}: {plan:#?}");
}

fn verdict<'a>(plan: &'a Plan, kind: &str) -> &'a Verdict {
    let mut verdicts = plan.conditions.iter();
    verdicts.find(|verdict| verdict.kind == kind).unwrap()
}

#[test]
fn volumes_grow_one_at_a_time() {
    check(
        "none",
        |_| {},
        "lets the volume of demo-voter-0 grow to 2Gi",
    );
    check(
        "the first one is asked for",
        |o| asks(o, &[1]),
        "3 volumes to grow to 2Gi; waits for the volume of demo-voter-0 to have 2Gi",
    );
    let trouble = |o: &mut Observed| {
        asks(o, &[1]);
        volume(o, 1).trouble = Some("no space in the pool".to_owned());
    };
    check(
        "the driver complains",
        trouble,
        "3 volumes to grow to 2Gi; waits for the volume of demo-voter-0 to have 2Gi: no space in the \
         pool",
    );
    check(
        "the first one has it",
        |o| has(o, &[1]),
        "lets the volume of demo-voter-1 grow to 2Gi",
    );
    check(
        "two have it",
        |o| has(o, &[1, 2]),
        "lets the volume of demo-voter-2 grow to 2Gi",
    );
    let unbound = |o: &mut Observed| {
        has(o, &[1, 2]);
        volume(o, 3).capacity = None;
    };
    check(
        "one is not there yet",
        unbound,
        "1 volume to grow to 2Gi; waits for volumes to be provided",
    );
}

#[test]
fn a_claim_is_changed_only_as_it_was_seen() {
    let step = planned(|_| {}).step;
    let expected = Step::GrowVolume {
        claim: "data-demo-voter-0".to_owned(),
        version: "5".to_owned(),
        pod: "demo-voter-0".to_owned(),
        size: size("2Gi"),
    };
    assert_eq!(step, Some(expected));
}

#[test]
fn a_voter_that_is_away_gets_its_room_first() {
    let full = |o: &mut Observed| *o = o.clone().crashing(3);
    check("full", full, "lets the volume of demo-voter-2 grow to 2Gi");
    let all = |o: &mut Observed| {
        *o = o.clone().crashing(1).crashing(2).crashing(3);
    };
    check("all", all, "lets the volume of demo-voter-0 grow to 2Gi");
}

#[test]
fn volumes_that_are_not_used_stay() {
    let former = |o: &mut Observed| {
        has(o, &[1, 2, 3]);
        let small = crate::fixtures::volume(&valid(3), 4);
        o.volumes.insert(4, small);
    };
    check(
        "of a former voter",
        former,
        "makes StatefulSet demo-voter again with the new size, around its pods",
    );
    // One that is used again, or was made in between, follows.
    let again = |o: &mut Observed| {
        former(o);
        set(o).slots = 4;
        let members = larger().founders().voters;
        let pod = voter(&larger(), 4, &members, 2);
        o.voters.insert(4, pod);
    };
    check(
        "again",
        again,
        "lets the volume of demo-voter-3 grow to 2Gi",
    );
    // Larger than what is wanted, from an earlier ensemble.
    let larger = |o: &mut Observed| {
        has(o, &[1, 2, 3]);
        set(o).claim_size = Some(size("2048Mi"));
        volume(o, 2).requested = size("3Gi");
        volume(o, 2).capacity = Some(size("3Gi"));
    };
    check("larger", larger, "nothing to do");
}

#[test]
fn what_cannot_grow_is_named_with_the_remedy_and_stops_nothing_else() {
    let class = |expandable: Option<bool>, name: Option<&str>| {
        let name = name.map(str::to_owned);
        move |o: &mut Observed| {
            for volume in o.volumes.values_mut() {
                volume.expandable = expandable;
                volume.class.clone_from(&name);
            }
        }
    };
    for (expandable, name, expected) in [
        (
            Some(false),
            Some("fast"),
            "allowVolumeExpansion: true in it",
        ),
        (None, Some("fast"), "there is no StorageClass fast"),
        (None, None, "it has no StorageClass"),
    ] {
        let plan = planned(class(expandable, name));
        assert_eq!((&plan.step, &plan.operation), (&None, &None));
        for (kind, truth) in [
            (READY, Truth::False),
            (PROGRESSING, Truth::False),
            (DEGRADED, Truth::True),
        ] {
            let found = verdict(&plan, kind);
            assert_eq!((found.truth, found.reason), (truth, "VolumesCannotGrow"));
            assert!(found.message.contains(expected), "{}", found.message);
            assert!(found.message.contains("data-demo-voter-0 of demo-voter-0"));
        }
    }
    let outdated = |o: &mut Observed| {
        *o = o.clone().outdated(&[1]);
        class(Some(false), Some("fast"))(o);
    };
    check(
        "a rollout",
        outdated,
        "restarts demo-voter-0 with the new spec",
    );
}

#[test]
fn a_pod_is_restarted_once_where_its_file_system_does_not_grow_in_use() {
    let pending = |seconds: i64| {
        move |o: &mut Observed| {
            has(o, &[2, 3]);
            asks(o, &[1]);
            volume(o, 1).pending_since = Some(seconds_ago(seconds));
        }
    };
    let waits = "1 volume to grow to 2Gi; waits for the file system of demo-voter-0 to have 2Gi";
    check("it may grow in use", pending(30), waits);
    check(
        "it does not",
        pending(301),
        "restarts demo-voter-0 for the file system on its volume to grow",
    );
    let away = |o: &mut Observed| {
        pending(301)(o);
        *o = o.clone().starting(3, 5);
    };
    check("another one is away", away, "demo-voter-2 does not answer");
    // Its pod is an hour old: it was started after that.
    check("it was started since", pending(4000), waits);
    let plan = planned(pending(301));
    assert!(matches!(
        plan.step,
        Some(Step::Restart {
            server_id: 1,
            why: RestartReason::VolumePending,
            ..
        })
    ));
}

#[test]
fn the_set_is_made_again_when_all_is_calm() {
    let grown = |o: &mut Observed| has(o, &[1, 2, 3]);
    let expected = Step::RecreateSet {
        name: "demo-voter".to_owned(),
        uid: "uid-of-set".to_owned(),
        version: "7".to_owned(),
    };
    assert_eq!(planned(grown).step, Some(expected));
    let follows = |why: &str| format!("all volumes have 2Gi, the StatefulSet follows; {why}");
    let check = |name: &str, change: &dyn Fn(&mut Observed), expected: &str| {
        let all = |o: &mut Observed| {
            grown(o);
            change(o);
        };
        check(name, all, expected);
    };
    check(
        "one has just started",
        &|o| o.voter_mut(3).ready_since = Some(seconds_ago(3)),
        &follows("waits until demo-voter-2 has been ready for 10 s"),
    );
    check(
        "one is leaving",
        &|o| o.voter_mut(3).terminating = true,
        &follows("waits until demo-voter-2 has ended"),
    );
    check(
        "a volume would go with it",
        &|o| volume(o, 3).owned = true,
        &follows("waits until data-demo-voter-2 does not go with the StatefulSet"),
    );
    check(
        "a rollout is under way",
        &|o| *o = o.clone().outdated(&[1]).starting(3, 5),
        "1 voter to restart; waits for demo-voter-2 to become ready",
    );
    check(
        "it goes",
        &|o| set(o).terminating = true,
        "writes the new spec",
    );
}

#[test]
fn what_is_made_until_then_is_as_the_set_has_it() {
    let claims = |change: &dyn Fn(&mut Observed)| {
        let claims = planned(change).claims;
        (claims.size.0, claims.when_deleted)
    };
    let mut deleting = larger();
    deleting.volumes.when_deleted = Retention::Delete;
    assert_eq!(claims(&|_| {}), ("1Gi".to_owned(), Retention::Retain));
    assert_eq!(claims(&|o| o.voter_set = None).0, "2Gi");
    // No volume may go with the StatefulSet when it is made again.
    let when_deleted = |change: &dyn Fn(&mut Observed)| {
        let mut observed = before();
        change(&mut observed);
        whole(&deleting, &observed, now()).claims.when_deleted
    };
    assert_eq!(when_deleted(&|o| has(o, &[1])), Retention::Delete);
    assert_eq!(when_deleted(&|o| has(o, &[1, 2, 3])), Retention::Retain);
    assert_eq!(when_deleted(&|o| o.voter_set = None), Retention::Delete);
    let done = |o: &mut Observed| {
        has(o, &[1, 2, 3]);
        set(o).claim_size = Some(size("2Gi"));
    };
    assert_eq!(when_deleted(&done), Retention::Delete);
}

#[test]
fn no_pod_is_restarted_while_the_set_is_away_or_new() {
    let away = |o: &mut Observed| {
        has(o, &[1, 2, 3]);
        o.voter_set = None;
    };
    let plan = planned(away);
    assert_eq!((plan.step, plan.slots), (None, 3));
    let lags = |o: &mut Observed| {
        away(o);
        o.voter_set = before().voter_set;
        set(o).update_revision = None;
        set(o).claim_size = Some(size("2Gi"));
    };
    assert_eq!(planned(lags).step, None);
    // Five were wanted at first, and three are left: the others do not come back for it.
    let mut shrunk = larger();
    shrunk.formation.voters = 5;
    shrunk.recorded = Some(valid(3).founders());
    let mut observed = before();
    away(&mut observed);
    assert_eq!(whole(&shrunk, &observed, now()).slots, 3);
}
