//! One client for each server, connected to its pod and not through a Service: what it notices, and
//! whether its server was told to stop by then.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::{Bench, CLIENT_PORT};
use crate::kube::reach;
use crate::kube::zke::{pod_name, uid};
use crate::peers::client::flags;
use crate::peers::{Client, Failure};

/// Time-out of the sessions, and the longest wait for a reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection may break before it is seen that its pod is being stopped: how long before.
const SEEN_LATE: Duration = Duration::from_secs(2);

/// What became of one connection.
#[derive(Debug, Clone)]
struct Broken {
    pod: String,
    at: Instant,
    why: String,
}

#[derive(Debug, Default)]
struct Record {
    /// By uid of the pod.
    broken: BTreeMap<String, Broken>,
    /// Sessions that did not live on at another server.
    expired: Vec<String>,
    operations: u64,
}

/// The clients.
#[derive(Debug)]
pub(super) struct Loyal {
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    elsewhere: SocketAddr,
    workers: BTreeMap<String, JoinHandle<()>>,
    /// When a pod was first seen to be stopped, or gone.
    stopped: BTreeMap<String, Instant>,
}

impl Loyal {
    /// None yet; `elsewhere` is where a client goes whose server stops.
    pub(super) fn new(elsewhere: SocketAddr) -> Self {
        Self {
            stop: Arc::default(),
            record: Arc::default(),
            elsewhere,
            workers: BTreeMap::new(),
            stopped: BTreeMap::new(),
        }
    }

    /// Looks at the pods: connects to those that are ready and new, and notes those that stop.
    pub(super) fn look(&mut self, pods: &[Value]) {
        let now = Instant::now();
        let there: Vec<String> = pods
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .filter_map(uid)
            .map(str::to_owned)
            .collect();
        for uid in self.workers.keys().filter(|uid| !there.contains(uid)) {
            self.stopped.entry(uid.clone()).or_insert(now);
        }
        for pod in pods.iter().filter(|pod| super::restarts::is_ready(pod)) {
            let (Some(uid), Ok(address)) =
                (uid(pod).map(str::to_owned), reach::pod(pod, CLIENT_PORT))
            else {
                continue;
            };
            if there.contains(&uid) && !self.workers.contains_key(&uid) {
                let (stop, record) = (Arc::clone(&self.stop), Arc::clone(&self.record));
                let (name, elsewhere, key) = (pod_name(pod), self.elsewhere, uid.clone());
                let work = move || work(&key, &name, address, elsewhere, &stop, &record);
                self.workers.insert(uid, std::thread::spawn(work));
            }
        }
    }

    /// What clients noticed that they should not have: a connection that broke before its pod was
    /// stopped, or a session that ended.
    pub(super) fn noticed(&self) -> Vec<String> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let early = record.broken.iter().filter(|(uid, broken)| {
            let stopped = self.stopped.get(*uid);
            stopped.is_none_or(|at| broken.at + SEEN_LATE < *at)
        });
        early
            .map(|(_, broken)| format!("{}: {}", broken.pod, broken.why))
            .chain(record.expired.iter().cloned())
            .collect()
    }

    /// Ends them and gives the number of operations that succeeded.
    pub(super) fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.into_values() {
            if worker.join().is_err() {
                anyhow::bail!("a client panicked");
            }
        }
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(record.operations)
    }
}

/// The pods of the ensemble.
pub(super) fn pods(bench: &Bench<'_>) -> Result<Vec<Value>, String> {
    bench.zke.pods().map_err(|error| error.to_string())
}

fn work(
    uid: &str,
    pod: &str,
    address: SocketAddr,
    elsewhere: SocketAddr,
    stop: &AtomicBool,
    record: &Mutex<Record>,
) {
    let lock = || record.lock().unwrap_or_else(PoisonError::into_inner);
    let broke = |why: String| {
        let (pod, at) = (pod.to_owned(), Instant::now());
        let broken = Broken { pod, at, why };
        lock().broken.insert(uid.to_owned(), broken);
    };
    let mut client = match Client::connect(address, TIMEOUT) {
        Ok(client) => client,
        Err(error) => return broke(format!("cannot connect: {error}")),
    };
    let path = format!("/loyal-{uid}");
    let own = client.create(&path, b"", flags::EPHEMERAL);
    let mut outcome = own.map(|_| ());
    while outcome.is_ok() && !stop.load(Ordering::Relaxed) {
        lock().operations += 1;
        std::thread::sleep(PAUSE);
        outcome = client
            .set(&path, b"again")
            .and_then(|_| client.get(&path, false).map(|_| ()));
    }
    let Err(failure) = outcome else {
        return;
    };
    broke(failure.to_string());
    if let Err(why) = lives_elsewhere(&client, elsewhere, &path) {
        lock().expired.push(format!("session of {pod}: {why}"));
    }
}

/// The session goes on through the Service, with its ephemeral.
fn lives_elsewhere(client: &Client, elsewhere: SocketAddr, path: &str) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let resumed = Client::resume(elsewhere, TIMEOUT, client.session()).and_then(|mut again| {
            again.number_from(client.next_xid());
            again.sync()?;
            again.get(path, false)?;
            again.close()
        });
        match resumed {
            Ok(()) => return Ok(()),
            Err(failure @ (Failure::Session | Failure::Refused(_))) => return Err(failure),
            Err(failure) if began.elapsed() > TIMEOUT => return Err(failure),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
