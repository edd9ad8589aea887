//! Asks the API server again where something was only to be read and the answer got lost.
//!
//! A reconcile reads dozens of objects before it does anything. Where one answer in thirty is lost, hardly any
//! would get to its end, and each waits longer than the one before. What was to be written is not asked again:
//! nobody knows whether it was done. The client itself repeats what was answered with 429, 503 or 504.

use std::time::Duration;

use hyper::{Method, Request, Response, StatusCode};
use kube::client::Body;
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::layer::util::Stack;
use tower::retry::{Policy, RetryLayer};

/// How often one thing is asked again.
const AGAIN_MAX: u32 = 3;

/// Pause before the first time; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// Requests that may wait for the connection.
const REQUESTS_MAX: usize = 1024;

/// Which requests are repeated, and how often each was.
#[derive(Clone, Debug, Default)]
pub struct ReadAgain {
    repeated: u32,
}

/// What goes around a client's service.
pub fn layer() -> Stack<BufferLayer<Request<Body>>, RetryLayer<ReadAgain>> {
    let buffer = BufferLayer::new(REQUESTS_MAX);
    Stack::new(buffer, RetryLayer::new(ReadAgain::default()))
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for ReadAgain {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Self::Future> {
        let lost = match result {
            Ok(response) => matches!(
                response.status(),
                StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY
            ),
            Err(_) => true,
        };
        if !lost || self.repeated >= AGAIN_MAX {
            return None;
        }
        let pause = PAUSE * 2_u32.pow(self.repeated);
        self.repeated += 1;
        Some(tokio::time::sleep(pause))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        if request.method() != Method::GET {
            return None;
        }
        let mut again = Request::new(Body::empty());
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        Some(again)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tower::{Layer, Service, service_fn};

    use super::*;

    /// Asks a server that fails so often before it answers; the outcome, and how often it was asked.
    async fn ask(method: Method, failures: u32, cut: bool) -> (Result<StatusCode, String>, u32) {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        let server = service_fn(move |_: Request<Body>| {
            let fails = counted.fetch_add(1, Relaxed) < failures;
            let mut response = Response::new(Body::empty());
            if fails {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            std::future::ready(match fails && cut {
                true => Err(BoxError::from("cut")),
                false => Ok(response),
            })
        });
        let mut client = layer().layer(server);
        std::future::poll_fn(|cx| client.poll_ready(cx))
            .await
            .unwrap();
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        let outcome = client.call(request).await;
        let outcome = outcome.map(|r| r.status()).map_err(|e| e.to_string());
        (outcome, asked.load(Relaxed))
    }

    #[tokio::test]
    async fn reads_are_repeated_some_times() {
        for cut in [false, true] {
            let (outcome, asked) = ask(Method::GET, AGAIN_MAX, cut).await;
            assert_eq!((outcome, asked), (Ok(StatusCode::OK), AGAIN_MAX + 1));
        }
        let (outcome, asked) = ask(Method::GET, 100, false).await;
        let failed = Ok(StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!((outcome, asked), (failed, AGAIN_MAX + 1));
    }

    #[tokio::test]
    async fn writes_are_not_repeated() {
        for method in [Method::PATCH, Method::POST, Method::PUT, Method::DELETE] {
            let (outcome, asked) = ask(method, 1, true).await;
            assert_eq!((outcome, asked), (Err("cut".into()), 1));
        }
    }
}
