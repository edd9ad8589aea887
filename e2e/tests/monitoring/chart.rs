//! The chart renders what is committed, and refuses values that it would ignore.

use std::process::Command;

use quorate_e2e::monitoring::chart::{CHART, EVERYTHING, committed, lint, render};
use quorate_e2e::monitoring::{file, text};

use crate::{helm, refused};

#[test]
fn helm_finds_no_mistakes() {
    let everything = file(EVERYTHING).display().to_string();
    for values in [vec![], vec!["--values", &everything]] {
        lint(helm(), &values).unwrap();
    }
}

#[test]
fn renders_are_those_that_are_committed() {
    for (path, rendered) in committed(helm()).unwrap() {
        assert!(
            text(path).unwrap() == rendered,
            "{path} is not what the chart renders now: look at `./run rendered && git diff {path}`"
        );
    }
}

/// Everything of the kinds of other projects is off unless it is asked for.
#[test]
fn nothing_is_needed_that_a_cluster_may_not_have() {
    let plain = render(helm(), &[]).unwrap();
    for kind in ["PodMonitor", "PrometheusRule", "grafana_dashboard"] {
        assert!(!plain.contains(kind), "{kind}");
    }
}

#[test]
fn values_that_would_be_ignored_are_refused() {
    let cases = [
        (
            "monitoring.rule.enabled=true",
            "additional properties 'rule' not allowed",
        ),
        ("monitoring.rules.enabled=yes", "/monitoring/rules/enabled"),
        (
            "monitoring.podMonitor.interval=30",
            "/monitoring/podMonitor/interval",
        ),
        (
            "monitoring.podMonitor.labels.a=1",
            "/monitoring/podMonitor/labels/a",
        ),
        (
            "monitoring.rules.runbookBaseUrl=wiki",
            "/monitoring/rules/runbookBaseUrl",
        ),
        (
            "monitoring.rules.thresholds.noLeader.for=soon",
            "'soon' does not match pattern",
        ),
        (
            "monitoring.rules.thresholds.noLeader.seconds=3",
            "additional properties 'seconds' not allowed",
        ),
        (
            "monitoring.rules.thresholds.noLeaders.for=1m",
            "additional properties 'noLeaders' not allowed",
        ),
        (
            "monitoring.rules.thresholds.diskWillFill.ratio=15",
            "/monitoring/rules/thresholds/diskWillFill/ratio",
        ),
        (
            "monitoring.rules.enabled=true,monitoring.rules.disabled={ZkNope}",
            "there is no alert ZkNope; the alerts are",
        ),
        (
            "monitoring.rules.enabled=true,monitoring.rules.thresholds.noLeader=null",
            "no threshold for $(noLeader.for)",
        ),
        (
            "monitoring.dashboards.folders=a",
            "additional properties 'folders' not allowed",
        ),
        ("replica=3", "additional properties 'replica' not allowed"),
        ("replicas=three", "/replicas"),
    ];
    for (set, message) in cases {
        let mut command = Command::new(helm());
        let command = command.args(["template", "quorate"]).arg(file(CHART));
        let error = refused(command.args(["--set", set]));
        assert!(error.contains(message), "{set}: {error}");
    }
}

#[test]
fn thresholds_labels_and_addresses_come_from_the_values() {
    let rules = |set: &str| {
        let on = format!("monitoring.rules.enabled=true,{set}");
        let only = "templates/prometheusrule.yaml";
        render(helm(), &["--show-only", only, "--set", &on]).unwrap()
    };
    let contains = |set: &str, text: &str| assert!(rules(set).contains(text), "{set}: {text}");
    contains("monitoring.rules.thresholds.fsyncSlow.seconds=1", ") > 1\n");
    contains(
        "monitoring.rules.thresholds.snapshotStale.transactions=5000000",
        "_since_last) > 5000000\n",
    );
    contains("monitoring.rules.thresholds.quorumLost.for=3m", "for: 3m\n");
    contains("monitoring.rules.labels.team=a", "    team: a\nspec:");
    contains(
        "monitoring.rules.runbookBaseUrl=https://w.example/r/",
        "runbook_url: https://w.example/r/ZkNoLeader.md\n",
    );
    let without = rules("monitoring.rules.disabled={ZkFsyncSlow}");
    assert!(!without.contains("ZkFsyncSlow") && without.contains("ZkDiskWillFill"));
}
