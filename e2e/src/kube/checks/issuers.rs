//! An issuer of cert-manager signs the certificate of the servers. cert-manager itself is not here: its kind
//! `Certificate` is, and what it would do with one is done by hand.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::refusals::set;
use super::tls::{SECURE_PORT, SESSION, trust};
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::authority::Authority;
use crate::kube::reach;
use crate::kube::zke::{Zke, condition};
use crate::peers::{Client, wait_for};

/// Name of the ensemble.
const ENSEMBLE: &str = "issued";

/// The request for the certificate, and the Secret that it goes to.
const REQUEST: &str = "issued-tls-issued";

/// A name of the listener that only the spec says.
const HOST: &str = "zk.example.com";

/// Life of the certificate.
const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// Until the operator has looked again.
const LIMIT: Duration = Duration::from_secs(120);

/// The operator says what is missing, asks for the certificate when it can, and starts the servers with it.
pub(super) fn issuer_signs(bench: &Bench<'_>) -> Result<String> {
    let zke = Zke {
        name: ENSEMBLE,
        ..bench.zke.clone()
    };
    let mut wanted = manifest();
    set(&mut wanted, "/metadata/name", json!(ENSEMBLE))?;
    set(&mut wanted, "/spec/voters/replicas", json!(1))?;
    let tls = json!({ "client": { "mode": "Require" }, "issuerRef": { "name": "corp" } });
    set(&mut wanted, "/spec/tls", tls)?;
    let listeners = json!([
        { "name": "edge", "type": "ClusterIP", "tls": "Require", "hostNames": [HOST] },
    ]);
    set(&mut wanted, "/spec/listeners", listeners)?;
    zke.kubectl.apply(zke.namespace, &wanted)?;
    wait_for_reason(&zke, "IssuerMissing")?;
    zke.kubectl.apply(zke.namespace, &kind())?;
    let names = wait_for("the request", LIMIT, || {
        let request = zke
            .kubectl
            .get(zke.namespace, &["certificates.cert-manager.io", REQUEST]);
        let request = request.map_err(|error| error.to_string())?;
        let names = request
            .pointer("/spec/dnsNames")
            .cloned()
            .unwrap_or_default();
        serde_json::from_value::<Vec<String>>(names).map_err(|error| error.to_string())
    })?;
    wait_for_reason(&zke, "Issuing")?;
    ensure!(names.iter().any(|name| name == HOST), "{names:?}");
    let authority = Authority::new()?;
    let secret = authority.secret(REQUEST, names, Duration::ZERO, LIFE)?;
    zke.kubectl.apply(zke.namespace, &secret)?;
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    wait_for_reason(&zke, "Issued")?;
    let service = format!("{ENSEMBLE}-listener-edge");
    let address = reach::service(zke.kubectl, zke.namespace, &service, SECURE_PORT)?;
    let trusted = trust(&authority.pem)?;
    let mut client = wait_for("the listener", LIMIT, || {
        let client = Client::connect_tls(address, SESSION, Arc::clone(&trusted), HOST);
        client.map_err(|error| error.to_string())
    })?;
    client.sync()?;
    client.close()?;
    zke.kubectl
        .run(&["delete", "zke", ENSEMBLE, "--namespace", zke.namespace])?;
    zke.kubectl
        .run(&["delete", "crd", "certificates.cert-manager.io"])?;
    Ok("the condition said what was missing, then a client found zk.example.com in the certificate".to_owned())
}

fn wait_for_reason(zke: &Zke<'_>, wanted: &str) -> Result<()> {
    wait_for(&format!("the reason {wanted}"), LIMIT, || {
        let object = zke.get().map_err(|error| error.to_string())?;
        let found = condition(&object, "CertificatesValid")
            .cloned()
            .unwrap_or_default();
        let reason = found.get("reason").and_then(Value::as_str);
        (reason == Some(wanted))
            .then_some(())
            .ok_or_else(|| found.to_string())
    })
}

/// The kind, without its rules.
fn kind() -> Value {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "certificates.cert-manager.io" },
        "spec": {
            "group": "cert-manager.io",
            "scope": "Namespaced",
            "names": { "kind": "Certificate", "plural": "certificates", "singular": "certificate" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "properties": { "spec": any, "status": any },
                } },
                "subresources": { "status": {} },
            }],
        },
    })
}
