//! The dashboards are such that Grafana can take them as they are.

use std::collections::BTreeSet;

use quorate_e2e::monitoring::dashboards::{DIRECTORY, panels, queries, read};
use quorate_e2e::monitoring::names;
use serde_json::Value;

#[test]
fn dashboards_are_for_any_grafana() {
    let mut uids = BTreeSet::new();
    for name in names(DIRECTORY).unwrap() {
        let dashboard = read(&name).unwrap();
        let word = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        let uid = word(&dashboard, "uid");
        assert_eq!(format!("{uid}.json"), format!("quorate-{name}"));
        assert!(uids.insert(uid));
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let variables: Vec<_> = variables.iter().map(|v| word(v, "name")).collect();
        assert_eq!(
            variables[..3],
            ["datasource", "namespace", "ensemble"],
            "{name}"
        );
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = word(panel, "title");
            assert!(!title.is_empty(), "{name}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}");
            if word(panel, "type") == "row" {
                continue;
            }
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{name}: {title}");
            for source in targets.iter().chain([panel]) {
                assert_eq!(
                    source["datasource"]["uid"], "${datasource}",
                    "{name}: {title}"
                );
            }
        }
    }
}

/// Each query of a dashboard of ensembles is for the one that is chosen.
#[test]
fn queries_are_for_the_ensemble_that_is_chosen() {
    for name in ["ensemble.json", "member.json", "zones.json"] {
        for (panel, query) in queries(&read(name).unwrap()) {
            let chosen = query.contains("namespace=\"$namespace\", ensemble=\"$ensemble\"");
            assert!(chosen || panel.starts_with('$'), "{name}: {panel}: {query}");
        }
    }
}
