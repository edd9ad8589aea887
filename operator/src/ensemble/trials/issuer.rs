//! The issuer of the made-up cluster: it signs what it is asked for, and keeps it in a Secret.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use super::clock;
use super::cluster::Cluster;
use super::store::{target, text};

/// Annotation of a Secret: the names in its certificate.
const NAMES: &str = "made-up/names";

impl Cluster {
    /// Signs what was asked for and is not in its Secret yet.
    pub(super) fn follow_requests(&mut self) {
        let requests: Vec<Value> = self.store.all("certificates").cloned().collect();
        for request in &requests {
            let name = text(request, "/spec/secretName").to_owned();
            let names = &request["spec"]["dnsNames"];
            let there = self.store.get("secrets", &name);
            let signed = there.map(|secret| &secret["metadata"]["annotations"][NAMES]);
            if signed == Some(&json!(names.to_string())) {
                continue;
            }
            let secret = sign(&name, names);
            let target = target("apply", "secrets", &name);
            self.store.apply(&target, secret, clock()).unwrap();
        }
    }
}

fn sign(name: &str, names: &Value) -> Value {
    let hosts: Vec<String> = serde_json::from_value(names.clone()).unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(hosts).unwrap();
    let fields = [
        ("tls.crt", cert.pem()),
        ("tls.key", signing_key.serialize_pem()),
    ];
    let fields = fields.map(|(name, pem)| (name.to_owned(), ByteString(pem.into_bytes())));
    let mut secret = serde_json::to_value(Secret {
        data: Some(BTreeMap::from(fields)),
        ..Secret::default()
    })
    .unwrap();
    secret["metadata"] = json!({"name": name, "annotations": {NAMES: names.to_string()}});
    secret
}
