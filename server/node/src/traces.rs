//! Traces of requests: what each waited for, and for how long.
//!
//! A part of the requests is chosen when they come in. What is known of such a request goes with it until its
//! reply leaves, and then into a queue, behind which its spans are made. Nobody waits for that: what does not
//! fit into the queue is lost and counted.

mod request;
mod spans;
mod writes;

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use quorate_telemetry::traces::{Sampler, Traces, TracesError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::Clock;
use crate::config::TraceSettings;
use crate::metrics::Counter;
pub use request::{Answered, Traced};
pub use writes::{WriteTimes, Writes};

/// What the program is called in traces.
const SERVICE: &str = "quorate";

/// Requests whose spans may wait to be made.
const QUEUE_LEN: usize = 4096;

/// Requests that were traced.
#[derive(Debug, Default)]
pub struct TraceCounts {
    /// Those whose spans were made.
    pub made: Counter,
    /// Those whose spans were not, since the queue was full.
    pub lost: Counter,
}

/// The traces of this server; off, it chooses nothing.
#[derive(Debug, Clone, Default)]
pub struct RequestTraces(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    sampler: Sampler,
    /// `None` is the end.
    queue: mpsc::Sender<Option<Answered>>,
    counts: Arc<TraceCounts>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl RequestTraces {
    /// Begins where a collector is named; `attributes` tell this server from others.
    ///
    /// # Errors
    /// What is said of the collector cannot be.
    pub fn start(
        settings: Option<&TraceSettings>,
        attributes: Vec<KeyValue>,
        clock: Clock,
        runtime: &Handle,
    ) -> Result<Self, TracesError> {
        let Some(settings) = settings else {
            return Ok(Self::default());
        };
        let traces = Traces::start(&settings.collector, SERVICE, attributes, runtime.clone())?;
        let (queue, answered) = mpsc::channel(QUEUE_LEN);
        let counts = Arc::new(TraceCounts::default());
        let task = runtime.spawn(work(traces, answered, clock, counts.clone()));
        Ok(Self(Some(Arc::new(Shared {
            sampler: Sampler::new(settings.ratio),
            queue,
            counts,
            task: Mutex::new(Some(task)),
        }))))
    }

    /// Whether there are traces at all.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Chooses a request that came in, or not.
    pub fn choose(&self, about: impl FnOnce() -> Traced) -> Option<Box<Traced>> {
        let shared = self.0.as_ref()?;
        shared.sampler.chooses().then(|| Box::new(about()))
    }

    /// The reply leaves.
    pub fn answered(&self, answered: Answered) {
        if let Some(shared) = &self.0
            && shared.queue.try_send(Some(answered)).is_err()
        {
            shared.counts.lost.inc();
        }
    }

    /// How many there were.
    #[must_use]
    pub fn counts(&self) -> Arc<TraceCounts> {
        let shared = self.0.as_ref();
        shared
            .map(|shared| shared.counts.clone())
            .unwrap_or_default()
    }

    /// Sends what there is, and chooses nothing that would be sent any more.
    pub async fn end(&self) {
        let Some(shared) = &self.0 else { return };
        let task = shared
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The task ends by this word only.
        if let (Some(task), Ok(())) = (task, shared.queue.send(None).await)
            && let Err(e) = task.await
        {
            warn!("the traces ended by a failure: {e}");
        }
    }
}

/// Makes spans until the end.
async fn work(
    traces: Traces,
    mut answered: mpsc::Receiver<Option<Answered>>,
    clock: Clock,
    counts: Arc<TraceCounts>,
) {
    while let Some(Some(answered)) = answered.recv().await {
        spans::make(traces.tracer(), clock, &answered);
        counts.made.inc();
    }
    traces.end().await;
}
