//! What the operator counts and shows, for Prometheus: its own work here, the ensembles in `ensembles`.
//! Labels come from fixed sets of ours, and from names of objects that the operator made.

mod ensembles;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use self::ensembles::Ensembles;
pub(crate) use self::ensembles::View;
use crate::crd::{Operation, ZkEnsemble, ZkEnsembleStatus, operation_type};
use crate::ensemble::error::ReconcileError;

/// Counters and the registry that they are read from.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounter,
    seconds: Histogram,
    errors: IntCounterVec,
    steps: IntCounterVec,
    refusals: IntCounterVec,
    status_writes: IntCounter,
    leading: IntGauge,
    ensembles: Ensembles,
}

impl Metrics {
    /// Makes and registers all counters.
    ///
    /// # Errors
    ///
    /// When two of them have one name, which would be a defect of this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            reconciles: IntCounter::new(
                "quorate_operator_reconciles_total",
                "Reconciles that ended, successful or not",
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "quorate_operator_reconcile_seconds",
                    "Duration of a reconcile",
                )
                .buckets(vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            )?,
            errors: IntCounterVec::new(
                Opts::new(
                    "quorate_operator_errors_total",
                    "Reconciles that failed, by kind",
                ),
                &["kind"],
            )?,
            steps: IntCounterVec::new(
                Opts::new(
                    "quorate_operator_steps_total",
                    "Steps taken: pods restarted, members changed, ensembles begun, certificates made; by reason",
                ),
                &["reason"],
            )?,
            refusals: IntCounterVec::new(
                Opts::new(
                    "quorate_operator_refusals_total",
                    "Specs that were not carried out, and steps that a server or the cluster refused; by \
                     reason",
                ),
                &["reason"],
            )?,
            status_writes: IntCounter::new(
                "quorate_operator_status_writes_total",
                "Status updates that were written because something changed",
            )?,
            leading: IntGauge::new(
                "quorate_operator_leading",
                "1 while this operator is the one that works",
            )?,
            ensembles: Ensembles::new()?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.reconciles.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        registry.register(Box::new(metrics.steps.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        registry.register(Box::new(metrics.status_writes.clone()))?;
        registry.register(Box::new(metrics.leading.clone()))?;
        registry.register(Box::new(metrics.ensembles.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn reconciled(&self, took: Duration, error: Option<&ReconcileError>) {
        self.reconciles.inc();
        self.seconds.observe(took.as_secs_f64());
        if let Some(error) = error {
            self.errors.with_label_values(&[error.kind()]).inc();
        }
    }

    /// A step was taken, or something made, for one of the constant reasons.
    pub(crate) fn stepped(&self, reason: &'static str) {
        self.steps.with_label_values(&[reason]).inc();
    }

    /// Something was refused for one of the constant reasons, by this operator or to it.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// Shows an ensemble as its status says that it is, from now on, and notes the operation that ended
    /// with this status: `object` has the one before.
    pub(crate) fn shows(
        &self,
        object: &ZkEnsemble,
        status: &ZkEnsembleStatus,
        view: &View<'_>,
        now: Timestamp,
    ) {
        let (Some(namespace), Some(name)) = (&object.metadata.namespace, &object.metadata.name)
        else {
            return;
        };
        let before = object.status.as_ref().and_then(|s| s.operation.as_ref());
        if let Some((operation, seconds)) = ended(before, status.operation.as_ref(), now) {
            self.ensembles.ended(namespace, name, operation, seconds);
        }
        self.ensembles
            .show(namespace, name, object.spec.suspend, status, view);
    }

    /// Shows this ensemble no more.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        self.ensembles.forget(namespace, name);
    }

    pub(crate) fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Says whether this operator works. Who does not work knows nothing of ensembles.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
        if !leads {
            self.ensembles.forget_all();
        }
    }

    /// Returns all metrics in the Prometheus text format.
    ///
    /// # Errors
    ///
    /// When they cannot be encoded.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }
}

/// The operation that ended when one status followed another, and how long it took, s.
fn ended(
    before: Option<&Operation>,
    after: Option<&Operation>,
    now: Timestamp,
) -> Option<(&'static str, f64)> {
    let before = before.filter(|before| after.is_none_or(|after| after.kind != before.kind))?;
    let kind = operation_type::known(&before.kind)?;
    let since = before.started_at.as_ref()?;
    let took = now.duration_since(since.0);
    Some((kind, took.as_secs_f64().max(0.0)))
}

#[cfg(test)]
mod tests;
