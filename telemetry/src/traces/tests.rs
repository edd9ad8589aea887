//! Traces against a collector on loopback.

use std::path::PathBuf;
use std::sync::Arc;

use opentelemetry::trace::{Span as _, Tracer as _};
use quorate_telemetry::testing::TestCollector;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn collector(text: &str, authority: Option<PathBuf>) -> Collector {
    Collector::new(text.parse().unwrap(), authority).unwrap()
}

fn start(collector: &Collector) -> Traces {
    let about = vec![KeyValue::new("service.instance.id", "orders-0")];
    Traces::start(collector, "quorate", about, Handle::current()).unwrap()
}

#[tokio::test]
async fn spans_come_to_the_collector_with_what_is_true_of_the_program() {
    let taker = TestCollector::start().await.unwrap();
    let traces = start(&collector(&format!("http://{}", taker.address()), None));
    traces.tracer().start("getData").end();
    traces.end().await;
    let spans = taker.spans();
    let [span] = spans.as_slice() else {
        panic!("one span: {spans:?}");
    };
    assert_eq!(span.name, "getData");
    assert_eq!(span.resource["service.name"], "quorate");
    assert_eq!(span.resource["service.instance.id"], "orders-0");
}

#[tokio::test]
async fn a_collector_that_refuses_and_is_back_takes_what_comes_then() {
    let taker = TestCollector::start().await.unwrap();
    taker.refuse(true);
    let traces = start(&collector(&format!("http://{}", taker.address()), None));
    traces.tracer().start("first").end();
    let flushed = traces.provider.clone();
    let flushed = tokio::task::spawn_blocking(move || flushed.force_flush());
    assert!(flushed.await.unwrap().is_err());
    taker.refuse(false);
    traces.tracer().start("second").end();
    let come = async { taker.until(SOON, |spans| !spans.is_empty()).await };
    let (spans, ()) = tokio::join!(come, traces.end());
    assert_eq!(spans.unwrap()[0].name, "second");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_collector_that_is_not_there() {
    // The second one takes connections and never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for to in [
        "127.0.0.1:1".to_owned(),
        mute.local_addr().unwrap().to_string(),
    ] {
        let traces = start(&collector(&format!("http://{to}"), None));
        traces.tracer().start("lost").end();
        let began = std::time::Instant::now();
        traces.end().await;
        let took = began.elapsed();
        assert!(took < LAST_WORDS * 3, "{to}: {took:?}");
    }
}

/// An authority, and a collector with a certificate that it signed for `name`.
async fn encrypted(name: &str) -> (tempfile::NamedTempFile, TestCollector) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let taker = TestCollector::wrapped(move |stream| acceptor.clone().accept(stream))
        .await
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (file, taker)
}

#[tokio::test]
async fn an_encrypted_collector_must_prove_who_it_is() {
    let (file, taker) = encrypted("127.0.0.1").await;
    let to = format!("https://{}", taker.address());
    let traces = start(&collector(&to, Some(file.path().to_owned())));
    traces.tracer().start("for its eyes only").end();
    traces.end().await;
    assert_eq!(taker.spans().len(), 1);

    let (file, taker) = encrypted("another.example.com").await;
    let to = format!("https://{}", taker.address());
    let traces = start(&collector(&to, Some(file.path().to_owned())));
    traces.tracer().start("for nobody else").end();
    traces.end().await;
    assert_eq!(taker.spans(), []);
}

#[tokio::test]
async fn an_authority_that_is_none_is_refused_by_its_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display().to_string();
    let to = collector("https://127.0.0.1:1", Some(file.path().to_owned()));
    let why = Traces::start(&to, "quorate", Vec::new(), Handle::current()).unwrap_err();
    let why = why.to_string();
    assert!(why.contains(&name) && why.contains("PEM"), "{why}");
}
