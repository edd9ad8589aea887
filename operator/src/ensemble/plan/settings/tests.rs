//! What is concluded from what servers say about their settings.

use super::*;
use crate::crd::Operation;
use crate::ensemble::plan::{Plan, plan as whole};
use crate::fixtures::{healthy, now, seconds_ago, valid, valid_with_observers};
use crate::members::ReportedRefusal;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// An ensemble whose servers are as they were before this setting was changed.
fn changed(ensemble: &ValidatedEnsemble, key: &str) -> (ValidatedEnsemble, Observed) {
    let observed = healthy(ensemble, 2);
    let mut ensemble = ensemble.clone();
    ensemble.config.insert(key.to_owned(), "7".to_owned());
    (ensemble, observed)
}

fn settings_of(observed: &mut Observed, id: u8) -> &mut Option<ReportedSettings> {
    let voter = observed.voter_mut(id);
    &mut voter.report.as_mut().unwrap().settings
}

/// Truth, reason and message of a condition.
fn said<'a>(plan: &'a Plan, kind: &str) -> (Truth, &'static str, &'a str) {
    let verdict = plan.conditions.iter().find(|v| v.kind == kind).unwrap();
    (verdict.truth, verdict.reason, &verdict.message)
}

#[test]
fn a_setting_that_needs_no_restart_is_waited_for_and_restarts_nobody() {
    let (ensemble, mut observed) = changed(&valid_with_observers(3), "maxClientCnxns");
    let plan = whole(&ensemble, &observed, now());
    assert_eq!(plan.step, None);
    let (truth, reason, message) = said(&plan, condition_type::PROGRESSING);
    assert_eq!((truth, reason), (Truth::True, "ChangingSettings"));
    let waits = "waits for demo-voter-0, demo-voter-1, demo-voter-2, demo-observer-a-0";
    assert!(message.starts_with(waits), "{message}");
    let ready = said(&plan, condition_type::READY);
    assert_eq!((ready.0, ready.1), (Truth::False, "ChangingSettings"));
    assert_eq!(said(&plan, condition_type::DEGRADED).0, Truth::False);
    assert_eq!(plan.operation.unwrap().kind, "ChangingSettings");
    // Each that has taken them is waited for no more, and at the end it is as it was.
    let wanted = settings_revision(&ensemble);
    for id in [1, 2, 3] {
        settings_of(&mut observed, id)
            .as_mut()
            .unwrap()
            .revision
            .clone_from(&wanted);
    }
    let plan = whole(&ensemble, &observed, now());
    let (_, _, message) = said(&plan, condition_type::PROGRESSING);
    assert!(
        message.starts_with("waits for demo-observer-a-0"),
        "{message}"
    );
    for pod in observed
        .observers
        .values_mut()
        .flat_map(|g| g.pods.values_mut())
    {
        let settings = pod.report.as_mut().unwrap().settings.as_mut().unwrap();
        settings.revision.clone_from(&wanted);
    }
    let plan = whole(&ensemble, &observed, now());
    assert_eq!((&plan.step, &plan.operation), (&None, &None));
    assert_eq!(said(&plan, condition_type::READY).1, "Converged");
}

#[test]
fn a_setting_that_needs_a_restart_restarts_and_brings_the_others_along() {
    let (mut ensemble, observed) = changed(&valid(3), "snapCount");
    assert_eq!(stamps(&ensemble, &observed).0.len(), 0);
    ensemble
        .config
        .insert("maxCnxns".to_owned(), "7".to_owned());
    let plan = whole(&ensemble, &observed, now());
    assert_eq!(
        said(&plan, condition_type::PROGRESSING).1,
        "UpdatingObjects"
    );
    assert_eq!(plan.stamps, Stamps::default(), "the wanted one");
}

#[test]
fn servers_that_take_no_settings_are_restarted() {
    let rollout = |ensemble: &ValidatedEnsemble, observed: &Observed| {
        let plan = whole(ensemble, observed, now());
        said(&plan, condition_type::PROGRESSING).1 == "UpdatingObjects"
    };
    let (ensemble, observed) = changed(&valid(3), "maxCnxns");
    assert!(!rollout(&ensemble, &observed));
    let mut old = observed.clone();
    *settings_of(&mut old, 3) = None;
    assert!(rollout(&ensemble, &old));
    // One that takes fewer keys says that this one waits.
    let mut fewer = observed.clone();
    settings_of(&mut fewer, 1).as_mut().unwrap().pending = vec!["maxCnxns".to_owned()];
    assert!(rollout(&ensemble, &fewer));
    settings_of(&mut fewer, 1).as_mut().unwrap().pending = vec!["snapCount".to_owned()];
    assert!(!rollout(&ensemble, &fewer));
    // Who says nothing, or is to be restarted anyway, does not matter.
    assert!(!rollout(&ensemble, &observed.clone().silent(1)));
    let mut outdated = observed.outdated(&[1]);
    *settings_of(&mut outdated, 1) = None;
    assert_eq!(stamps(&ensemble, &outdated).0.len(), 1);
}

#[test]
fn what_a_server_refuses_is_said_and_stops_restarts_of_those_that_work() {
    let (ensemble, mut observed) = changed(&valid(3), "maxCnxns");
    let refuses = |observed: &mut Observed, revision: &str| {
        settings_of(observed, 2).as_mut().unwrap().refused = Some(ReportedRefusal {
            revision: Some(revision.to_owned()),
            error: "zoo.cfg:9: maxCnxns=x: not a whole number".to_owned(),
        });
    };
    // That of an earlier file is none of these settings.
    refuses(&mut observed, "another");
    let plan = whole(&ensemble, &observed, now());
    assert_eq!(said(&plan, condition_type::DEGRADED).0, Truth::False);
    refuses(&mut observed, &settings_revision(&ensemble));
    let plan = whole(&ensemble, &observed, now());
    for kind in [
        condition_type::DEGRADED,
        condition_type::READY,
        condition_type::PROGRESSING,
    ] {
        let (truth, reason, message) = said(&plan, kind);
        assert_eq!(
            (truth == Truth::True, reason),
            (kind == "Degraded", "SettingsRefused")
        );
        let who = "demo-voter-1 refuses its settings: zoo.cfg:9: maxCnxns=x: not a whole number;";
        assert!(message.starts_with(who), "{message}");
    }
    assert_eq!(plan.operation, None);
    let outdated = observed.clone().outdated(&[1, 3]);
    assert!(
        whole(&valid(3), &healthy(&valid(3), 2).outdated(&[1]), now())
            .step
            .is_some()
    );
    let plan = whole(&ensemble, &outdated, now());
    assert_eq!(plan.step, None);
    let (_, _, message) = said(&plan, condition_type::PROGRESSING);
    assert_eq!(
        message,
        "2 voters to restart; waits until no server refuses its settings"
    );
    // One that does not run loses nothing.
    let plan = whole(&ensemble, &outdated.crashing(3), now());
    assert!(plan.step.is_some());
    // Taking it back heals.
    let plan = whole(&valid(3), &observed, now());
    assert_eq!(said(&plan, condition_type::READY).1, "Converged");
}

#[test]
fn servers_that_take_too_long_are_named() {
    let (mut ensemble, mut observed) = changed(&valid(3), "maxCnxns");
    for id in [1, 2] {
        let wanted = settings_revision(&ensemble);
        settings_of(&mut observed, id).as_mut().unwrap().revision = wanted;
    }
    let mut degraded_after = |kind: &str, seconds| {
        ensemble.operation = Some(Operation {
            kind: kind.to_owned(),
            step: String::new(),
            started_at: Some(Time(seconds_ago(seconds))),
        });
        let plan = whole(&ensemble, &observed, now());
        let operation = plan.operation.clone().map(|operation| operation.kind);
        assert_eq!(operation.as_deref(), Some("ChangingSettings"));
        let (truth, reason, message) = said(&plan, condition_type::DEGRADED);
        (truth == Truth::True).then(|| format!("{reason}: {message}"))
    };
    assert_eq!(degraded_after("ChangingSettings", TAKEN_WITHIN_S), None);
    assert_eq!(degraded_after("ScalingUp", TAKEN_WITHIN_S + 1), None);
    let late = degraded_after("ChangingSettings", TAKEN_WITHIN_S + 1).unwrap();
    let named = "SettingsNotTaken: demo-voter-2 has not taken its settings within 5 min";
    assert!(late.starts_with(named), "{late}");
}

#[test]
fn pods_from_an_older_template_that_refuse_the_file_of_the_new_one_are_restarted() {
    let (ensemble, observed) = changed(&valid(3), "maxClientCnxns");
    let wanted = settings_revision(&ensemble);
    let refuses = |observed: &mut Observed, id: u8| {
        let settings = settings_of(observed, id).as_mut().unwrap();
        settings.refused = Some(ReportedRefusal {
            revision: Some(wanted.clone()),
            error: "ssl.keyStore.location=/tls is not there".to_owned(),
        });
    };
    let mut older = observed.clone().outdated(&[1, 2, 3]);
    for id in [1, 2, 3] {
        refuses(&mut older, id);
    }
    let plan = whole(&ensemble, &older, now());
    assert!(plan.step.is_some(), "{:?}", plan.conditions);
    assert_ne!(said(&plan, condition_type::DEGRADED).1, "SettingsRefused");
    // One from the new template that refuses it stops everything.
    let mut newer = observed.outdated(&[1, 2]);
    refuses(&mut newer, 3);
    let plan = whole(&ensemble, &newer, now());
    assert_eq!(plan.step, None);
    assert_eq!(said(&plan, condition_type::DEGRADED).1, "SettingsRefused");
}
