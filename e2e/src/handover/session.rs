//! One session: writes its own node, or watches the node of the writer before it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Shared;
use super::away::{Loss, now_ms};
use crate::peers::client::flags::PERSISTENT;
use crate::peers::{Client, Failure};

/// Session time-out, and the longest wait for a reply.
const LIMIT: Duration = Duration::from_secs(20);

/// Pause between two turns.
const PAUSE: Duration = Duration::from_millis(5);

/// How long an event may take after the change.
const EVENT_MAX: Duration = Duration::from_secs(15);

/// What a session saw.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// When each write succeeded, and on which server.
    pub(crate) writes: Vec<(Instant, u8)>,
    /// Connections that it lost.
    pub(crate) losses: Vec<Loss>,
    /// What it should not have noticed.
    pub(crate) complaints: Vec<String>,
}

/// The session.
pub(crate) struct Session {
    index: usize,
    shared: Arc<Shared>,
    /// Position of its server.
    at: usize,
    client: Client,
    path: String,
    /// Version of its node; `None` after a connection was lost.
    version: Option<i32>,
    ledger: Ledger,
}

impl Session {
    pub(crate) fn open(index: usize, shared: Arc<Shared>) -> Result<Self> {
        let at = (index / 2) % shared.addresses.len();
        // The watcher of a node is on the server after that of its writer.
        let at = (at + index % 2) % shared.addresses.len();
        let address = *shared.addresses.get(at).context("no server")?;
        let mut client = Client::connect(address, LIMIT)?;
        let path = format!("/h-{}", index / 2);
        if index.is_multiple_of(2) {
            client.create(&path, b"", PERSISTENT)?;
        }
        client.sync()?;
        Ok(Self {
            index,
            shared,
            at,
            client,
            path,
            version: None,
            ledger: Ledger::default(),
        })
    }

    pub(crate) fn run(mut self) -> Ledger {
        while !self.shared.stop.load(Ordering::SeqCst) {
            let outcome = if self.index.is_multiple_of(2) {
                self.write()
            } else {
                self.watch()
            };
            if let Err(failure) = outcome {
                self.lost(&failure);
            }
            thread::sleep(PAUSE);
        }
        self.ledger
    }

    fn server_id(&self) -> u8 {
        u8::try_from(self.at + 1).unwrap_or(0)
    }

    fn complain(&mut self, what: &str) {
        let (index, server) = (self.index, self.server_id());
        let text = format!("session {index} on server {server}: {what}");
        self.ledger.complaints.push(text);
    }

    /// Reads with a watch, writes, and expects one event before the reply.
    fn write(&mut self) -> Result<(), Failure> {
        let (_, stat) = self.client.get(&self.path, true)?;
        if let Some(version) = self.version.filter(|v| *v != stat.version) {
            self.complain(&format!("version {} after {version}", stat.version));
        }
        let after = self.client.set(&self.path, b"x")?;
        if after.version != stat.version + 1 {
            self.complain(&format!("version {} after {}", after.version, stat.version));
        }
        self.version = Some(after.version);
        let write = (Instant::now(), self.server_id());
        self.ledger.writes.push(write);
        if self.client.event()?.is_none() {
            self.complain("an event is lost");
        }
        if self.client.event()?.is_some() {
            self.complain("an event is doubled");
        }
        Ok(())
    }

    /// Waits for one change of the writer's node.
    fn watch(&mut self) -> Result<(), Failure> {
        let (_, before) = self.client.get(&self.path, true)?;
        if self.version.is_some_and(|v| v > before.version) {
            self.complain("the tree went back");
        }
        let began = Instant::now();
        while self.client.event()?.is_none() {
            if self.shared.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            if began.elapsed() > EVENT_MAX {
                let (_, now) = self.client.get(&self.path, false)?;
                if now.version != before.version {
                    self.complain("an event is lost");
                }
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        let (_, after) = self.client.get(&self.path, false)?;
        if after.version <= before.version {
            self.complain("an event came without a change");
        }
        self.version = Some(after.version);
        if self.client.event()?.is_some() {
            self.complain("an event is doubled");
        }
        Ok(())
    }

    /// The connection is gone: expected only when its server was down.
    fn lost(&mut self, failure: &Failure) {
        self.ledger.losses.push(Loss {
            at_ms: now_ms(),
            server: self.server_id(),
            what: format!("session {}: {failure}", self.index),
        });
        self.version = None;
        let began = Instant::now();
        while began.elapsed() < LIMIT && !self.shared.stop.load(Ordering::SeqCst) {
            self.at = (self.at + 1) % self.shared.addresses.len();
            let Some(address) = self.shared.addresses.get(self.at) else {
                return;
            };
            match Client::resume(*address, LIMIT, self.client.session()) {
                Ok(client) => {
                    self.client = client;
                    return;
                }
                Err(Failure::Session) => {
                    self.complain("the session expired");
                    return;
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }
}
