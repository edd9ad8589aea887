//! The same with clients that others wrote: kazoo's and Apache's.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::away::Loss;
use crate::peers::programs;

/// What a program prints at its end.
#[derive(Debug, Deserialize)]
struct Report {
    operations: u64,
    events: u64,
    /// When which server was lost.
    lost: Vec<(f64, u8)>,
    errors: Vec<String>,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// What the clients of a program saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    pub(crate) operations: u64,
    pub(crate) events: u64,
    pub(crate) losses: Vec<Loss>,
    pub(crate) complaints: Vec<String>,
}

impl Program {
    /// Starts every program with `sessions` clients, and waits until they are connected.
    ///
    /// # Errors
    /// When a program is not to be had or does not connect.
    pub(crate) fn start_all(connect: &str, sessions: usize) -> Result<Vec<Self>> {
        let mut programs = Vec::new();
        for (name, mut command) in programs::staying()? {
            let mut child = command
                .arg(connect)
                .arg(sessions.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("{name}: cannot start"))?;
            let stdout = child.stdout.take().context("no output")?;
            programs.push(Self {
                name,
                child,
                stdout: BufReader::new(stdout),
            });
        }
        for program in &mut programs {
            let mut line = String::new();
            program.stdout.read_line(&mut line)?;
            let name = program.name;
            ensure!(line.trim() == "ready", "{name} says {line:?}");
        }
        Ok(programs)
    }

    /// Ends it and returns what its clients saw.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn stop(mut self) -> Result<Seen> {
        let name = self.name;
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{name} ended with {status}: {text}");
        let report: Report =
            serde_json::from_str(&text).with_context(|| format!("{name}: {text}"))?;
        let losses = report.lost.iter().map(|(at_ms, server)| Loss {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a date"
            )]
            at_ms: *at_ms as u64,
            server: *server,
            what: format!("{name}: connection lost"),
        });
        let complaints = report.errors.iter().map(|e| format!("{name}, {e}"));
        Ok(Seen {
            name,
            operations: report.operations,
            events: report.events,
            losses: losses.collect(),
            complaints: complaints.collect(),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
