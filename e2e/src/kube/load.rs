//! A steady write load through the client Service, and the record of what was acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::peers::client::flags;
use crate::peers::{Client, Failure, wait_for};

/// How long one reply may take before the writer connects anew.
const REPLY_LIMIT: Duration = Duration::from_secs(4);
/// How long the first connection and its requests may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a failed connection.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Pause between writes of one writer: a load, not a benchmark.
const WRITE_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct Record {
    /// Acknowledged nodes and their data.
    acknowledged: BTreeMap<String, Vec<u8>>,
    /// When each acknowledgement came.
    times: Vec<Instant>,
}

/// Writers that run until they are stopped.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Creates `base` and starts `writers` writers, each creating nodes below it.
    pub(super) fn start(address: SocketAddr, base: &str, writers: usize) -> Result<Self> {
        Self::start_with(address, base, writers, 0)
    }

    /// As [`Load::start`], with data of so many bytes at least.
    pub(super) fn start_with(
        address: SocketAddr,
        base: &str,
        writers: usize,
        data_len: usize,
    ) -> Result<Self> {
        // The nodes hear of ready pods a moment after the API server does.
        let mut client = wait_for("the Service", CONNECT_LIMIT, || {
            Client::connect(address, CONNECT_LIMIT).map_err(|error| error.to_string())
        })?;
        client.create(base, b"", flags::PERSISTENT)?;
        client.close()?;
        let stop = Arc::new(AtomicBool::new(false));
        let record = Arc::new(Mutex::new(Record::default()));
        let spawn = |writer| {
            let (stop, record, base) = (Arc::clone(&stop), Arc::clone(&record), base.to_owned());
            std::thread::spawn(move || write(writer, address, &base, data_len, &stop, &record))
        };
        let writers = (0..writers).map(spawn).collect();
        Ok(Self {
            stop,
            record,
            writers,
        })
    }

    /// Waits until so many `more` writes are acknowledged than now.
    pub(super) fn wait_more(&self, more: usize, within: Duration) -> Result<()> {
        let from = self.acknowledged();
        wait_for("acknowledged writes", within, || {
            let got = self.acknowledged() - from;
            (got >= more)
                .then_some(())
                .ok_or(format!("{got} of {more}"))
        })
    }

    /// Number of acknowledged writes so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.record.lock().map(|r| r.times.len()).unwrap_or(0)
    }

    /// The longest time without an acknowledgement since `from`.
    pub(super) fn longest_gap_since(&self, from: Instant) -> Duration {
        let times = self
            .record
            .lock()
            .map(|r| r.times.clone())
            .unwrap_or_default();
        let mut last = from;
        let mut longest = Duration::ZERO;
        for at in times.into_iter().filter(|at| *at >= from) {
            longest = longest.max(at.duration_since(last));
            last = at;
        }
        longest.max(last.elapsed())
    }

    /// Stops the writers and gives what was acknowledged.
    pub(super) fn finish(self) -> Result<BTreeMap<String, Vec<u8>>> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            if writer.join().is_err() {
                bail!("a writer panicked");
            }
        }
        let mut record = self
            .record
            .lock()
            .map_err(|_| anyhow::anyhow!("a writer panicked"))?;
        Ok(std::mem::take(&mut record.acknowledged))
    }
}

fn write(
    writer: usize,
    address: SocketAddr,
    base: &str,
    data_len: usize,
    stop: &AtomicBool,
    record: &Mutex<Record>,
) {
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut client) = Client::connect(address, REPLY_LIMIT) else {
            std::thread::sleep(RETRY_PAUSE);
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let path = format!("{base}/w{writer}-{number:08}");
            let data = format!("{writer}:{number:0data_len$}").into_bytes();
            match client.create(&path, &data, flags::PERSISTENT) {
                Ok(path) => {
                    let Ok(mut record) = record.lock() else {
                        return;
                    };
                    record.acknowledged.insert(path, data);
                    record.times.push(Instant::now());
                }
                Err(Failure::Refused(_)) => {}
                Err(_) => break,
            }
            std::thread::sleep(WRITE_PAUSE);
        }
    }
}
