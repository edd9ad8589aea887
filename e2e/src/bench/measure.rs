//! One measurement: so many clients, one kind of request, for so long.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::peers::client::flags::PERSISTENT;
use crate::peers::{Client, Failure};

/// Bytes of data in each node.
const DATA_LEN: usize = 100;

/// Session time-out, and the longest wait for a reply.
const LIMIT: Duration = Duration::from_secs(30);

/// Part of the duration that runs before anything is counted.
const WARM_UP_DIVISOR: u32 = 5;

/// The node under which everything is.
const ROOT: &str = "/bench";

/// The error for a node that is there already.
const NODE_EXISTS: i32 = -110;

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// setData of a node of the client's own.
    Set,
    /// create of new nodes.
    Create,
    /// getData of a node of the client's own.
    Get,
}

impl Job {
    /// All jobs.
    pub const ALL: [Self; 3] = [Self::Set, Self::Create, Self::Get];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "setData",
            Self::Create => "create",
            Self::Get => "getData",
        }
    }
}

/// Latencies of the requests of one or more measurements.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    latencies_us: Vec<u32>,
    time: Duration,
}

impl Cell {
    /// Takes in another measurement of the same.
    pub fn add(&mut self, other: &Self) {
        self.latencies_us.extend_from_slice(&other.latencies_us);
        self.time += other.time;
    }

    /// Requests per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn rate(&self) -> f64 {
        if self.time.is_zero() {
            return 0.0;
        }
        self.latencies_us.len() as f64 / self.time.as_secs_f64()
    }

    /// The latency that `percent` of the requests do not exceed.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = (sorted.len() * percent / 100).min(last);
        Duration::from_micros(sorted.get(at).copied().unwrap_or_default().into())
    }
}

/// Lets `clients` sessions, spread over the servers, do `job` for `duration`.
///
/// # Errors
/// When a request fails.
pub fn measure(
    addresses: &[SocketAddr],
    job: Job,
    clients: usize,
    duration: Duration,
) -> Result<Cell> {
    let mut sessions = Vec::new();
    for number in 0..clients {
        let at = number.checked_rem(addresses.len()).unwrap_or_default();
        let address = addresses.get(at).context("no servers")?;
        let mut client = Client::connect(*address, LIMIT)?;
        prepare(&mut client, number)?;
        sessions.push(client);
    }
    let warm_up = duration / WARM_UP_DIVISOR;
    let barrier = &Barrier::new(clients);
    let outcomes: Vec<Result<Vec<u32>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(sessions)
            .map(|(number, client)| {
                scope.spawn(move || {
                    barrier.wait();
                    loop_for(client, job, number, warm_up, duration)
                })
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a client panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let mut cell = Cell {
        latencies_us: Vec::new(),
        time: duration,
    };
    for latencies in outcomes {
        cell.latencies_us.extend(latencies?);
    }
    Ok(cell)
}

fn prepare(client: &mut Client, number: usize) -> Result<()> {
    for path in [ROOT.to_owned(), own_node(number)] {
        match client.create(&path, &[b'x'; DATA_LEN], PERSISTENT) {
            Ok(_) | Err(Failure::Refused(NODE_EXISTS)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    client.sync()?;
    Ok(())
}

fn loop_for(
    mut client: Client,
    job: Job,
    number: usize,
    warm_up: Duration,
    duration: Duration,
) -> Result<Vec<u32>> {
    let path = own_node(number);
    let data = [b'y'; DATA_LEN];
    let session = client.session_id();
    let mut latencies = Vec::new();
    let began = Instant::now();
    for n in 0u64.. {
        let sent = Instant::now();
        if sent.duration_since(began) >= warm_up + duration {
            break;
        }
        match job {
            Job::Set => drop(client.set(&path, &data)?),
            Job::Create => {
                drop(client.create(&format!("{path}/{session}-{n}"), &data, PERSISTENT)?)
            }
            Job::Get => drop(client.get(&path, false)?),
        }
        let done = Instant::now();
        let counted = done.duration_since(began);
        if counted >= warm_up && counted < warm_up + duration {
            let micros = done.duration_since(sent).as_micros();
            latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }
    client.close()?;
    Ok(latencies)
}

fn own_node(number: usize) -> String {
    format!("{ROOT}/client-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_values() {
        let cell = Cell {
            latencies_us: (1..=100).rev().collect(),
            time: Duration::from_secs(2),
        };
        assert_eq!(cell.percentile(50), Duration::from_micros(51));
        assert_eq!(cell.percentile(99), Duration::from_micros(100));
        assert!((cell.rate() - 50.0).abs() < f64::EPSILON);
        assert_eq!(Cell::default().percentile(99), Duration::ZERO);
    }
}
