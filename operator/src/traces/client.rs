//! The spans of requests to the API server.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use tower::{BoxError, Service};

use super::{ReconcileTraces, end};
use crate::calls::Target;

/// The way of one reconcile to the API server: that of all, with a span around each request.
///
/// A client does what it is asked on a task of its own, which knows nothing of the task that asks. So each
/// reconcile has one, which knows whose it is.
#[derive(Clone)]
pub(super) struct TracedClient {
    pub(super) inner: Client,
    pub(super) traces: ReconcileTraces,
    pub(super) reconcile: Context,
}

impl Service<Request<Body>> for TracedClient {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), BoxError>> {
        // The inner client has a queue of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = Target::of(&request).and_then(|target| {
            let about = about(&target);
            self.traces.call(&self.reconcile, target.call(), about)
        });
        let client = self.inner.clone();
        Box::pin(async move {
            let answer = client.send(request).await.map_err(BoxError::from);
            let Some(span) = span else { return answer };
            match &answer {
                Ok(answer) => {
                    let status = answer.status();
                    let code = i64::from(status.as_u16());
                    let code = KeyValue::new("http.response.status_code", code);
                    span.span().set_attribute(code);
                    // Whoever asked knows what it means that something is not there, or is there already.
                    end(&span, status.is_server_error().then_some(status.as_str()));
                }
                Err(error) => end(&span, Some(error.as_ref())),
            }
            answer
        })
    }
}

fn about(target: &Target) -> Vec<KeyValue> {
    let name = target.name.clone();
    name.map(|name| KeyValue::new("k8s.object.name", name))
        .into_iter()
        .collect()
}
