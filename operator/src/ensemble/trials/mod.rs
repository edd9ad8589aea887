//! Whole operators against an API server, a cluster and servers that are made up, in virtual time: each
//! call to the outside may be the last one of an operator, may fail, or may hang until another operator
//! works. Whatever happens, it comes to be as wished, and a `Witness` that knows nothing of the operator
//! finds nothing wrong on the way.
//!
//! - `store`: objects as an API server keeps them; `api`: that API server; `answers`: its bad days;
//! - `cluster`, `pods`, `volumes`, `issuer`: the controllers and kubelets; `members`: the way to the servers, which are those
//!   of the planner's walks;
//! - `life`: one process of the operator; `story`: lives one after the other until all wishes are true;
//! - `killed`, `refused`, `stopped`, `loops`, `settings`: the tests.

mod answers;
mod api;
mod cluster;
mod issuer;
mod killed;
mod life;
mod loops;
mod members;
mod pods;
mod refused;
mod settings;
mod stopped;
mod store;
mod story;
mod volumes;
mod witness;

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use cluster::Cluster;

/// Namespace of the ensemble and, to have one name less, of the operators.
const NAMESPACE: &str = "default";

/// Name of the ensemble.
const NAME: &str = "demo";

thread_local! {
    /// How far the time of a test is ahead of the real one, seconds. Each test has a thread of its own.
    static AHEAD_S: Cell<i64> = const { Cell::new(0) };
}

/// The time of the test on this thread.
fn clock() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(AHEAD_S.get())
}

/// A cluster that several have a hand in.
#[derive(Clone)]
struct World(Arc<Mutex<Cluster>>);

impl World {
    fn new(cluster: Cluster) -> Self {
        Self(Arc::new(Mutex::new(cluster)))
    }

    /// Time goes on, and everybody but the operators with it.
    fn pass(&self, seconds: i64) {
        AHEAD_S.set(AHEAD_S.get() + seconds);
        self.cluster().tick();
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap()
    }
}
