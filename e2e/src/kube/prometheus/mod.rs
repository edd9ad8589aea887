//! A Prometheus of Debian's beside the cluster: it scrapes servers and operators as the configuration that is
//! shipped says, and reads the rules that are shipped.
//!
//! Debian's has no discovery by Kubernetes. The harness lists the pods in its place and writes them down with
//! the labels of that discovery, so that the relabelling of `deploy/monitoring/prometheus.yaml` is what makes
//! the labels of the metrics.

mod answers;
mod api;
mod config;
mod targets;

pub(super) use answers::{Alert, Sample};

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use self::targets::Discovery;
use super::Kubectl;
use crate::peers::wait_for;
use crate::progress::Progress;
use crate::shell;
use crate::tools::debian;

/// Until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running Prometheus; it ends, and what it stored goes, when this is dropped.
#[derive(Debug)]
pub(super) struct Prometheus {
    process: Child,
    address: SocketAddr,
    _discovery: Discovery,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one where the addresses of pods are reachable, and waits until it is ready.
    ///
    /// # Errors
    /// When there is none to be had, or it does not start; the text has the end of its log.
    pub(super) fn start(progress: &Progress, kubectl: &Kubectl) -> Result<Self> {
        let program = debian::prometheus(progress)?;
        let directory = tempfile::tempdir()?;
        let jobs = config::write(directory.path())?;
        let discovery = Discovery::start(kubectl.clone(), jobs)?;
        let address = free_address()?;
        let log = directory.path().join("log");
        let file = File::create(&log)?;
        let process = Command::new(program)
            .arg(flag(
                "config.file",
                config::file(directory.path()).display(),
            ))
            .arg(flag(
                "storage.tsdb.path",
                directory.path().join("data").display(),
            ))
            .arg(flag("web.listen-address", address))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start Prometheus")?;
        let started = Self {
            process,
            address,
            _discovery: discovery,
            _directory: directory,
        };
        wait_for("Prometheus", START_LIMIT, || {
            api::get(address, "/-/ready").map_err(|error| format!("{error:#}"))
        })
        .with_context(|| shell::log_tail(&log))?;
        Ok(started)
    }

    /// What an expression gives now.
    ///
    /// # Errors
    /// When Prometheus does not answer, or refuses the expression.
    pub(super) fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let answer = api::query(self.address, expression)?;
        answers::samples(&answer).with_context(|| expression.to_owned())
    }

    /// The alerts that are pending or fire now.
    ///
    /// # Errors
    /// When Prometheus does not answer.
    pub(super) fn alerts(&self) -> Result<Vec<Alert>> {
        answers::alerts(&api::get(self.address, "/api/v1/alerts")?)
    }

    /// Names and severities of the alerts of these namespaces, a regular expression, that have fired within this
    /// time.
    ///
    /// # Errors
    /// When Prometheus does not answer.
    pub(super) fn fired_within(
        &self,
        time: Duration,
        namespaces: &str,
    ) -> Result<BTreeSet<(String, String)>> {
        let of = format!("alertstate=\"firing\", namespace=~\"{namespaces}\"");
        let seconds = time.as_secs();
        let fired = self.query(&format!("count_over_time(ALERTS{{{of}}}[{seconds}s])"))?;
        let label = |sample: &Sample, name: &str| sample.labels.get(name).cloned();
        let named = |sample: &Sample| {
            (
                label(sample, "alertname").unwrap_or_default(),
                label(sample, "severity").unwrap_or_default(),
            )
        };
        Ok(fired.iter().map(named).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("Prometheus stays, process {}: {error}", self.process.id());
        }
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// An address of loopback that nobody uses.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
