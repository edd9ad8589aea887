//! The samples as text: `/metrics`, `mntr`, `/commands/monitor`.
//!
//! Source: `DefaultMetricsProvider` and `PrometheusMetricsProvider` of Apache ZooKeeper 3.9, whose
//! two spellings differ.

use std::fmt::Write as _;

use super::members::of_member;
use super::own::{self, Own};
use super::samples::{Detail, Sample, Series, of_process, while_serving};
use super::values::ratio_text;
use super::{Counter, Histogram, Summary};
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
    let mut out = String::with_capacity(64 * 1024);
    let process = of_process(&monitor.metrics);
    for sample in process
        .iter()
        .chain(&while_serving(monitor))
        .chain(&of_member(monitor))
    {
        let (name, kind) = match sample {
            Sample::Gauge(name, _) | Sample::Text(name, _) | Sample::Gauges(name, _) => {
                (name, "gauge")
            }
            Sample::Counter(name, _)
            | Sample::Zero(name)
            | Sample::Counters(name, ..)
            | Sample::Seconds(name, _) => (name, "counter"),
            Sample::Summary(name, ..) => (name, "summary"),
            Sample::Histogram(name, _) => (name, "histogram"),
        };
        let own = own::find(name);
        debug_assert!(own.is_none_or(|own| has_labels_of(sample, own)), "{name}");
        let help = match own {
            // Apache says nothing but the name.
            None => (*name).to_owned(),
            Some(own) if own.unit.is_empty() => own.help.to_owned(),
            Some(own) => format!("{} ({})", own.help, own.unit),
        };
        let kind = own.map_or(kind, |own| own.kind.name());
        let family = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        debug_assert!(family.is_ok(), "writing to a String");
        for (key, value) in prometheus_lines(sample) {
            let line = writeln!(out, "{key} {value}");
            debug_assert!(line.is_ok(), "writing to a String");
        }
    }
    out
}

/// Whether a metric has the labels that are promised.
fn has_labels_of(sample: &Sample<'_>, own: &Own) -> bool {
    match sample {
        Sample::Counters(_, label, _) => own.labels == [*label],
        Sample::Gauges(_, series) => series.iter().all(|series| {
            let labels = series.labels.iter();
            labels.map(|(label, _)| label).eq(own.labels)
        }),
        Sample::Gauge(..)
        | Sample::Text(..)
        | Sample::Counter(..)
        | Sample::Zero(_)
        | Sample::Seconds(..)
        | Sample::Histogram(..)
        | Sample::Summary(..) => own.labels.is_empty(),
    }
}

/// A value of a label between its quotes.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

fn labelled(name: &str, series: &Series) -> (String, String) {
    let labels = series.labels.iter();
    let labels: Vec<String> = labels
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
        .collect();
    let key = if labels.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", labels.join(","))
    };
    (key, series.value.clone())
}

fn prometheus_lines(sample: &Sample<'_>) -> Vec<(String, String)> {
    let one = |name: &str, value: String| vec![(name.to_owned(), value)];
    match sample {
        Sample::Gauge(name, value) => one(name, value.to_string()),
        Sample::Text(name, value) => one(name, value.clone()),
        Sample::Counter(name, counter) => one(name, counter.value().to_string()),
        Sample::Zero(name) => one(name, "0".into()),
        Sample::Seconds(name, ms) => one(name, ratio_text(ms.saturating_mul(1000))),
        Sample::Gauges(name, series) => series.iter().map(|s| labelled(name, s)).collect(),
        Sample::Counters(name, label, kinds) => {
            let series = |(kind, counter): &(&str, &Counter)| {
                labelled(name, &Series::new(&[(label, kind)], counter.value()))
            };
            kinds.iter().map(series).collect()
        }
        Sample::Histogram(name, histogram) => histogram_lines(name, histogram),
        Sample::Summary(name, detail, summary) => summary_lines(name, *detail, *summary),
    }
}

fn histogram_lines(name: &str, histogram: &Histogram) -> Vec<(String, String)> {
    let buckets = histogram.buckets();
    let bucket = |le: &str, n: u64| (format!("{name}_bucket{{le=\"{le}\"}}"), n.to_string());
    let upto = buckets.upto.iter();
    let mut lines: Vec<_> = upto.map(|(us, n)| bucket(&ratio_text(*us), *n)).collect();
    lines.push(bucket("+Inf", buckets.count));
    lines.push((format!("{name}_sum"), ratio_text(buckets.sum_us)));
    lines.push((format!("{name}_count"), buckets.count.to_string()));
    lines
}

fn summary_lines(name: &str, detail: Detail, summary: Option<&Summary>) -> Vec<(String, String)> {
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

/// What `mntr` can say of a metric with labels: its sum, and each kind under a name of its own. Who reads
/// `mntr` knows no braces.
fn flat_lines(sample: &Sample<'_>) -> Option<Vec<(String, String)>> {
    match sample {
        Sample::Counters(name, _, kinds) => {
            let sum: u64 = kinds.iter().map(|(_, counter)| counter.value()).sum();
            let stem = name.trim_end_matches("_total");
            let kinds = kinds.iter();
            let each = kinds.map(|(kind, counter)| {
                let key = format!("{stem}_{kind}_total");
                (key, counter.value().to_string())
            });
            let all = ((*name).to_owned(), sum.to_string());
            Some(std::iter::once(all).chain(each).collect())
        }
        Sample::Gauges(..) | Sample::Histogram(..) => Some(Vec::new()),
        Sample::Gauge(..)
        | Sample::Text(..)
        | Sample::Counter(..)
        | Sample::Zero(_)
        | Sample::Seconds(..)
        | Sample::Summary(..) => None,
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
    let spelled: fn(&Sample<'_>) -> Vec<(String, String)> = match &monitor.settings.metrics {
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
        .flat_map(|sample| flat_lines(sample).unwrap_or_else(|| spelled(sample)))
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
    fn labels_are_escaped() {
        let series = Series::new(&[("a", "x\\\"\n"), ("b", "")], 7);
        let (key, value) = labelled("m", &series);
        assert_eq!(
            (key.as_str(), value.as_str()),
            (r#"m{a="x\\\"\n",b=""}"#, "7")
        );
    }

    #[test]
    fn labelled_counters_are_flat_where_braces_are_not_known() {
        let [one, two] = [1, 2].map(|n| {
            let counter = Counter::default();
            counter.add(n);
            counter
        });
        let sample = Sample::Counters("zk_x_total", "cause", vec![("a", &one), ("b", &two)]);
        let own = |lines: Vec<(String, String)>| -> Vec<String> {
            let lines = lines.into_iter();
            lines.map(|(key, value)| format!("{key} {value}")).collect()
        };
        assert_eq!(
            own(prometheus_lines(&sample)),
            [r#"zk_x_total{cause="a"} 1"#, r#"zk_x_total{cause="b"} 2"#]
        );
        assert_eq!(
            own(flat_lines(&sample).unwrap()),
            ["zk_x_total 3", "zk_x_a_total 1", "zk_x_b_total 2"]
        );
    }

    #[test]
    fn histograms_are_cumulative_and_in_seconds() {
        let histogram = Histogram::default();
        histogram.observe(std::time::Duration::from_micros(2500));
        let lines = histogram_lines("h", &histogram);
        let line = |at: usize| format!("{} {}", lines[at].0, lines[at].1);
        assert_eq!(line(0), r#"h_bucket{le="0.0001"} 0"#);
        assert_eq!(line(4), r#"h_bucket{le="0.0025"} 1"#);
        let end: Vec<String> = (lines.len() - 3..lines.len()).map(line).collect();
        assert_eq!(
            end,
            [r#"h_bucket{le="+Inf"} 1"#, "h_sum 0.0025", "h_count 1"]
        );
    }

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
