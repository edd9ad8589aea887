//! A write load that remembers what was acknowledged, and checks later that it is there.
//!
//! Each writer creates nodes with numbers of its own and, in between, sets its register to the
//! number of the write. A write whose reply did not come is never tried again under its number: it
//! may or may not be there, and both are right.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::peers::client::flags::PERSISTENT;
use crate::peers::tree::{self, Tree};
use crate::peers::{Client, Failure, wait_for};

/// Session time-out of the writers, and how long they wait for a reply.
const LIMIT: Duration = Duration::from_secs(5);

/// Pause of a writer that found no server.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// The node under which everything is.
const ROOT: &str = "/load";

/// Codes that say that nothing was done because the server is on its way down or out.
const TRANSIENT: [i32; 3] = [-4, -112, -118];

/// What one writer knows.
#[derive(Debug, Default, Clone)]
struct Ledger {
    created: BTreeSet<u64>,
    set: u64,
    attempted: u64,
}

/// Writers at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

/// Everything that was acknowledged.
#[derive(Debug)]
pub struct Acknowledged {
    ledgers: Vec<Ledger>,
}

impl Load {
    /// Lets `writers` threads write to servers at `addresses`, until stopped.
    ///
    /// # Errors
    /// When the nodes that they need cannot be made.
    pub fn start(addresses: &[SocketAddr], writers: usize) -> Result<Self> {
        Self::start_paced(addresses, writers, Duration::ZERO)
    }

    /// The same with a pause of each writer after each write, for tests in which the servers need the
    /// processors for something else.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub fn start_paced(addresses: &[SocketAddr], writers: usize, pause: Duration) -> Result<Self> {
        let first = addresses.first().context("no servers")?;
        let mut client = Client::connect(*first, LIMIT)?;
        client.create(ROOT, b"", PERSISTENT)?;
        for n in 0..writers {
            client.create(&directory(n), b"", PERSISTENT)?;
            client.create(&register(n), b"0", PERSISTENT)?;
        }
        client.close()?;
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let ledgers: Vec<Arc<Mutex<Ledger>>> = (0..writers).map(|_| Arc::default()).collect();
        let mut threads = Vec::new();
        for (number, ledger) in ledgers.iter().enumerate() {
            let writer = Writer {
                number,
                addresses: addresses.to_vec(),
                pause,
                stop: stop.clone(),
                acknowledged: acknowledged.clone(),
                ledger: ledger.clone(),
            };
            threads.push(
                thread::Builder::new()
                    .name("writer".into())
                    .spawn(|| writer.run())?,
            );
        }
        Ok(Self {
            stop,
            acknowledged,
            ledgers,
            threads,
        })
    }

    /// How many writes were acknowledged so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` further writes are acknowledged.
    ///
    /// # Errors
    /// When that takes longer than `limit`, or a writer gave up.
    pub fn wait_progress(&self, more: u64, limit: Duration) -> Result<()> {
        self.wait_progress_with(more, limit, || Ok(()))
    }

    /// The same, and does `meanwhile` as long as it waits.
    ///
    /// # Errors
    /// As [`Load::wait_progress`], and those of `meanwhile`.
    pub fn wait_progress_with(
        &self,
        more: u64,
        limit: Duration,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let goal = self.count() + more;
        wait_for("writes that go on", limit, || {
            if self.count() >= goal {
                return Ok(Ok(()));
            }
            if self.threads.iter().any(JoinHandle::is_finished) {
                return Ok(Err(anyhow!("a writer gave up")));
            }
            if let Err(error) = meanwhile() {
                return Ok(Err(error));
            }
            Err(format!("{} of {goal} writes", self.count()))
        })?
    }

    /// Stops the writers and returns what they know.
    ///
    /// # Errors
    /// When a writer got an answer that it must not get.
    pub fn stop(self) -> Result<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a writer panicked"))??;
        }
        let ledgers = self.ledgers.iter().map(|ledger| Ok(lock(ledger)?.clone()));
        Ok(Acknowledged {
            ledgers: ledgers.collect::<Result<_>>()?,
        })
    }
}

impl Acknowledged {
    /// How many nodes were created for certain.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.ledgers.iter().map(|ledger| ledger.created.len()).sum()
    }

    /// Checks that a server has every acknowledged write, and nothing that nobody wrote.
    ///
    /// # Errors
    /// When a write is missing or wrong; the text names it.
    pub fn check(&self, address: SocketAddr) -> Result<()> {
        self.check_tree(&tree::read(address)?)
            .with_context(|| format!("on {address}"))
    }

    /// Checks that a server's tree has every acknowledged write, and nothing that nobody wrote.
    ///
    /// # Errors
    /// When a write is missing or wrong; the text names it.
    pub fn check_tree(&self, tree: &Tree) -> Result<()> {
        for (n, ledger) in self.ledgers.iter().enumerate() {
            let below = format!("{}/", directory(n));
            let mut there = BTreeSet::new();
            let nodes = tree.range(below.clone()..);
            for (path, (data, _)) in nodes.take_while(|(path, _)| path.starts_with(&below)) {
                let number = path.strip_prefix(&below).unwrap_or_default();
                let number = number
                    .parse::<u64>()
                    .with_context(|| format!("a node {path:?}"))?;
                let expected = payload(n, number);
                let is_whole = data.as_deref() == Some(expected.as_bytes());
                ensure!(is_whole, "{path}: {data:?}");
                there.insert(number);
            }
            if let Some(lost) = ledger.created.difference(&there).next() {
                bail!("{} is acknowledged and not there", node(n, *lost));
            }
            let made_up = there.iter().find(|number| **number > ledger.attempted);
            ensure!(
                made_up.is_none(),
                "nobody created {made_up:?} of writer {n}"
            );
            let (data, _) = tree.get(&register(n)).context("a register is gone")?;
            let text = String::from_utf8(data.clone().unwrap_or_default().to_vec())?;
            let value: u64 = text.parse()?;
            ensure!(
                (ledger.set..=ledger.attempted).contains(&value),
                "register {n} is {value}, but {} was acknowledged",
                ledger.set
            );
        }
        Ok(())
    }
}

struct Writer {
    number: usize,
    addresses: Vec<SocketAddr>,
    pause: Duration,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Writer {
    fn run(self) -> Result<()> {
        let mut turn = self.number;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            let at = turn.checked_rem(self.addresses.len()).unwrap_or_default();
            let address = self.addresses.get(at).context("no servers")?;
            let Ok(mut client) = Client::connect(*address, LIMIT) else {
                thread::sleep(RETRY_INTERVAL);
                continue;
            };
            if self.write_until_lost(&mut client)? {
                // Sessions of writers that stop in order need not linger; whether the close
                // succeeds makes no difference to what is checked.
                drop(client.close());
            }
        }
        Ok(())
    }

    /// Returns whether it stopped because it was told to.
    fn write_until_lost(&self, client: &mut Client) -> Result<bool> {
        while !self.stop.load(Ordering::Relaxed) {
            if !self.pause.is_zero() {
                thread::sleep(self.pause);
            }
            let number = {
                let mut ledger = lock(&self.ledger)?;
                ledger.attempted += 1;
                ledger.attempted
            };
            let is_set = number % 4 == 0;
            let outcome = if is_set {
                client
                    .set(&register(self.number), number.to_string().as_bytes())
                    .map(drop)
            } else {
                let data = payload(self.number, number);
                client
                    .create(&node(self.number, number), data.as_bytes(), PERSISTENT)
                    .map(drop)
            };
            match outcome {
                Ok(()) => {
                    let mut ledger = lock(&self.ledger)?;
                    if is_set {
                        ledger.set = number;
                    } else {
                        ledger.created.insert(number);
                    }
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(Failure::Lost(_) | Failure::Session) => return Ok(false),
                Err(Failure::Refused(code)) if TRANSIENT.contains(&code) => return Ok(false),
                Err(error) => return Err(error).context(format!("write {number}")),
            }
        }
        Ok(true)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> Result<std::sync::MutexGuard<'_, Ledger>> {
    ledger.lock().map_err(|_| anyhow!("a writer panicked"))
}

fn directory(writer: usize) -> String {
    format!("{ROOT}/nodes-{writer}")
}

fn register(writer: usize) -> String {
    format!("{ROOT}/register-{writer}")
}

fn node(writer: usize, number: u64) -> String {
    format!("{}/{number}", directory(writer))
}

fn payload(writer: usize, number: u64) -> String {
    format!("writer {writer} write {number}")
}
