//! The failpoints around each request to the API server.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::{Request, Response};
use tower::{BoxError, Layer, Service};

use super::{Failpoints, When};
use crate::calls::Target;

/// Puts the failpoints around a client's service, outside of its retries.
#[derive(Clone, Debug)]
pub struct FailpointLayer(pub Failpoints);

/// A service with failpoints around each request.
#[derive(Clone, Debug)]
pub struct FailpointService<S> {
    inner: S,
    failpoints: Failpoints,
}

impl<S> Layer<S> for FailpointLayer {
    type Service = FailpointService<S>;

    fn layer(&self, inner: S) -> FailpointService<S> {
        let failpoints = self.0.clone();
        FailpointService { inner, failpoints }
    }
}

impl<S, B, R> Service<Request<B>> for FailpointService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = format!("{} {}", request.method(), request.uri());
        let call = Target::of(&request).map_or(asked, |target| target.call());
        let failpoints = self.failpoints.clone();
        // Nothing is sent before it is polled.
        let answer = self.inner.call(request);
        Box::pin(async move {
            failpoints.reach(When::Before, &call).await?;
            let answer = answer.await.map_err(Into::into)?;
            failpoints.reach(When::After, &call).await?;
            Ok(answer)
        })
    }
}
