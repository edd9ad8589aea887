//! What tells about this server as it works: the log, the audit log, traces.

use opentelemetry::KeyValue;
use quorate_telemetry::Log;
use quorate_telemetry::traces::TracesError;
use thiserror::Error;
use tokio::runtime::Handle;

use crate::audit::{Audit, AuditError, Outcome};
use crate::clock::Clock;
use crate::config::{Mode, PodIdentity, Settings};
use crate::traces::RequestTraces;

/// One of them cannot begin.
#[derive(Debug, Error)]
pub enum TellError {
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Traces.
    #[error("traces: {0}; quorate.traces.endpoint names who takes them")]
    Traces(#[from] TracesError),
}

/// All of them; clones are the same ones.
#[derive(Debug, Clone)]
pub struct Tellers {
    /// The log, whose levels change.
    pub log: Log,
    /// The audit log.
    pub audit: Audit,
    /// Traces of requests.
    pub traces: RequestTraces,
}

impl Tellers {
    /// Begins what is asked for.
    ///
    /// # Errors
    /// A file cannot be opened, or what is said of a collector cannot be.
    pub fn start(
        settings: &Settings,
        pod: Option<&PodIdentity>,
        log: Log,
        clock: Clock,
        runtime: &Handle,
    ) -> Result<Self, TellError> {
        let audit = Audit::start(settings.audit.as_ref(), log.format(), clock)?;
        let about = about(settings, pod);
        let traces = RequestTraces::start(settings.traces.as_ref(), about, clock, runtime)?;
        Ok(Self { log, audit, traces })
    }

    /// Writes down and sends what there is; the audit log says if the server did not even start.
    pub async fn end(&self, started: bool) {
        if !started {
            self.audit.server("serverStart", Outcome::Failure);
        }
        self.traces.end().await;
        self.audit.end().await;
    }
}

/// What tells this server's spans from those of others.
fn about(settings: &Settings, pod: Option<&PodIdentity>) -> Vec<KeyValue> {
    let sid = match &settings.mode {
        Mode::Standalone => None,
        Mode::Ensemble { sid, .. } => Some(*sid),
    };
    let id = sid.map(|sid| sid.0);
    let instance = match (pod, id) {
        (Some(pod), _) => pod.name.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => "standalone".to_owned(),
    };
    let zone = sid.and_then(|sid| settings.zones.of(sid, sid));
    let mut about = vec![
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance),
    ];
    about.extend(id.map(|id| KeyValue::new("zookeeper.server_id", id)));
    about.extend(pod.map(|pod| KeyValue::new("k8s.pod.name", pod.name.clone())));
    about.extend(zone.map(|zone| KeyValue::new("cloud.availability_zone", zone.to_owned())));
    about
}
