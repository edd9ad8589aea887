//! A collector of traces for tests: it takes what it is sent, and tells it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A span as a collector sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// The trace that it is of.
    pub trace: Vec<u8>,
    /// Its number.
    pub id: Vec<u8>,
    /// The span that it is a part of; empty for a whole.
    pub parent: Vec<u8>,
    /// `SPAN_KIND_SERVER` is 2, `SPAN_KIND_CLIENT` 3.
    pub kind: i32,
    /// `STATUS_CODE_ERROR` is 2; 0: nobody says.
    pub status: i32,
    /// From when to when, since 1970.
    pub time: (Duration, Duration),
    /// What is said about it.
    pub attributes: BTreeMap<String, String>,
    /// What is said about the program.
    pub resource: BTreeMap<String, String>,
}

/// A collector on loopback.
#[derive(Debug, Clone)]
pub struct TestCollector {
    address: SocketAddr,
    got: Arc<Got>,
}

#[derive(Debug, Default)]
struct Got {
    spans: Mutex<Vec<Span>>,
    headers: Mutex<Vec<http::HeaderMap>>,
    refuses: Mutex<bool>,
    more: Notify,
}

impl TestCollector {
    /// Begins to take traces on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> io::Result<Self> {
        Self::wrapped(|stream| async { Ok(stream) }).await
    }

    /// The same, with something such as TLS around each connection.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn wrapped<S, F>(wrap: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let collector = Self {
            address: listener.local_addr()?,
            got: Arc::default(),
        };
        let got = collector.got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who cannot be understood goes; the test waits in vain and says so.
                let Ok(stream) = wrap(stream).await else {
                    continue;
                };
                let got = got.clone();
                let service = service_fn(move |request| take(got.clone(), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Ok(collector)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses everything from now on, or nothing.
    pub fn refuse(&self, refuses: bool) {
        *self
            .got
            .refuses
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = refuses;
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let spans = self.got.spans.lock();
        spans.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn headers(&self) -> Vec<http::HeaderMap> {
        let headers = self.got.headers.lock();
        headers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the spans are what a test wants.
    ///
    /// # Errors
    /// They are not within `time`; all that there are.
    pub async fn until(
        &self,
        time: Duration,
        wanted: impl Fn(&[Span]) -> bool,
    ) -> Result<Vec<Span>, Vec<Span>> {
        let come = async {
            loop {
                let more = self.got.more.notified();
                let spans = self.spans();
                if wanted(&spans) {
                    return spans;
                }
                more.await;
            }
        };
        let come = tokio::time::timeout(time, come).await;
        come.map_err(|_| self.spans())
    }
}

async fn take(
    got: Arc<Got>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let answer = |status: StatusCode, body: Vec<u8>| {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    };
    let (head, body) = request.into_parts();
    if head.uri.path() != "/v1/traces" {
        return Ok(answer(StatusCode::NOT_FOUND, Vec::new()));
    }
    let body = body.collect().await?.to_bytes();
    if *got.refuses.lock().unwrap_or_else(PoisonError::into_inner) {
        return Ok(answer(StatusCode::FORBIDDEN, Vec::new()));
    }
    let Ok(told) = ExportTraceServiceRequest::decode(body) else {
        return Ok(answer(StatusCode::BAD_REQUEST, Vec::new()));
    };
    got.headers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head.headers);
    got.spans
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(spans(told));
    got.more.notify_waiters();
    let response = ExportTraceServiceResponse::default();
    Ok(answer(StatusCode::OK, response.encode_to_vec()))
}

fn spans(told: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_program in told.resource_spans {
        let resource = of_program
            .resource
            .map(|r| r.attributes)
            .unwrap_or_default();
        let resource = table(resource);
        for span in of_program
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            spans.push(Span {
                name: span.name,
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                kind: span.kind,
                status: span.status.map_or(0, |status| status.code),
                time: (
                    Duration::from_nanos(span.start_time_unix_nano),
                    Duration::from_nanos(span.end_time_unix_nano),
                ),
                attributes: table(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn table(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| {
        let value = match attribute.value.and_then(|value| value.value)? {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            // The programs say nothing else of themselves.
            Value::BoolValue(_)
            | Value::DoubleValue(_)
            | Value::ArrayValue(_)
            | Value::KvlistValue(_)
            | Value::BytesValue(_)
            | Value::StringValueStrindex(_) => return None,
        };
        Some((attribute.key, value))
    };
    attributes.into_iter().filter_map(text).collect()
}
