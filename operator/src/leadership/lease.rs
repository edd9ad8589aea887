//! The Lease object: read, written, given back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::{sleep, timeout};

use super::candidate::{Candidate, LASTS, PACE, Record, Turn, WORKS_FOR};
use crate::ensemble::error::{Called, ReconcileError};

/// Longest wait for one call: several fit into the time that a holder works on without an answer.
const CALL_MAX: Duration = Duration::from_secs(3);

/// The part of this process in the choice of the one that works.
pub struct Leadership {
    api: Api<Lease>,
    name: String,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    candidate: Mutex<Candidate>,
}

impl Leadership {
    /// Wants the Lease `name` in `namespace`, under a name that no other process ever has.
    pub fn new(client: Client, namespace: &str, name: &str, me: String) -> Self {
        let started = Instant::now();
        Self::with_clock(client, namespace, name, me, move || started.elapsed())
    }

    /// The same with another clock, which tells the time that has passed since some moment.
    pub fn with_clock(
        client: Client,
        namespace: &str,
        name: &str,
        me: String,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            clock: Box::new(clock),
            candidate: Mutex::new(Candidate::new(me)),
        }
    }

    fn candidate(&self) -> MutexGuard<'_, Candidate> {
        // Nothing that is done under the lock leaves it half done.
        self.candidate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        (self.clock)()
    }

    /// Whether nobody else can be at work now.
    pub fn holds(&self) -> bool {
        self.candidate().holds(self.now())
    }

    /// Waits until this process holds the Lease.
    pub async fn acquired(&self) {
        let mut told = false;
        loop {
            self.try_once().await;
            if self.holds() {
                tracing::info!(lease = %self.name, "holds the Lease: works");
                return;
            }
            if !told {
                told = true;
                tracing::info!(lease = %self.name, "another operator works: waits");
            }
            sleep(PACE).await;
        }
    }

    /// Renews the Lease until it is lost.
    pub async fn lost(&self) {
        while self.holds() {
            sleep(PACE).await;
            self.try_once().await;
        }
        tracing::error!(lease = %self.name, "lost the Lease: stops");
    }

    /// One look at the Lease, and what follows from it.
    async fn try_once(&self) {
        match timeout(CALL_MAX, self.turn()).await {
            Ok(Ok(())) => {}
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                tracing::debug!(lease = %self.name, "another operator was quicker");
            }
            Ok(Err(error)) => tracing::warn!(lease = %self.name, %error, "the Lease"),
            Err(_) => tracing::warn!(lease = %self.name, "the API server does not answer in time"),
        }
    }

    async fn turn(&self) -> Result<(), kube::Error> {
        let found = self.api.get_opt(&self.name).await?;
        let record = found.as_ref().map(read);
        let turn = self.candidate().sees(record, self.now());
        let (transitions, takes) = match turn {
            Turn::Take { transitions } => (transitions, true),
            Turn::Renew { transitions } => (transitions, false),
            Turn::Wait => return Ok(()),
        };
        let sent = self.now();
        let acquired = found
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.acquire_time.clone())
            .filter(|_| !takes);
        let lease = self.record(found, Some(self.candidate().name()), transitions, acquired);
        self.write(&lease).await?;
        self.candidate().wrote(sent);
        Ok(())
    }

    /// The Lease with a new record; the version that was read makes the write fail if anybody else
    /// wrote since.
    fn record(
        &self,
        found: Option<Lease>,
        holder: Option<&str>,
        transitions: i32,
        acquired: Option<MicroTime>,
    ) -> Lease {
        let now = MicroTime(Timestamp::now());
        let metadata = found.map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata,
        );
        let lasts = i32::try_from(LASTS.as_secs()).ok();
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: lasts,
                acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn write(&self, lease: &Lease) -> Result<(), kube::Error> {
        let params = PostParams::default();
        if lease.metadata.resource_version.is_some() {
            self.api.replace(&self.name, &params, lease).await?;
        } else {
            self.api.create(&params, lease).await?;
        }
        Ok(())
    }

    /// Reads the Lease again: right before something that two must not do.
    ///
    /// # Errors
    /// [`ReconcileError::NotLeading`] when this process does not hold it any more, or as the API
    /// server's.
    pub async fn confirm(&self) -> Result<(), ReconcileError> {
        let found = self
            .api
            .get_opt(&self.name)
            .await
            .called("read the Lease of the operators")?;
        let holder = found.as_ref().and_then(|lease| read(lease).holder);
        let candidate = self.candidate();
        if holder.as_deref() == Some(candidate.name()) && candidate.holds(self.now()) {
            Ok(())
        } else {
            Err(ReconcileError::NotLeading { holder })
        }
    }

    /// Gives the Lease back, so that the next one need not wait until it has run out.
    pub async fn give_back(&self) {
        if !self.holds() {
            return;
        }
        let given = timeout(WORKS_FOR, async {
            let found = self.api.get_opt(&self.name).await?;
            let Some(record) = found.as_ref().map(read) else {
                return Ok(());
            };
            if record.holder.as_deref() != Some(self.candidate().name()) {
                return Ok(());
            }
            let lease = self.record(found, None, record.transitions, None);
            self.write(&lease).await
        });
        match given.await {
            Ok(Ok(())) => tracing::info!(lease = %self.name, "gave the Lease back"),
            Ok(Err(error)) => tracing::warn!(lease = %self.name, %error, "cannot give it back"),
            Err(_) => tracing::warn!(lease = %self.name, "cannot give it back in time"),
        }
    }
}

/// What a Lease says.
pub(super) fn read(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|s| s.holder_identity.clone());
    let lasts = spec.and_then(|s| s.lease_duration_seconds);
    Record {
        holder: holder.filter(|holder| !holder.is_empty()),
        renewed: spec
            .and_then(|s| s.renew_time.as_ref())
            .map(|time| time.0.to_string()),
        transitions: spec.and_then(|s| s.lease_transitions).unwrap_or(0),
        lasts: lasts
            .and_then(|s| u64::try_from(s).ok())
            .map(Duration::from_secs),
    }
}
