//! The made-up API server: requests to a `Store`, pods and nodes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use serde_json::{Value, json};
use tower::retry::RetryLayer;
use tower::{BoxError, Layer, Service};

use super::answers::Fate;
use super::store::Answer;
use super::{NAMESPACE, World};
use crate::calls::Target;
use crate::failpoints::{FailpointLayer, Failpoints};

/// How long a watch is open; nothing ever comes of it, and the caller looks again by itself.
const WATCH: Duration = Duration::from_millis(10);

/// The way of one operator to the API server.
#[derive(Clone)]
struct Way {
    world: World,
    caller: String,
}

/// Builds a client as the operator has it: failpoints outside of the retries.
pub(super) fn client(world: &World, caller: &str, failpoints: &Failpoints) -> Client {
    let way = Way {
        world: world.clone(),
        caller: caller.to_owned(),
    };
    let retried = RetryLayer::new(RetryPolicy::server_retry()).layer(way);
    Client::new(FailpointLayer(failpoints.clone()).layer(retried), NAMESPACE)
}

impl Service<Request<Body>> for Way {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let way = self.clone();
        Box::pin(async move {
            let target = Target::of(&request).ok_or("not of this API")?;
            let accept = request.headers().get(ACCEPT).cloned();
            let metadata_only =
                accept.is_some_and(|kinds| kinds.as_bytes().starts_with(b"application/json;as="));
            let writes = *request.method() != Method::GET;
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if target.verb == "watch" {
                tokio::time::sleep(WATCH).await;
                return Ok(Response::new(Full::default()));
            }
            way.answer(&target, writes, &query, body).map(|answer| {
                let answer = answer.map(|object| match metadata_only {
                    true => metadata_of(&object),
                    false => object,
                });
                response(answer)
            })
        })
    }
}

impl Way {
    fn answer(
        &self,
        target: &Target,
        writes: bool,
        query: &str,
        body: Value,
    ) -> Result<Answer, BoxError> {
        let mut cluster = self.world.cluster();
        let fate = cluster.answers.as_mut().map(|answers| answers.fate(writes));
        let fate = fate.unwrap_or(Fate::Answered);
        if fate != Fate::Answered && writes {
            let call = target.call();
            cluster
                .witness
                .tell(format!("{}: {call}: {fate:?}", self.caller));
        }
        match fate {
            Fate::Refused(status) => return Ok(Err(status)),
            Fate::Cut => return Err("connection reset".into()),
            Fate::Answered | Fate::DoneAndRefused(_) | Fate::DoneAndCut => {}
        }
        let answer = cluster.asked(&self.caller, target, query, body);
        match fate {
            Fate::DoneAndRefused(status) => Ok(Err(status)),
            Fate::Cut | Fate::DoneAndCut => Err("connection reset".into()),
            Fate::Answered | Fate::Refused(_) => Ok(answer),
        }
    }
}

fn metadata_of(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let (status, object) = match answer {
        Ok(object) => (StatusCode::OK, object),
        Err(code) => {
            let status = StatusCode::from_u16(code).unwrap();
            let reason = match code {
                404 => "NotFound",
                409 => "Conflict",
                429 => "TooManyRequests",
                _ => "InternalError",
            };
            let object = json!({
                "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
                "message": "made up", "reason": reason, "code": code, "details": {"name": "made-up"},
            });
            (status, object)
        }
    };
    let mut response = Response::new(Full::from(object.to_string()));
    *response.status_mut() = status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        // At once, for these waits would be real ones.
        response.headers_mut().insert(RETRY_AFTER, 0.into());
    }
    response
}
