use anyhow::{Context, Result};
use serde_json::Value;

use super::text;

/// Where the dashboards are, one file each.
pub const DIRECTORY: &str = "charts/quorate-operator/dashboards";

/// Reads a dashboard by the name of its file.
///
/// # Errors
/// When it cannot be read or is no JSON.
pub fn read(name: &str) -> Result<Value> {
    let json = text(format!("{DIRECTORY}/{name}"))?;
    serde_json::from_str(&json).with_context(|| name.to_owned())
}

/// The panels, also those in rows.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = dashboard.get("panels").and_then(Value::as_array);
    outer
        .into_iter()
        .flatten()
        .flat_map(|panel| {
            let inner = panel.get("panels").and_then(Value::as_array);
            std::iter::once(panel).chain(inner.into_iter().flatten())
        })
        .collect()
}

/// Every query with the title of its panel, and those that list the values of a variable, each as Grafana
/// would send it: with times in the places of its own variables.
pub fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        let title = word(panel, "title");
        let targets = panel.get("targets").and_then(Value::as_array);
        for target in targets.into_iter().flatten() {
            found.push((title.clone(), sent(&word(target, "expr"))));
        }
    }
    let variables = dashboard
        .pointer("/templating/list")
        .and_then(Value::as_array);
    for variable in variables.into_iter().flatten() {
        let query = word(variable, "definition");
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.rsplit_once(','));
        if let Some((selector, _)) = inner {
            found.push((format!("${}", word(variable, "name")), sent(selector)));
        }
    }
    found
}

fn word(of: &Value, key: &str) -> String {
    let found = of.get(key).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn sent(query: &str) -> String {
    query
        .replace("$__rate_interval", "5m")
        .replace("$__range", "1h")
}
