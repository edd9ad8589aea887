//! What the chart brings for Prometheus and Grafana: the committed renders of it, and what its rules and
//! dashboards ask for.
//!
//! The rules for a Prometheus of one's own are in `deploy/monitoring/rules.yaml`, the dashboards in
//! `charts/quorate-operator/dashboards`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Deserialize;

use crate::progress::Progress;
use crate::tools::{clients, debian};

/// The chart, rendered by Helm.
pub mod chart;
/// The dashboards and what they ask for.
pub mod dashboards;
/// Queries: the names of metrics in them.
pub mod promql;

/// The rules as Prometheus reads them without an operator of its own.
pub const RULES: &str = "deploy/monitoring/rules.yaml";

/// A configuration of Prometheus that scrapes servers and operators, and reads the rules.
pub const PROMETHEUS: &str = "deploy/monitoring/prometheus.yaml";

/// The pages about alerts.
pub const RUNBOOKS: &str = "docs/runbooks";

/// The directory of promtool's tests of the rules: for each alert a file of its name, and others.
pub const RULE_TESTS: &str = "e2e/monitoring/rules";

/// The metrics that rules and dashboards may ask for, one a line.
pub const METRICS: &str = "e2e/monitoring/metrics.txt";

/// Queries that were written for Apache's servers, one a line.
pub const APACHE: &str = "e2e/monitoring/apache.txt";

/// A file of rules.
#[derive(Debug, Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// One rule: an alert, or a recording.
#[derive(Debug, Deserialize)]
pub struct Rule {
    /// The name of an alert.
    pub alert: Option<String>,
    /// The name of what is recorded.
    pub record: Option<String>,
    /// The query.
    pub expr: String,
    /// Labels that are added.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Texts for people.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Rule {
    /// The name of the alert or of what is recorded.
    pub fn name(&self) -> String {
        let name = self.alert.as_ref().or(self.record.as_ref());
        name.cloned().unwrap_or_default()
    }
}

/// What the hand tool does.
#[derive(Subcommand)]
pub enum Job {
    /// Write the renders of the chart that are committed.
    Write,
    /// Print every query of the rules and dashboards: where it is, and itself, with a tab between.
    Expressions,
}

/// Carries out a job.
///
/// # Errors
/// When a tool is missing, or a file cannot be read or written.
pub fn run(progress: &Progress, job: &Job) -> Result<()> {
    match job {
        Job::Write => {
            let helm = clients::helm(progress)?;
            for (path, text) in chart::committed(&helm)? {
                fs::write(file(path), text).with_context(|| format!("cannot write {path}"))?;
            }
        }
        Job::Expressions => {
            for (place, expression) in expressions()? {
                let words: Vec<_> = expression.split_whitespace().collect();
                println!("{place}\t{}", words.join(" "));
            }
        }
    }
    Ok(())
}

/// Finds promtool, or brings it.
///
/// # Errors
/// When it is not there and cannot be got from Debian.
pub fn promtool(progress: &Progress) -> Result<PathBuf> {
    debian::promtool(progress)
}

/// A file or directory of this checkout.
pub fn file(path: impl AsRef<Path>) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.parent().unwrap_or(&root).join(path)
}

/// The text of a file of this checkout.
///
/// # Errors
/// When it cannot be read.
pub fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = file(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The names of the files in a directory of this checkout, sorted.
///
/// # Errors
/// When it cannot be read.
pub fn names(directory: &str) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(file(directory)).with_context(|| format!("cannot read {directory}"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The rules, as they are committed.
///
/// # Errors
/// When they cannot be read.
pub fn rules() -> Result<Vec<Rule>> {
    let file: RuleFile = serde_saphyr::from_str(&text(RULES)?).context(RULES)?;
    Ok(file.groups.into_iter().flat_map(|g| g.rules).collect())
}

/// Every query of the rules and dashboards, with where it is.
///
/// # Errors
/// When a file cannot be read or is laid out otherwise than expected.
pub fn expressions() -> Result<Vec<(String, String)>> {
    let rules = rules()?.into_iter();
    let mut all: Vec<_> = rules.map(|rule| (rule.name(), rule.expr)).collect();
    for name in names(dashboards::DIRECTORY)? {
        let dashboard = dashboards::read(&name)?;
        let queries = dashboards::queries(&dashboard);
        all.extend(
            queries
                .into_iter()
                .map(|(panel, query)| (format!("{name}: {panel}"), query)),
        );
    }
    Ok(all)
}
