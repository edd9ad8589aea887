//! One client: reads after sync, creates, sets and deletes, and writes down what it was told.
//!
//! A write whose answer does not come may be done or not, now or later; a read without an answer says
//! nothing and is left out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{ConnectResponse, Request};
use zk_wire::{Acl, Stat};

use super::record::Operation;
use crate::faults::random::Random;
use crate::peers::client::flags::PERSISTENT;
use crate::peers::{Client, Failure};

/// Nodes at one time.
const KEYS: usize = 6;

/// After so long other nodes are used, so that what is open about a node stays little.
const GENERATION: Duration = Duration::from_secs(5);

/// Longest pause between two operations, ms.
const PAUSE_MAX: usize = 12;

/// Pause of a client that found no server.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

const NO_NODE: i32 = -101;
const BAD_VERSION: i32 = -103;
const NODE_EXISTS: i32 = -110;

/// Answers by which a server that is on its way down or out refuses everything.
const TRANSIENT: [i32; 3] = [-4, -112, -118];

/// What the clients of one round share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where the servers are, in the order of their ids.
    pub(super) addresses: Vec<SocketAddr>,
    /// Part of the names of the round's nodes.
    pub(super) round: usize,
    /// Session time-out, and the longest wait for an answer.
    pub(super) limit: Duration,
    /// When all times begin.
    pub(super) began: Instant,
    /// Tells the clients to stop.
    pub(super) stop: AtomicBool,
    /// Answers that came.
    pub(super) answers: AtomicU64,
    next_client: AtomicUsize,
}

impl Shared {
    pub(super) fn new(addresses: Vec<SocketAddr>, round: usize, limit: Duration) -> Self {
        Self {
            addresses,
            round,
            limit,
            began: Instant::now(),
            stop: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            next_client: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The nodes of all generations so far.
    pub(super) fn keys(&self) -> Vec<String> {
        let last = self.generation();
        (0..=last)
            .flat_map(|generation| (0..KEYS).map(move |n| (generation, n)))
            .map(|(generation, n)| self.key(generation, n))
            .collect()
    }

    fn generation(&self) -> u64 {
        self.began.elapsed().as_secs() / GENERATION.as_secs()
    }

    fn key(&self, generation: u64, n: usize) -> String {
        format!("/h-{}-{generation}-{n}", self.round)
    }
}

/// A client, with everything that it did so far.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    random: Random,
    /// Its number in the history.
    number: usize,
    /// Position of its server.
    at: usize,
    written: usize,
    /// The version of some node that it saw last.
    version: i32,
    operations: Vec<Operation>,
}

impl Recorder {
    pub(super) fn new(shared: Arc<Shared>, at: usize, seed: u64) -> Self {
        let number = shared.next_client.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            random: Random::new(seed),
            number,
            at,
            written: 0,
            version: 0,
            operations: Vec::new(),
        }
    }

    /// Works until it is told to stop, and returns what it did.
    ///
    /// # Errors
    /// When a server answered what it never may.
    pub(super) fn run(mut self) -> Result<Vec<Operation>> {
        let mut session: Option<(ConnectResponse, i32)> = None;
        while !self.shared.stopped() {
            let client = self.connect(session.as_ref());
            session = None;
            let Ok(mut client) = client else {
                self.turn();
                thread::sleep(RETRY_INTERVAL);
                continue;
            };
            if self.work(&mut client)? {
                // Whether the session ends now or by its time-out makes no difference.
                drop(client.close());
                break;
            }
            // Half of the time it goes on with the session, which another server may not want.
            if self.random.below(2) == 0 {
                session = Some((client.session().clone(), client.next_xid()));
            }
            self.number = self.shared.next_client.fetch_add(1, Ordering::Relaxed);
            self.turn();
        }
        Ok(self.operations)
    }

    /// Reads each of `keys` once, at the server of this client.
    ///
    /// # Errors
    /// When a read fails.
    pub(super) fn read_all(mut self, keys: &[String]) -> Result<Vec<Operation>> {
        let mut client = self.connect(None)?;
        for key in keys {
            let done = self.read(&mut client, key.clone())?;
            if !done {
                bail!("no answer about {key}");
            }
        }
        client.close()?;
        Ok(self.operations)
    }

    fn connect(&self, session: Option<&(ConnectResponse, i32)>) -> Result<Client> {
        let address = self.shared.addresses.get(self.at).context("no server")?;
        Ok(match session {
            Some((session, xid)) => {
                let mut client = Client::resume(*address, self.shared.limit, session)?;
                client.number_from(*xid);
                client
            }
            None => Client::connect(*address, self.shared.limit)?,
        })
    }

    /// The next server; half of the time the same again, which may be the one that lost its leader.
    fn turn(&mut self) {
        let step = self.random.below(2);
        let next = (self.at + step).checked_rem(self.shared.addresses.len());
        self.at = next.unwrap_or_default();
    }

    /// Returns whether it stopped because it was told to, rather than lose its connection.
    fn work(&mut self, client: &mut Client) -> Result<bool> {
        while !self.shared.stopped() {
            let n = self.random.below(KEYS);
            let key = self.shared.key(self.shared.generation(), n);
            let done = match self.random.below(10) {
                0..=3 => self.read(client, key)?,
                4..=7 => self.write(client, key, "set")?,
                8 => self.write(client, key, "create")?,
                _ => self.write(client, key, "delete")?,
            };
            if !done {
                return Ok(false);
            }
            let pause = u64::try_from(self.random.below(PAUSE_MAX))?;
            thread::sleep(Duration::from_millis(pause));
        }
        Ok(true)
    }

    fn operation(&self, key: String, op: &'static str) -> Operation {
        Operation {
            client: self.number,
            key,
            op,
            call: self.shared.now(),
            server: u8::try_from(self.at + 1).unwrap_or_default(),
            ..Operation::default()
        }
    }

    /// Returns whether the connection is still good.
    fn read(&mut self, client: &mut Client, key: String) -> Result<bool> {
        let mut operation = self.operation(key, "read");
        let outcome = client
            .sync()
            .and_then(|()| client.get(&operation.key, false));
        operation.end = Some(self.shared.now());
        operation.last = client.last_zxid();
        match outcome {
            Ok((data, stat)) => {
                operation.result = "ok";
                operation.seen = String::from_utf8(data.unwrap_or_default().to_vec())?;
                self.saw(&mut operation, &stat);
            }
            Err(Failure::Refused(NO_NODE)) => operation.result = "none",
            Err(failure) if is_loss(&failure) => return Ok(false),
            Err(failure) => return Err(failure).context("a read"),
        }
        self.keep(operation);
        Ok(true)
    }

    /// As [`Recorder::read`].
    fn write(&mut self, client: &mut Client, key: String, op: &'static str) -> Result<bool> {
        self.written += 1;
        let mut operation = self.operation(key, op);
        operation.value = format!("{}.{}", self.number, self.written);
        operation.expected = match self.random.below(3) {
            0 => -1,
            _ => self.version,
        };
        let outcome = client
            .call(&request(&operation))
            .and_then(|mut reply| match op {
                "delete" => Ok(None),
                "create" => {
                    reply.string_required("path")?;
                    Ok(Some(Stat::decode(&mut reply)?))
                }
                _ => Ok(Some(Stat::decode(&mut reply)?)),
            });
        operation.end = Some(self.shared.now());
        operation.last = client.last_zxid();
        match outcome {
            Ok(stat) => {
                operation.result = "ok";
                if let Some(stat) = stat {
                    self.saw(&mut operation, &stat);
                }
            }
            Err(Failure::Refused(NO_NODE)) => operation.result = "none",
            Err(Failure::Refused(BAD_VERSION)) => {
                operation.result = "version";
                // Some other one, or it would never be right again.
                self.version = i32::try_from(self.random.below(8))?;
            }
            Err(Failure::Refused(NODE_EXISTS)) => operation.result = "exists",
            Err(failure) if is_loss(&failure) => {
                operation.end = None;
                self.operations.push(operation);
                return Ok(false);
            }
            Err(failure) => return Err(failure).with_context(|| format!("a {op}")),
        }
        self.keep(operation);
        Ok(true)
    }

    fn saw(&mut self, operation: &mut Operation, stat: &Stat) {
        self.version = stat.version;
        operation.version = stat.version;
        operation.zxid = stat.mzxid;
    }

    fn keep(&mut self, operation: Operation) {
        self.shared.answers.fetch_add(1, Ordering::Relaxed);
        self.operations.push(operation);
    }
}

fn request(operation: &Operation) -> Request {
    let path = operation.key.clone();
    let data = Some(Bytes::copy_from_slice(operation.value.as_bytes()));
    let version = operation.expected;
    match operation.op {
        "create" => Request::Create {
            create: CreateRequest {
                path,
                data,
                acl: Some(vec![Acl::world(31)]),
                flags: PERSISTENT,
                ttl_ms: NO_TTL,
            },
            op: CreateOp::Create2,
        },
        "delete" => Request::Delete { path, version },
        _ => Request::SetData {
            path,
            data,
            version,
        },
    }
}

fn is_loss(failure: &Failure) -> bool {
    match failure {
        Failure::Lost(_) | Failure::Session => true,
        Failure::Refused(code) => TRANSIENT.contains(code),
        Failure::Reply(_) => false,
    }
}
