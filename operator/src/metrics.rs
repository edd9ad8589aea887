//! What the operator counts, for Prometheus. Labels come from fixed sets of ours.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use crate::ensemble::error::ReconcileError;

/// Counters and the registry that they are read from.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounter,
    seconds: Histogram,
    errors: IntCounterVec,
    steps: IntCounterVec,
    status_writes: IntCounter,
    leading: IntGauge,
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
            status_writes: IntCounter::new(
                "quorate_operator_status_writes_total",
                "Status updates that were written because something changed",
            )?,
            leading: IntGauge::new(
                "quorate_operator_leading",
                "1 while this operator is the one that works",
            )?,
        };
        metrics
            .registry
            .register(Box::new(metrics.reconciles.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.seconds.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.errors.clone()))?;
        metrics.registry.register(Box::new(metrics.steps.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.status_writes.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.leading.clone()))?;
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

    pub(crate) fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Says whether this operator works.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
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
