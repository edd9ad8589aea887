//! What is scraped is what the status says, for as long as it says so.

use super::*;
use crate::ensemble::observe::Observed;
use crate::ensemble::plan::{Plan, plan};
use crate::ensemble::status::{latch, refusal, report};
use crate::ensemble::validate::ValidatedEnsemble;
use crate::fixtures::{ensemble, healthy, now, seconds_ago, valid, valid_with_observers};

/// The lines about ensembles that are scraped, without those of the buckets.
fn scraped(metrics: &Metrics) -> Vec<String> {
    let text = metrics.text().unwrap();
    let lines = text.lines().filter(|line| line.starts_with("zke_"));
    let lines = lines.filter(|line| !line.contains("_bucket"));
    lines.map(str::to_owned).collect()
}

/// Shows what follows from what was found, and returns the object with that status.
fn shown(
    metrics: &Metrics,
    mut object: ZkEnsemble,
    (ensemble, observed): (&ValidatedEnsemble, &Observed),
    when: Timestamp,
) -> (ZkEnsemble, Plan) {
    let plan = plan(ensemble, observed, when);
    let latched = latch(object.status.as_ref(), ensemble, &plan);
    let status = report(Some(&latched), ensemble, observed, &plan, None, when);
    let view = View {
        steps: plan.step.is_some(),
        found: Some((ensemble, observed)),
    };
    metrics.shows(&object, &status, &view, when);
    object.status = Some(status);
    (object, plan)
}

#[test]
fn an_ensemble_at_rest_is_shown_as_its_status_has_it() {
    let metrics = Metrics::new().unwrap();
    let three = valid_with_observers(3);
    let observed = healthy(&three, 2);
    let (object, _) = shown(&metrics, ensemble(3), (&three, &observed), now());
    let lines = scraped(&metrics);
    let status = object.status.unwrap();
    for condition in &status.conditions {
        let expected = format!(
            r#"zke_condition{{ensemble="demo",namespace="default",reason="{}",status="{}",type="{}"}} 1"#,
            condition.reason, condition.status, condition.type_
        );
        assert!(lines.contains(&expected), "{expected} in {lines:#?}");
    }
    let shown = lines.iter().filter(|l| l.starts_with("zke_condition"));
    assert_eq!(shown.count(), status.conditions.len());
    for expected in [
        r#"zke_member_info{ensemble="demo",member="2",namespace="default",pod="demo-voter-1",role="voter",zone="zone-2"} 1"#,
        r#"zke_member_info{ensemble="demo",member="32",namespace="default",pod="demo-observer-a-0",role="observer",zone="a"} 1"#,
        r#"zke_replicas_wanted{ensemble="demo",namespace="default",role="voter",zone=""} 3"#,
        r#"zke_replicas_ready{ensemble="demo",namespace="default",role="observer",zone="c"} 1"#,
        r#"zke_suspended{ensemble="demo",namespace="default"} 0"#,
    ] {
        assert!(
            lines.iter().any(|l| l == expected),
            "{expected} in {lines:#?}"
        );
    }
    for absent in ["zke_waiting", "zke_operation", "zke_certificate"] {
        assert!(!lines.iter().any(|l| l.starts_with(absent)), "{absent}");
    }
}

#[test]
fn an_operation_is_shown_while_it_lasts_and_measured_when_it_ends() {
    let metrics = Metrics::new().unwrap();
    let three = valid(3);
    let begins = healthy(&three, 2).outdated(&[1, 2, 3]);
    let seen = (&three, &begins);
    let (object, plan) = shown(&metrics, ensemble(3), seen, seconds_ago(50));
    assert!(plan.step.is_some());
    let goes = r#"zke_operation_in_progress{ensemble="demo",namespace="default",operation="RollingUpdate"} 1"#;
    let waits = r#"zke_waiting{ensemble="demo",namespace="default",reason="RollingOut"} 1"#;
    let lines = scraped(&metrics);
    assert!(lines.iter().any(|l| l == goes), "{lines:#?}");
    assert!(!lines.iter().any(|l| l.starts_with("zke_waiting")));
    let first_is_back = healthy(&three, 2).outdated(&[1, 2]).starting(3, 5);
    let seen = (&three, &first_is_back);
    let (object, _) = shown(&metrics, object, seen, seconds_ago(40));
    let lines = scraped(&metrics);
    assert!(lines.iter().any(|l| l == goes), "{lines:#?}");
    assert!(lines.iter().any(|l| l == waits), "{lines:#?}");
    // Another operator may end it: when it began is in the status.
    let next = Metrics::new().unwrap();
    let rests = healthy(&three, 2);
    shown(&next, object, (&three, &rests), now());
    let lines = scraped(&next);
    let took = r#"zke_operation_duration_seconds_sum{ensemble="demo",namespace="default",operation="RollingUpdate"} 50"#;
    assert!(lines.iter().any(|l| l == took), "{lines:#?}");
    assert!(!lines.iter().any(|l| l.starts_with("zke_operation_in")));
}

#[test]
fn nothing_is_left_of_an_ensemble_that_is_gone_or_that_another_operator_has() {
    let metrics = Metrics::new().unwrap();
    let three = valid(3);
    let outdated = healthy(&three, 2).outdated(&[1]);
    let show = || {
        let seen = (&three, &outdated);
        let (object, _) = shown(&metrics, ensemble(3), seen, seconds_ago(9));
        shown(&metrics, object, (&three, &healthy(&three, 2)), now());
        assert!(scraped(&metrics).iter().any(|l| l.contains("_sum")));
    };
    show();
    metrics.forget("other", "demo");
    assert!(!scraped(&metrics).is_empty());
    metrics.forget("default", "demo");
    assert_eq!(scraped(&metrics), Vec::<String>::new());
    show();
    metrics.leads(false);
    assert_eq!(scraped(&metrics), Vec::<String>::new());
}

#[test]
fn a_spec_that_is_refused_is_shown_as_such() {
    let metrics = Metrics::new().unwrap();
    let mut object = ensemble(3);
    object.spec.suspend = true;
    let status = refusal(&object, "InvalidSpec", "voters.replicas is 2", now());
    metrics.shows(&object, &status, &View::default(), now());
    metrics.refused("InvalidSpec");
    let text = metrics.text().unwrap();
    for expected in [
        r#"zke_condition{ensemble="demo",namespace="default",reason="InvalidSpec",status="True",type="Degraded"} 1"#,
        r#"zke_suspended{ensemble="demo",namespace="default"} 1"#,
        r#"quorate_operator_refusals_total{reason="InvalidSpec"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == expected), "{expected} in {text}");
    }
}

#[test]
fn a_certificate_is_shown_with_its_times() {
    use crate::ensemble::certificates::{Certificate, Certificates, Leaf, Seen};
    let metrics = Metrics::new().unwrap();
    let with_tls = crate::fixtures::valid_with_tls(None);
    let mut observed = healthy(&with_tls, 2);
    let certificate = Certificate {
        not_before: seconds_ago(100),
        not_after: seconds_ago(-100),
        names: std::collections::BTreeSet::new(),
    };
    observed.certificates = Some(Certificates {
        authority: Seen::Absent,
        leaf: Seen::Usable(Leaf {
            certificate,
            authorities: 1,
            trusted: true,
            trusted_since: None,
            signed: true,
        }),
        request: None,
    });
    shown(&metrics, ensemble(3), (&with_tls, &observed), now());
    let lines = scraped(&metrics);
    for (family, expected) in [("before", 1_799_999_900), ("after", 1_800_000_100)] {
        let start = format!("zke_certificate_not_{family}_seconds{{");
        let line = lines.iter().find(|l| l.starts_with(&start));
        let value: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(value, f64::from(expected));
    }
}
