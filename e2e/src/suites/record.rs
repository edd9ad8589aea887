//! What a suite said about Apache's servers, kept in the repository: so a run of ours alone can be
//! held against it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::verdict::{Verdict, Verdicts};

/// Where the record of a suite is.
#[must_use]
pub fn path(suite: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("suites/apache")
        .join(format!("{suite}.txt"))
}

/// Reads the record of a suite: one line for each test, `passed NAME`, `failed NAME`.
///
/// # Errors
/// When there is none, or a line is no verdict.
pub fn read(suite: &str) -> Result<Verdicts> {
    let path = path(suite);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("no record of Apache's servers at {}", path.display()))?;
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (word, name) = line.split_once(' ').context("a line of one word")?;
            let verdict = match word {
                "passed" => Verdict::Passed,
                "failed" => Verdict::Failed(String::new()),
                "skipped" => Verdict::Skipped(String::new()),
                other => anyhow::bail!("{other} is no verdict"),
            };
            Ok((name.to_owned(), verdict))
        })
        .collect()
}

/// Writes the record of a suite.
///
/// # Errors
/// As the system's.
pub fn write(suite: &str, verdicts: &Verdicts) -> Result<()> {
    let mut text = String::from("# How each test ends against Apache ZooKeeper 3.9.5.\n");
    for (name, verdict) in verdicts {
        text.push_str(verdict.word());
        text.push(' ');
        text.push_str(name);
        text.push('\n');
    }
    fs::write(path(suite), text)?;
    Ok(())
}
