//! The test suites that others wrote for ZooKeeper's clients, and Kafka, run against three servers
//! of Apache's and three of ours: whatever passes there must pass here.
//!
//! The suites run as they are released; how each is brought to start other servers than its own is
//! told in its module. Programs of ours that this takes are in `e2e/suites`.

pub mod curator;
pub mod go;
pub mod junit;
pub mod kafka;
pub mod kazoo;
pub mod place;
pub mod record;
pub mod report;
pub mod verdict;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::peers::Kind;
use crate::progress::Progress;
use place::Place;
use report::Comparison;
use verdict::{Verdict, Verdicts, failed};

/// How often tests that failed run again: their own time limits are for machines that do nothing
/// else, and one that never passes fails anyway.
const REPEATS: usize = 2;

/// Whose tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// kazoo, the Python client.
    Kazoo,
    /// The Go client go-zookeeper/zk.
    Go,
    /// Apache Curator's recipes.
    Curator,
    /// Apache Kafka in ZooKeeper mode.
    Kafka,
}

impl Suite {
    /// Its name in records and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kazoo => "kazoo",
            Self::Go => "go",
            Self::Curator => "curator",
            Self::Kafka => "kafka",
        }
    }
}

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Which suites.
    #[arg(
        long = "suite",
        value_enum,
        value_delimiter = ',',
        default_value = "kazoo,go,curator,kafka"
    )]
    pub suites: Vec<Suite>,
    /// Which servers; for Apache's, if they are not named, the record in e2e/suites/apache counts.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "apache,quorate"
    )]
    pub kinds: Vec<Kind>,
    /// Run only the tests of these names.
    #[arg(long = "test")]
    pub tests: Vec<String>,
    /// Write what Apache's servers did as the new record.
    #[arg(long)]
    pub record: bool,
    /// Write the tables to this file, too.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Runs the suites and prints the tables.
///
/// # Errors
/// When a suite cannot run, or a test passes on Apache's servers and not on ours.
pub fn run(progress: &Progress, plan: &Plan) -> Result<()> {
    let mut comparisons = Vec::new();
    for suite in &plan.suites {
        comparisons.push(compare(progress, *suite, plan)?);
    }
    let mut text = String::from("| suite | Apache 3.9.5 | Quorate |\n|---|---|---|\n");
    for comparison in &comparisons {
        text.push_str(&comparison.row());
        text.push('\n');
    }
    for exceptions in comparisons.iter().filter_map(Comparison::exceptions) {
        text.push('\n');
        text.push_str(&exceptions);
    }
    print!("{text}");
    if let Some(out) = &plan.out {
        fs::write(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
    }
    let worse: Vec<String> = comparisons
        .iter()
        .flat_map(|c| {
            c.regressions()
                .into_iter()
                .map(|name| format!("{}: {name}", c.suite))
        })
        .collect();
    if plan.kinds.contains(&Kind::Quorate) && !worse.is_empty() {
        bail!(
            "{} tests pass on Apache's servers and not on ours:\n{}",
            worse.len(),
            worse.join("\n")
        );
    }
    Ok(())
}

fn compare(progress: &Progress, suite: Suite, plan: &Plan) -> Result<Comparison> {
    let only = (!plan.tests.is_empty()).then_some(plan.tests.as_slice());
    let mut apache = None;
    let mut quorate = Verdicts::new();
    for kind in &plan.kinds {
        let verdicts = with_repeats(progress, suite, *kind, only)?;
        match kind {
            Kind::Quorate => quorate = verdicts,
            Kind::Apache => {
                if plan.record {
                    record::write(suite.name(), &verdicts)?;
                }
                apache = Some(verdicts);
            }
        }
    }
    let mut apache = match apache {
        Some(verdicts) => verdicts,
        None => record::read(suite.name())?,
    };
    if only.is_some() {
        apache.retain(|name, _| plan.tests.contains(name));
    }
    Ok(Comparison {
        suite: suite.name(),
        apache,
        quorate,
    })
}

/// Runs a suite, and the tests that failed again.
///
/// # Errors
/// When it cannot run.
pub fn with_repeats(
    progress: &Progress,
    suite: Suite,
    kind: Kind,
    only: Option<&[String]>,
) -> Result<Verdicts> {
    progress.say(format!("{} on {}", suite.name(), kind.name()));
    if suite == Suite::Kafka {
        return kafka::run(progress, kind);
    }
    let place = Place::new(kind)?;
    let once = |only: Option<&[String]>| match suite {
        Suite::Kazoo => kazoo::run(progress, &place, only),
        Suite::Go => go::run(progress, &place, only),
        Suite::Curator | Suite::Kafka => curator::run(progress, &place, only),
    };
    let mut verdicts = once(only)?;
    for _ in 0..REPEATS {
        let again = failed(&verdicts);
        if again.is_empty() {
            return Ok(verdicts);
        }
        progress.say(format!("once more: {}", again.join(", ")));
        for (name, verdict) in once(Some(&again))? {
            // Those that run along with the wanted ones had passed already.
            if verdict == Verdict::Passed || !verdicts.contains_key(&name) {
                verdicts.insert(name, verdict);
            }
        }
    }
    if !failed(&verdicts).is_empty() {
        progress.say(format!(
            "reports and logs are kept in {}",
            place.keep().display()
        ));
    }
    Ok(verdicts)
}
