//! The checker: porcupine, in a small program in Go, built once per state of its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{examples, record};
use crate::cache;
use crate::progress::Progress;
use crate::shell;
use crate::tools::go_compiler;

const SOURCES: [(&str, &str); 3] = [
    ("go.mod", include_str!("../../histories/go.mod")),
    ("go.sum", include_str!("../../histories/go.sum")),
    ("main.go", include_str!("../../histories/main.go")),
];

const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// What the checker says about one history.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) operations: usize,
    /// Those whose outcome is unknown.
    pub(super) open: usize,
    pub(super) keys: usize,
    verdict: String,
    #[serde(default)]
    bad: Vec<String>,
}

/// The program that checks.
#[derive(Debug)]
pub(super) struct Checker(PathBuf);

impl Checker {
    /// Builds it where it is not there, and sees that it refuses what it must.
    ///
    /// # Errors
    /// When there is no Go, or it takes bad histories for good ones.
    pub(super) fn ready(progress: &Progress, scratch: &Path) -> Result<Self> {
        let checker = Self(build(progress)?);
        let good = examples::good().into_iter().map(|example| (example, true));
        let bad = examples::bad().into_iter().map(|example| (example, false));
        for ((name, operations), is_good) in good.chain(bad) {
            let path = scratch.join(format!("example-{name}.jsonl"));
            record::write(&path, &operations)?;
            let accepted = checker.check(&path).is_ok();
            ensure!(
                accepted == is_good,
                "the checker is no good: it takes {name} for {}",
                if accepted { "right" } else { "wrong" }
            );
            fs::remove_file(&path)?;
        }
        Ok(checker)
    }

    /// Checks a history.
    ///
    /// # Errors
    /// When it is not linearizable, or the search does not end; a picture is then beside it.
    pub(super) fn check(&self, history: &Path) -> Result<Verdict> {
        let picture = history.with_extension("html");
        let output = Command::new(&self.0)
            .arg("-picture")
            .arg(&picture)
            .arg(history)
            .stdin(Stdio::null())
            .output()
            .context("cannot start the checker")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let verdict: Verdict = serde_json::from_str(text.trim()).with_context(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("the checker said {text:?} and {errors:?}")
        })?;
        if !output.status.success() {
            bail!(
                "{}: {}: {:?}",
                history.display(),
                verdict.verdict,
                verdict.bad
            );
        }
        Ok(verdict)
    }
}

fn build(progress: &Progress) -> Result<PathBuf> {
    let mut digest = Sha256::new();
    for (name, content) in SOURCES {
        digest.update(name);
        digest.update(content);
    }
    let key: String = digest
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let directory = cache::directory()?.join(format!("bin/histories-{key}"));
    let program = directory.join("histories");
    if program.is_file() {
        return Ok(program);
    }
    let go = go_compiler::ensure(progress)?;
    fs::create_dir_all(&directory)?;
    for (name, content) in SOURCES {
        fs::write(directory.join(name), content)?;
    }
    let partial = directory.join("partial");
    let mut command = Command::new(go);
    command
        .args(["build", "-trimpath", "-o"])
        .arg(&partial)
        .arg(".")
        .current_dir(&directory)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .env_remove("GOROOT");
    let log = directory.join("build.log");
    let what = "compiling the checker of histories";
    shell::run_logged(progress, what, &mut command, &log, BUILD_LIMIT)?;
    fs::rename(partial, &program)?;
    Ok(program)
}
