//! The issuer of the made-up cluster: it signs what it is asked for, and keeps it in a Secret.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::store::text;
use super::{NAMESPACE, clock};
use crate::failpoints::Target;

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
            let signed = there.map(|secret| text(&secret["metadata"]["annotations"], &pointer()));
            if signed == Some(names.to_string().as_str()) {
                continue;
            }
            let secret = sign(&name, names);
            let target = Target {
                verb: "apply",
                resource: "secrets".to_owned(),
                namespace: Some(NAMESPACE.to_owned()),
                name: Some(name),
                subresource: None,
            };
            self.store.apply(&target, secret, clock()).unwrap();
        }
    }
}

fn pointer() -> String {
    format!("/{}", NAMES.replace('/', "~1"))
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
