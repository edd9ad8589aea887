//! The audit log: who changed what, who said to be whom, from where, and what came of it.
//!
//! Lines are those of Apache ZooKeeper 3.9 (`AuditEvent`), with lines about logins beside them. They are made
//! and written by a thread of their own. Nobody waits for it: where the disk is slower than the clients, what
//! does not fit into the queue is lost, counted, and told in the audit log itself.

mod line;
mod queue;
mod sink;
mod user;
mod writer;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_telemetry::LogFormat;
use thiserror::Error;
use tracing::warn;
use zk_core::audit::Audited;

use crate::clock::Clock;
use crate::config::AuditSettings;
use crate::metrics::Counter;
use line::Entry;
use queue::Queue;
use sink::Sink;

/// How long what is in the queue may take to the disk at the end.
const END_MAX: Duration = Duration::from_secs(2);

/// The audit log cannot be written.
#[derive(Debug, Error)]
#[error(
    "audit log: cannot open {file}: {source}; choose another quorate.audit.file, or set audit.enable=false"
)]
pub struct AuditError {
    file: String,
    source: std::io::Error,
}

/// Lines of the audit log.
#[derive(Debug, Default)]
pub struct AuditLines {
    /// Those that were written.
    pub written: Counter,
    /// Those that were lost, since the queue was full or the file could not be written.
    pub lost: Counter,
}

/// How something ended that is no request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It came about.
    Success,
    /// It did not.
    Failure,
    /// It was asked for, and what came of it is not known.
    Invoked,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Invoked => "invoked",
        }
    }
}

/// The audit log of this server; off, it takes everything and does nothing.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn take_thread(&self) -> Option<JoinHandle<()>> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.take()
    }
}

impl Audit {
    /// Opens it where it is asked for.
    ///
    /// # Errors
    /// The file cannot be written, or there is no thread to be had.
    pub fn start(
        settings: Option<&AuditSettings>,
        format: LogFormat,
        clock: Clock,
    ) -> Result<Self, AuditError> {
        let Some(settings) = settings else {
            return Ok(Self::default());
        };
        let failed = |source| AuditError {
            file: sink::name(settings),
            source,
        };
        let sink = Sink::open(settings).map_err(failed)?;
        let queue = Arc::new(Queue::default());
        let thread = writer::spawn(queue.clone(), sink, format).map_err(failed)?;
        Ok(Self(Some(Arc::new(Shared {
            clock,
            queue,
            thread: Mutex::new(Some(thread)),
        }))))
    }

    fn put(&self, entry: impl FnOnce() -> Entry) {
        if let Some(shared) = &self.0 {
            shared.queue.put(shared.clock.wall_ms(), entry());
        }
    }

    /// The core tells something.
    pub fn note(&self, audited: &Audited) {
        self.put(|| Entry::Core(audited.clone()));
    }

    /// A client showed a certificate with this subject, or one that is refused.
    pub fn certificate(&self, from: IpAddr, subject: Option<&str>) {
        self.put(|| Entry::Certificate {
            ip: from.to_string(),
            subject: subject.map(str::to_owned),
        });
    }

    /// This server did something by itself.
    pub fn server(&self, operation: &'static str, outcome: Outcome) {
        self.put(|| Entry::Server { operation, outcome });
    }

    /// How many lines there were.
    #[must_use]
    pub fn lines(&self) -> Arc<AuditLines> {
        let queue = self.0.as_ref().map(|shared| &shared.queue);
        queue.map(|queue| queue.lines().clone()).unwrap_or_default()
    }

    /// Writes what is in the queue, and takes no more.
    pub async fn end(&self) {
        let Some(shared) = &self.0 else { return };
        shared.queue.close();
        let Some(thread) = shared.take_thread() else {
            return;
        };
        let joined = tokio::task::spawn_blocking(move || thread.join());
        match tokio::time::timeout(END_MAX, joined).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => warn!("the thread of the audit log ended by a panic"),
            Err(_) => warn!(
                "the audit log was not written within {} s",
                END_MAX.as_secs()
            ),
        }
    }
}
