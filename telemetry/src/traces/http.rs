//! Requests to a collector.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// How long a collector has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer that is read, bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// What prevents traces from being sent to a collector.
#[derive(Debug, Error)]
pub enum ConnectorError {
    /// The authority cannot be read.
    #[error("{file}: {why}; it must have certificates in PEM")]
    Authority {
        /// Its file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

type Way = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Sends on the runtime of the process, from whatever thread; says once when a collector fails, and once
/// when it is back.
pub(super) struct Sender {
    way: Way,
    runtime: Handle,
    failing: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// `authority`: who may sign the collector's certificate.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn new(authority: Option<&Path>, runtime: Handle) -> Result<Self, ConnectorError> {
        let roots = authority.map_or_else(|| Ok(RootCertStore::empty()), read)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            way: Client::builder(TokioExecutor::new()).build(connector),
            runtime,
            failing: AtomicBool::new(false),
        })
    }

    fn note(&self, failure: Option<String>) {
        let failed = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(why) if !failed => warn!("the collector of traces does not take them: {why}"),
            None if failed => info!("the collector of traces takes them again"),
            _ => {}
        }
    }
}

fn read(file: &Path) -> Result<RootCertStore, ConnectorError> {
    let bad = |why: String| ConnectorError::Authority {
        file: file.display().to_string(),
        why,
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|e| bad(e.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

async fn send(way: Way, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let response = way.request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_MAX).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// The whole of what went wrong: the outermost error says little.
fn whole(error: &HttpError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Who asks has a thread without a runtime.
        let way = self.way.clone();
        let sent = self
            .runtime
            .spawn(async move { tokio::time::timeout(PATIENCE, send(way, request)).await });
        let answer: Result<Response<Bytes>, HttpError> = match sent.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(format!("no answer within {} s", PATIENCE.as_secs()).into()),
            Err(e) => Err(e.into()),
        };
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(e) => Some(whole(e)),
        });
        answer
    }
}
