//! Traces: a span for each reconcile, and in it one for each call that it waited for.
//!
//! The calls are seen in the way of the reconcile to the API server (`client`) and to the servers (`servers`).
//! What the process asks besides is not traced: for its caches and the Lease, and to publish events.

mod client;
mod servers;

use std::fmt::Display;

use kube::Client;
use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use quorate_telemetry::traces::{Collector, Traces, TracesError};
use tokio::runtime::Handle;

use client::TracedClient;
pub use servers::TracedMembers;

/// What the program is called in traces.
const SERVICE: &str = "quorate-operator";

/// The traces of this operator; off, they do nothing.
#[derive(Clone, Debug, Default)]
pub struct ReconcileTraces(Option<Traces>);

impl ReconcileTraces {
    /// Begins where there is a collector.
    ///
    /// # Errors
    /// What is said of it cannot be.
    pub fn start(
        collector: Option<&Collector>,
        pod_name: &str,
        runtime: Handle,
    ) -> Result<Self, TracesError> {
        let Some(collector) = collector else {
            return Ok(Self::default());
        };
        let about = vec![
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", pod_name.to_owned()),
            KeyValue::new("k8s.pod.name", pod_name.to_owned()),
        ];
        let traces = Traces::start(collector, SERVICE, about, runtime)?;
        Ok(Self(Some(traces)))
    }

    /// Carries out a reconcile of this ensemble, and tells how that ends.
    ///
    /// # Errors
    /// Those of the reconcile.
    pub async fn reconcile<T, E: Display>(
        &self,
        namespace: &str,
        ensemble: &str,
        reconcile: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(traces) = &self.0 else {
            return reconcile.await;
        };
        let about = vec![
            KeyValue::new("k8s.namespace.name", namespace.to_owned()),
            KeyValue::new("quorate.ensemble", ensemble.to_owned()),
        ];
        let builder = traces
            .tracer()
            .span_builder("reconcile")
            .with_kind(SpanKind::Internal)
            .with_attributes(about);
        let span = traces.tracer().build_with_context(builder, &Context::new());
        let within = Context::new().with_span(span);
        let result = reconcile.with_context(within.clone()).await;
        end(&within, result.as_ref().err());
        result
    }

    /// The way of the reconcile that is under way to the API server; `None` where there is none, or no trace.
    pub fn client(&self, client: &Client) -> Option<Client> {
        let reconcile = self.under_way()?;
        let namespace = client.default_namespace().to_owned();
        let traced = TracedClient {
            inner: client.clone(),
            traces: self.clone(),
            reconcile,
        };
        Some(Client::new(traced, namespace))
    }

    /// The reconcile that this task carries out.
    fn under_way(&self) -> Option<Context> {
        self.0.as_ref()?;
        Some(Context::current()).filter(Context::has_active_span)
    }

    /// Begins the span of a call.
    fn call(&self, reconcile: &Context, name: String, about: Vec<KeyValue>) -> Option<Context> {
        let traces = self.0.as_ref()?;
        let builder = traces
            .tracer()
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(about);
        let span = traces.tracer().build_with_context(builder, reconcile);
        Some(reconcile.with_span(span))
    }

    /// Sends what there is, and nothing any more.
    pub async fn end(self) {
        if let Some(traces) = self.0 {
            traces.end().await;
        }
    }
}

/// Ends a span.
fn end<E: Display + ?Sized>(context: &Context, error: Option<&E>) {
    let span = context.span();
    if let Some(error) = error {
        span.set_status(Status::error(error.to_string()));
    }
    span.end();
}

#[cfg(test)]
mod tests;
