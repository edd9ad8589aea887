//! Traces by OTLP over HTTP, for whoever names a collector.
//!
//! Where there is none, nothing of this runs. What a program is called, and more about it, can be said with
//! `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, and what its requests to the collector carry with
//! `OTEL_EXPORTER_OTLP_HEADERS`
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

mod endpoint;
mod http;
mod ratio;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SdkTracer, SdkTracerProvider};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::{info, warn};

pub use self::endpoint::{BadCollector, BadEndpoint, Collector, Endpoint};
pub use self::http::ConnectorError;
use self::http::Sender;
pub use self::ratio::{BadRatio, Ratio, Sampler};

/// The variable that names the program in traces.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// How long the end of a process waits for its last spans to be taken.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why there are no traces.
#[derive(Debug, Error)]
pub enum TracesError {
    /// The way to the collector.
    #[error("{0}")]
    Connector(#[from] ConnectorError),
    /// What is said of it.
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
}

/// The traces of the process.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Begins to send to `collector`, on `runtime`. `service` is the name of the program where the
    /// environment has no other; `attributes` are true of each span.
    ///
    /// # Errors
    /// The certificates of the authority cannot be read, or the environment says what cannot be.
    pub fn start(
        collector: &Collector,
        service: &'static str,
        attributes: Vec<KeyValue>,
        runtime: Handle,
    ) -> Result<Self, TracesError> {
        let authority = collector.authority().map(std::path::PathBuf::as_path);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(authority, runtime)?)
            .with_endpoint(collector.endpoint().uri())
            .build()?;
        let name = std::env::var(SERVICE_NAME)
            .ok()
            .filter(|name| !name.is_empty());
        let resource = Resource::builder_empty()
            .with_attributes(attributes)
            .with_service_name(service)
            .with_detector(Box::new(EnvResourceDetector::new()))
            .with_attributes(name.map(|name| KeyValue::new("service.name", name)))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // Whoever begins a span has chosen already.
            .with_sampler(SdkSampler::AlwaysOn)
            .with_resource(resource)
            .build();
        info!("traces go to {}", collector.endpoint());
        let tracer = provider.tracer(service);
        Ok(Self { provider, tracer })
    }

    /// What begins spans.
    #[must_use]
    pub fn tracer(&self) -> &SdkTracer {
        &self.tracer
    }

    /// Sends what there is, and nothing any more. Waits for the collector, for two seconds at most.
    pub async fn end(self) {
        let ended =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_WORDS));
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => warn!("the last traces are lost: {e}"),
            Err(e) => warn!("the last traces are lost: {e}"),
        }
    }
}

#[cfg(test)]
mod tests;
