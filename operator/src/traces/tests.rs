//! Traces of a reconcile, as a collector gets them.

use std::net::IpAddr;
use std::time::Duration;

use hyper::{Request, Response, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::client::Body;
use quorate_telemetry::testing::{Span, TestCollector};
use tower::{BoxError, service_fn};

use super::*;
use crate::members::{HttpMembers, Members as _};

/// An API server that has one pod, and fails for any other.
fn client() -> Client {
    let server = service_fn(|request: Request<Body>| async move {
        let mut response = Response::new(Body::from(
            br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"here"}}"#.to_vec(),
        ));
        if !request.uri().path().ends_with("/here") {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        Ok::<_, BoxError>(response)
    });
    Client::new(server, "shop")
}

async fn told(fails: bool) -> Vec<Span> {
    let taker = TestCollector::start().await.unwrap();
    let at = format!("http://{}", taker.address()).parse().unwrap();
    let collector = Collector::new(at, None).unwrap();
    let traces = ReconcileTraces::start(Some(&collector), "operator-0", Handle::current()).unwrap();
    let client = client();
    // Outside of reconciles, nothing is told.
    assert!(traces.client(&client).is_none());
    let members = TracedMembers::new(HttpMembers, traces.clone());
    let reconcile = async {
        let client = traces.client(&client).unwrap();
        let pods: Api<Pod> = Api::default_namespaced(client);
        let pod = pods.get(if fails { "gone" } else { "here" }).await;
        // Nobody listens there.
        let silent: IpAddr = "127.0.0.255".parse().unwrap();
        assert!(members.ask(silent).await.is_err());
        pod.map(drop)
    };
    let outcome = traces.reconcile("shop", "orders", reconcile).await;
    assert_eq!(outcome.is_err(), fails);
    traces.end().await;
    taker
        .until(Duration::from_secs(10), |spans| spans.len() >= 3)
        .await
        .unwrap()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:?}");
    found[0]
}

#[tokio::test]
async fn a_reconcile_has_a_span_and_each_call_in_it_too() {
    let spans = told(false).await;
    let whole = named(&spans, "reconcile");
    assert_eq!(whole.attributes["k8s.namespace.name"], "shop");
    assert_eq!(whole.attributes["quorate.ensemble"], "orders");
    assert_eq!(whole.resource["service.name"], "quorate-operator");
    assert_eq!((whole.kind, whole.status), (1, 0));
    let call = named(&spans, "get-pods");
    assert_eq!((&call.parent, &call.trace), (&whole.id, &whole.trace));
    assert_eq!(call.attributes["http.response.status_code"], "200");
    assert_eq!(call.attributes["k8s.object.name"], "here");
    assert_eq!((call.kind, call.status), (3, 0));
    let asked = named(&spans, "ask-server");
    assert_eq!((&asked.parent, asked.status), (&whole.id, 2));
    assert_eq!(asked.attributes["server.address"], "127.0.0.255");
    assert_eq!(spans.len(), 3);
}

#[tokio::test]
async fn what_fails_says_so() {
    let spans = told(true).await;
    assert_eq!(named(&spans, "reconcile").status, 2);
    let call = named(&spans, "get-pods");
    assert_eq!(call.status, 2);
    assert_eq!(call.attributes["http.response.status_code"], "500");
}
