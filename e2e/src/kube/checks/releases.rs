//! The operator's chart is uninstalled, installed in the version before this one, upgraded and changed, while an
//! ensemble works: no server notices.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::wishes::under_load;
use super::{Bench, READY_LIMIT};
use crate::kube::install::{CHART, again, remove, test, values};
use crate::kube::repository_file;
use crate::shell;

/// Commits of the chart that are looked at for another version.
const COMMITS_MAX: &str = "200";

/// The images of both versions are those that are on the cluster: what differs is all that Helm writes.
pub(super) fn chart_is_upgraded(bench: &Bench<'_>) -> Result<String> {
    let kubectl = bench.zke.kubectl;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let place = TempDir::new()?;
    let images = place.path().join("images.json");
    std::fs::write(&images, values(kubectl)?.to_string())?;
    let (version, before) = chart_before(place.path())?;
    let lives = bench.zke.lives()?;
    let figures = under_load(bench, "/releases", || {
        remove(kubectl)?;
        again(kubectl, &before, &images, &json!({}))?;
        bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
        let present = repository_file(CHART);
        again(kubectl, &present, &images, &json!({}))?;
        test(kubectl)?;
        let other = json!({ "replicas": 1, "log": { "filter": "debug" } });
        again(kubectl, &present, &images, &other)?;
        again(kubectl, &present, &images, &json!({}))?;
        remove(kubectl)?;
        again(kubectl, &present, &images, &json!({}))?;
        test(kubectl)?;
        bench.zke.wait_ready(bench.progress, READY_LIMIT)
    })?;
    let now = bench.zke.lives()?;
    ensure!(now == lives, "servers were restarted: {lives:?}, {now:?}");
    Ok(format!(
        "uninstalled, installed as {version}, upgraded, changed, changed back, uninstalled, installed: no server \
         was restarted; {figures}"
    ))
}

/// Puts the chart as it was before its present version into a directory; that version, and where it is.
fn chart_before(directory: &Path) -> Result<(String, PathBuf)> {
    let repository = repository_file("");
    let git =
        |words: &[&str]| shell::run(Command::new("git").arg("-C").arg(&repository).args(words));
    let file = format!("{CHART}/Chart.yaml");
    let present = version_in(&std::fs::read_to_string(repository_file(&file))?)?;
    let commits = git(&[
        "log",
        "--format=%H",
        "--max-count",
        COMMITS_MAX,
        "--",
        &file,
    ])?;
    for commit in commits.lines() {
        let version = version_in(&git(&["show", &format!("{commit}:{file}")])?)?;
        if version != present {
            let archive = directory.join("before.tar");
            let archive_word = archive.to_string_lossy();
            git(&["archive", "--output", &archive_word, commit, CHART])?;
            tar::Archive::new(std::fs::File::open(&archive)?).unpack(directory)?;
            return Ok((version, directory.join(CHART)));
        }
    }
    anyhow::bail!(
        "no commit has another version of {CHART} than {present}; is this a shallow clone?"
    )
}

fn version_in(chart: &str) -> Result<String> {
    let line = chart.lines().find_map(|line| line.strip_prefix("version:"));
    Ok(line.context("a chart without a version")?.trim().to_owned())
}
