//! The rules: promtool takes them, each alert fires when it should, and planned work fires none.

use std::collections::BTreeSet;
use std::fs;

use quorate_e2e::monitoring::promql::metrics;
use quorate_e2e::monitoring::{
    METRICS, PROMETHEUS, RULE_TESTS, RULES, expressions, file, names, rules, text,
};
use serde::Deserialize;

use crate::{promtool, succeeds};

#[test]
fn promtool_takes_the_rules_and_the_configuration() {
    succeeds(promtool().args(["check", "rules"]).arg(file(RULES)));
    // Debian's promtool is built without Kubernetes: for it the pods are addresses.
    let mut configuration = text(PROMETHEUS).unwrap();
    while let Some((before, rest)) = configuration.split_once("    kubernetes_sd_configs:\n") {
        let (found, after) = rest.split_once("    relabel_configs:\n").unwrap();
        assert!(found.starts_with("      - role: pod\n        selectors:\n"));
        let addresses = "    static_configs: [{targets: [\"127.0.0.1:8080\"]}]\n";
        configuration = format!("{before}{addresses}    relabel_configs:\n{after}");
    }
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("prometheus.yaml");
    fs::write(&copy, configuration).unwrap();
    fs::copy(file(RULES), scratch.path().join("rules.yaml")).unwrap();
    succeeds(promtool().args(["check", "config"]).arg(copy));
}

#[test]
fn rules_fire_and_are_silent_as_told() {
    let files = names(RULE_TESTS).unwrap();
    let files = files.iter().map(|name| file(RULE_TESTS).join(name));
    succeeds(promtool().args(["test", "rules"]).args(files));
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<RuleTest>,
}

#[derive(Deserialize)]
struct RuleTest {
    #[serde(default)]
    alert_rule_test: Vec<Look>,
}

#[derive(Deserialize)]
struct Look {
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: std::collections::BTreeMap<String, String>,
}

/// Every alert has a file of tests: one fires for each severity, and one is silent throughout.
#[test]
fn each_alert_is_tried_both_ways() {
    let mut of = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
    for rule in rules().unwrap() {
        if let Some(alert) = rule.alert {
            let severity = rule.labels.get("severity").cloned().unwrap_or_default();
            assert!(
                ["critical", "warning", "info"].contains(&severity.as_str()),
                "{alert}: severity {severity:?}"
            );
            of.entry(alert).or_default().insert(severity);
        }
    }
    for (alert, severities) in of {
        let tests = text(format!("{RULE_TESTS}/{alert}.yaml")).unwrap();
        let tests: TestFile = serde_saphyr::from_str(&tests).unwrap();
        let looks = |test: &RuleTest| -> Vec<usize> {
            let looks = test.alert_rule_test.iter();
            looks
                .inspect(|look| assert_eq!(look.alertname, alert))
                .map(|look| look.exp_alerts.len())
                .collect()
        };
        let silent = |test: &&RuleTest| looks(test).iter().all(|alerts| *alerts == 0);
        assert!(
            tests.tests.iter().any(|test| silent(&test)),
            "{alert} is never silent"
        );
        let fired = tests.tests.iter().flat_map(|test| &test.alert_rule_test);
        let fired: BTreeSet<_> = fired
            .flat_map(|look| &look.exp_alerts)
            .filter_map(|expected| expected.exp_labels.get("severity").cloned())
            .collect();
        assert_eq!(fired, severities, "{alert}");
    }
}

/// What people and programs rely on: every alert says what, where and what to do.
#[test]
fn each_alert_has_its_texts() {
    for rule in rules().unwrap() {
        let Some(alert) = &rule.alert else { continue };
        for key in ["summary", "description", "runbook_url"] {
            let text = rule.annotations.get(key).map_or("", String::as_str);
            assert!(!text.is_empty(), "{alert} has no {key}");
        }
        let page = format!("/docs/runbooks/{alert}.md");
        assert!(rule.annotations["runbook_url"].ends_with(&page), "{alert}");
    }
}

/// Rules and dashboards ask for metrics that are served, and the list of these has no others.
#[test]
fn only_metrics_that_exist_are_asked_for() {
    let mut known = BTreeSet::new();
    let list = text(METRICS).unwrap();
    for line in list
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        match line.split_once(' ') {
            Some((name, "histogram")) => known.insert(name.to_owned()),
            Some((_, kind)) => panic!("{kind} is nothing that is known"),
            None => known.insert(line.to_owned()),
        };
    }
    let histogram = |name: &str| {
        let suffixes = ["_bucket", "_count", "_sum"];
        let stem = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        stem.filter(|stem| list.contains(&format!("\n{stem} histogram\n")))
            .map(str::to_owned)
    };
    let recorded: BTreeSet<_> = rules()
        .unwrap()
        .into_iter()
        .filter_map(|r| r.record)
        .collect();
    let mut asked = BTreeSet::new();
    for (place, expression) in expressions().unwrap() {
        for name in metrics(&expression) {
            if recorded.contains(&name) {
                continue;
            }
            let name = histogram(&name).unwrap_or(name);
            assert!(known.contains(&name), "{place}: {name} is not in {METRICS}");
            asked.insert(name);
        }
    }
    assert_eq!(known, asked, "{METRICS} has names that nobody asks for");
}

/// Each query of a dashboard is one that Prometheus can parse.
#[test]
fn promtool_takes_each_query() {
    let rules: Vec<_> = expressions()
        .unwrap()
        .into_iter()
        .enumerate()
        .map(|(number, (place, expr))| {
            let record = format!("query:{number}");
            serde_json::json!({"record": record, "expr": expr, "labels": {"place": place}})
        })
        .collect();
    assert!(rules.len() > 100, "{} queries", rules.len());
    let file = tempfile::NamedTempFile::new().unwrap();
    // JSON is YAML.
    let text = serde_json::json!({"groups": [{"name": "queries", "rules": rules}]});
    fs::write(file.path(), text.to_string()).unwrap();
    succeeds(promtool().args(["check", "rules"]).arg(file.path()));
}
