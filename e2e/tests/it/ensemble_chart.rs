//! The chart of one ensemble without a cluster: lint, renders that are kept in
//! `charts/quorate-ensemble/tests/renders`, and values that Helm must refuse. `QUORATE_BLESS=1` writes the
//! renders anew; read them before they are committed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, ensure};

use crate::helm::{chart, helm};

/// What begins the first line of values that are to be refused; the rest is what Helm has to say.
const SAYS: &str = "# says: ";

const CHART: &str = "quorate-ensemble";

fn ran(words: &[&str], values: Option<&Path>) -> Result<Output> {
    let mut command = helm()?;
    command.args(words).arg(chart(CHART));
    if let Some(values) = values {
        command.arg("--values").arg(values);
    }
    Ok(command.output()?)
}

/// Renders the manifest and the notes; both in one text, or the words of the refusal.
fn render(values: &Path) -> Result<Result<String, String>> {
    let words = [
        "install",
        "orders",
        "--namespace",
        "shop",
        "--dry-run=client",
    ];
    let output = ran(&words, Some(values))?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let printed = String::from_utf8(output.stdout)?;
    // What stands before is about the release, with the time.
    let at = printed
        .find("HOOKS:")
        .context("no hooks in what Helm printed")?;
    Ok(Ok(printed.get(at..).unwrap_or_default().to_owned()))
}

fn values_in(directory: &str) -> Result<Vec<PathBuf>> {
    let directory = chart(CHART).join("tests").join(directory);
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("yaml")) {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "no values in {}", directory.display());
    Ok(files)
}

#[test]
fn lint_has_nothing_to_say() -> Result<()> {
    let output = ran(&["lint", "--strict"], None)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

#[test]
fn renders_are_as_they_were() -> Result<()> {
    for values in values_in("renders")? {
        let rendered = render(&values)?.map_err(anyhow::Error::msg)?;
        let golden = values.with_extension("golden");
        if std::env::var_os("QUORATE_BLESS").is_some() {
            fs::write(&golden, &rendered)?;
        }
        let kept = fs::read_to_string(&golden).unwrap_or_default();
        ensure!(
            kept == rendered,
            "{} is otherwise now:\n{rendered}",
            golden.display()
        );
    }
    Ok(())
}

#[test]
fn wrong_values_are_refused_by_helm() -> Result<()> {
    for values in values_in("refused")? {
        let text = fs::read_to_string(&values)?;
        let first = text.lines().next().and_then(|line| line.strip_prefix(SAYS));
        let says = first.with_context(|| format!("{}: no {SAYS:?}", values.display()))?;
        match render(&values)? {
            Ok(_) => anyhow::bail!("{} was taken", values.display()),
            Err(words) => ensure!(words.contains(says), "{}: {words}", values.display()),
        }
    }
    Ok(())
}
