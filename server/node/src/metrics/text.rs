//! The samples as text: `/metrics`, `mntr`, `/commands/monitor`.
//!
//! Source: `DefaultMetricsProvider` and `PrometheusMetricsProvider` of Apache ZooKeeper 3.9, whose
//! two spellings differ.

use std::fmt::Write as _;

use super::Summary;
use super::samples::{Detail, Sample, of_member, of_process, while_serving};
use crate::config::MetricsProvider;
use crate::monitor::Monitor;

/// Quantiles of Prometheus's provider: the label, and how many of a thousand are below.
const PROMETHEUS_QUANTILES: [(&str, u64); 3] = [("0.5", 500), ("0.9", 900), ("0.99", 990)];

/// Quantiles of the default provider.
const DEFAULT_QUANTILES: [(&str, u64); 4] =
    [("p50", 500), ("p95", 950), ("p99", 990), ("p999", 999)];

/// The page `/metrics`, in the text format of Prometheus.
#[must_use]
pub fn prometheus_text(monitor: &Monitor) -> String {
    let mut out = String::with_capacity(32 * 1024);
    let process = of_process(&monitor.metrics);
    for sample in process
        .iter()
        .chain(&while_serving(monitor))
        .chain(&of_member(monitor))
    {
        let (name, kind) = match sample {
            Sample::Gauge(name, _) | Sample::Text(name, _) => (name, "gauge"),
            Sample::Counter(name, _) | Sample::Zero(name) => (name, "counter"),
            Sample::Summary(name, ..) => (name, "summary"),
        };
        let family = writeln!(out, "# HELP {name} {name}\n# TYPE {name} {kind}");
        debug_assert!(family.is_ok(), "writing to a String");
        for (key, value) in prometheus_lines(sample) {
            let line = writeln!(out, "{key} {value}");
            debug_assert!(line.is_ok(), "writing to a String");
        }
    }
    out
}

fn prometheus_lines(sample: &Sample<'_>) -> Vec<(String, String)> {
    let one = |name: &str, value: String| vec![(name.to_owned(), value)];
    match sample {
        Sample::Gauge(name, value) => one(name, value.to_string()),
        Sample::Text(name, value) => one(name, value.clone()),
        Sample::Counter(name, counter) => one(name, counter.value().to_string()),
        Sample::Zero(name) => one(name, "0".into()),
        Sample::Summary(name, detail, summary) => {
            let shown = match detail {
                Detail::Basic => 1,
                Detail::Advanced => PROMETHEUS_QUANTILES.len(),
            };
            let count = summary.map_or(0, Summary::count);
            let mut lines = Vec::new();
            for (label, per_mille) in PROMETHEUS_QUANTILES.into_iter().take(shown) {
                let value = match summary.filter(|s| s.count() > 0) {
                    Some(summary) => summary.quantile(per_mille).to_string(),
                    None => "NaN".into(),
                };
                lines.push((format!("{name}{{quantile=\"{label}\"}}"), value));
            }
            lines.push((format!("{name}_count"), count.to_string()));
            let sum = summary.map_or(0, Summary::sum);
            lines.push((format!("{name}_sum"), sum.to_string()));
            lines
        }
    }
}

fn default_lines(sample: &Sample<'_>) -> Vec<(String, String)> {
    let Sample::Summary(name, detail, summary) = sample else {
        return prometheus_lines(sample);
    };
    let number = |of: fn(&Summary) -> u64| summary.map_or(0, of).to_string();
    let mean = summary.map_or_else(|| "0.0".into(), Summary::mean_text);
    let mut lines = vec![
        (format!("avg_{name}"), mean),
        (format!("min_{name}"), number(Summary::min)),
        (format!("max_{name}"), number(Summary::max)),
        (format!("cnt_{name}"), number(Summary::count)),
        (format!("sum_{name}"), number(Summary::sum)),
    ];
    if *detail == Detail::Advanced {
        for (label, per_mille) in DEFAULT_QUANTILES {
            let value = summary.map_or(0, |s| s.quantile(per_mille));
            lines.push((format!("{label}_{name}"), value.to_string()));
        }
    }
    lines
}

/// Names and values as the configured provider spells them, without a prefix.
#[must_use]
pub fn values(monitor: &Monitor) -> Vec<(String, String)> {
    let lines: fn(&Sample<'_>) -> Vec<(String, String)> = match &monitor.settings.metrics {
        MetricsProvider::Default => default_lines,
        MetricsProvider::Prometheus { .. } => |sample| {
            let decimal = |(key, value): (String, String)| (key, with_decimals(&value));
            prometheus_lines(sample).into_iter().map(decimal).collect()
        },
        MetricsProvider::Null => return Vec::new(),
    };
    let process = of_process(&monitor.metrics);
    while_serving(monitor)
        .iter()
        .chain(&process)
        .chain(&of_member(monitor))
        .flat_map(lines)
        .map(|(key, value)| match key.strip_prefix("zk_") {
            Some(own) => (own.to_owned(), value),
            None => (key, value),
        })
        .collect()
}

/// The metric lines of `mntr`.
#[must_use]
pub fn mntr_lines(monitor: &Monitor) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for (key, value) in values(monitor) {
        let line = writeln!(out, "zk_{key}\t{value}");
        debug_assert!(line.is_ok(), "writing to a String");
    }
    out
}

/// A whole number as `Double.toString` of Java prints it: `20.0`, `1.795341026092E9`.
fn with_decimals(number: &str) -> String {
    let digits = number.trim_start_matches('-');
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return number.to_owned();
    }
    let sign = if number.starts_with('-') { "-" } else { "" };
    let (Some(first), Some(rest)) = (digits.get(..1), digits.get(1..)) else {
        return number.to_owned();
    };
    if digits.len() <= 7 {
        return format!("{number}.0");
    }
    let fraction = Some(rest.trim_end_matches('0')).filter(|f| !f.is_empty());
    format!("{sign}{first}.{}E{}", fraction.unwrap_or("0"), rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_java_does() {
        for (number, expected) in [
            ("20", "20.0"),
            ("-1", "-1.0"),
            ("9999999", "9999999.0"),
            ("10000000", "1.0E7"),
            ("1795341026092", "1.795341026092E12"),
            ("9.4324", "9.4324"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(with_decimals(number), expected);
        }
    }
}
