//! Clients that others wrote, kazoo's and Apache's, that go on while servers are replaced; and whose
//! doing it was when they lost a connection.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::peers::{Ensemble, Kind, programs};

/// Clients of each program.
const CLIENTS: usize = 6;

/// How much later a client may tell that its server is gone, ms: they share the processors with the
/// servers that start.
const LATE_MS: u64 = 5_000;

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// What a program prints at its end.
#[derive(Debug, Deserialize)]
struct Report {
    operations: u64,
    events: u64,
    /// When (ms since 1970), and the port of the server.
    lost: Vec<(f64, u16)>,
    errors: Vec<String>,
}

impl Program {
    /// Starts every program and waits until its clients are connected.
    ///
    /// # Errors
    /// When a program is not to be had or does not connect.
    pub(super) fn start_all(connect: &str) -> Result<Vec<Self>> {
        let mut programs = Vec::new();
        for (name, mut command) in programs::migrating()? {
            let mut child = command
                .arg(connect)
                .arg(CLIENTS.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // They tell at length of each connection; what matters is in the report.
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("{name}: cannot start"))?;
            let stdout = child.stdout.take().context("no output")?;
            let stdout = BufReader::new(stdout);
            programs.push(Self {
                name,
                child,
                stdout,
            });
        }
        for program in &mut programs {
            let mut line = String::new();
            program.stdout.read_line(&mut line)?;
            ensure!(line.trim() == "ready", "{} says {line:?}", program.name);
        }
        Ok(programs)
    }

    /// Ends it, and tells what its clients saw.
    ///
    /// # Errors
    /// When they saw what they should not have.
    pub(super) fn stop(mut self, turns: &[Turn]) -> Result<String> {
        let name = self.name;
        // The end of its input tells it to stop.
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{name} ended with {status}: {text}");
        let report: Report =
            serde_json::from_str(&text).with_context(|| format!("{name}: {text}"))?;
        ensure!(report.errors.is_empty(), "{name}: {:?}", report.errors);
        let (mut stopped, mut apaches, mut turned, mut unexplained) = (0, 0, 0, Vec::new());
        for (at_ms, port) in report.lost {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a date"
            )]
            let at_ms = at_ms as u64;
            match cause(at_ms, port, turns) {
                Some(Cause::Stopped) => stopped += 1,
                Some(Cause::ApachesChange) => apaches += 1,
                Some(Cause::TurnedUnderApache) => turned += 1,
                None => unexplained.push(describe(at_ms, port, turns)),
            }
        }
        ensure!(
            unexplained.is_empty(),
            "{name}: connections lost that nobody stopped: {unexplained:?}"
        );
        Ok(format!(
            "{name}: {} operations, {} events, no error, no session lost; connections lost: \
             {stopped} to servers that were stopped, {apaches} that Apache's servers close at each \
             leader change, {turned} to a server that changed its role under a leader of Apache's",
            report.operations, report.events
        ))
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

/// Why a connection was lost.
enum Cause {
    /// Its server was stopped.
    Stopped,
    /// Its server is one of Apache's, and the leader or the members changed.
    ApachesChange,
    /// Its server became a follower under a leader of Apache's, to whom a server that connects again
    /// is another one: the first write of each session is refused as that of one that moved.
    TurnedUnderApache,
}

/// A time in which something was done to the ensemble.
#[derive(Debug)]
pub(super) struct Turn {
    from_ms: u64,
    until_ms: u64,
    /// Whom it was done to, by client port.
    stopped: Option<u16>,
    /// The ports of Apache's servers.
    apaches: Vec<u16>,
    /// The port of the server that gets another role under a leader of Apache's, if any.
    turned: Option<u16>,
}

impl Turn {
    /// Begins; `stopped` is the server that will be stopped, if any.
    pub(super) fn begin(ensemble: &Ensemble, stopped: Option<u16>) -> Self {
        let servers = ensemble.servers.iter();
        let apaches = servers.filter(|server| server.kind == Kind::Apache);
        Self {
            from_ms: now_ms(),
            until_ms: u64::MAX,
            stopped,
            apaches: apaches.map(|server| server.ports.client).collect(),
            turned: None,
        }
    }

    /// This server is to get another role under a leader of Apache's.
    pub(super) fn turns(&mut self, port: u16) {
        self.turned = Some(port);
    }

    /// Everything is as it should be again.
    pub(super) fn end(mut self) -> Self {
        self.until_ms = now_ms() + LATE_MS;
        self
    }
}

fn cause(at_ms: u64, port: u16, turns: &[Turn]) -> Option<Cause> {
    let meanwhile = || {
        let hit = |turn: &&Turn| (turn.from_ms..=turn.until_ms).contains(&at_ms);
        turns.iter().filter(hit)
    };
    if meanwhile().any(|turn| turn.stopped == Some(port)) {
        Some(Cause::Stopped)
    } else if meanwhile().any(|turn| turn.apaches.contains(&port)) {
        Some(Cause::ApachesChange)
    } else if meanwhile().any(|turn| turn.turned == Some(port)) {
        Some(Cause::TurnedUnderApache)
    } else {
        None
    }
}

fn describe(at_ms: u64, port: u16, turns: &[Turn]) -> String {
    let before = turns.iter().rposition(|turn| turn.from_ms <= at_ms);
    let turn = before.and_then(|n| Some((n, turns.get(n)?)));
    match turn {
        Some((n, turn)) => format!(
            "port {port}, {} ms after change {} began",
            at_ms.saturating_sub(turn.from_ms),
            n + 1
        ),
        None => format!("port {port}, before all changes"),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(0)
}
