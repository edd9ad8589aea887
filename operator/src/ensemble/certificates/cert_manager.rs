//! Asks cert-manager for the certificate of the servers, where an issuer is to sign it: by a `Certificate`,
//! a kind that the cluster may not have.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::Status;
use kube::{Client, CustomResource, Resource};
use serde::{Deserialize, Serialize};

use super::names;
use crate::crd::IssuerRef;
use crate::ensemble::build;
use crate::ensemble::error::{Called, ReconcileError};
use crate::ensemble::validate::ValidatedEnsemble;

/// Characters of what cert-manager says that are repeated at most.
const MESSAGE_LEN_MAX: usize = 512;

/// What a certificate is to be, as far as the operator has a say in it.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "cert-manager.io",
    version = "v1",
    kind = "Certificate",
    root = "Request",
    namespaced,
    status = "RequestStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestSpec {
    /// The Secret that it is put into.
    secret_name: String,
    #[serde(default)]
    dns_names: Vec<String>,
    issuer_ref: IssuerRef,
    #[serde(default)]
    usages: Vec<String>,
    #[serde(default)]
    private_key: PrivateKey,
}

/// The key of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PrivateKey {
    algorithm: String,
    size: i32,
    rotation_policy: String,
}

/// How far cert-manager is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestStatus {
    #[serde(default)]
    conditions: Vec<RequestCondition>,
}

/// What it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct RequestCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    message: String,
}

/// What was found of the request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// The cluster has no such kind: cert-manager is not there.
    NoKind,
    /// Nothing was asked for.
    Absent,
    /// Something else was asked for.
    Different,
    /// It was asked for. What cert-manager says about it, where it is not ready.
    AsWanted(Option<String>),
}

/// What is to be asked for; `None` where no issuer is to sign.
pub(super) fn wanted(ensemble: &ValidatedEnsemble) -> Option<Request> {
    let issuer = ensemble.tls.issuer()?;
    let name = ensemble.tls_secret_name();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Some(Request {
        metadata: build::metadata(ensemble, name.clone()),
        spec: RequestSpec {
            secret_name: name,
            dns_names: names::wanted(ensemble).into_iter().collect(),
            issuer_ref: issuer.clone(),
            // Servers are clients of each other.
            usages: words(&[
                "digital signature",
                "key encipherment",
                "server auth",
                "client auth",
            ]),
            private_key: PrivateKey {
                algorithm: "ECDSA".to_owned(),
                size: 256,
                rotation_policy: "Always".to_owned(),
            },
        },
        status: None,
    })
}

/// Looks at the request, with its metadata, where there is one.
///
/// # Errors
///
/// When the API server does not answer.
pub(super) async fn look(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<(Requested, Option<ObjectMeta>), ReconcileError> {
    let api: Api<Request> = Api::namespaced(client.clone(), &ensemble.namespace);
    match api.get(&ensemble.tls_secret_name()).await {
        Ok(found) => Ok((judge(ensemble, &found), Some(found.metadata))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok((missing(&status), None)),
        Err(error) => Err(error).called("get a Certificate of cert-manager"),
    }
}

/// The API server names an object that is not there; of a kind it says that there is no such page.
fn missing(status: &Status) -> Requested {
    let details = status.details.as_ref();
    if details.is_some_and(|details| !details.name.is_empty()) {
        Requested::Absent
    } else {
        Requested::NoKind
    }
}

/// Whether it is what is wanted, and what cert-manager says.
fn judge(ensemble: &ValidatedEnsemble, found: &Request) -> Requested {
    let wanted = wanted(ensemble);
    let mut spec = found.spec.clone();
    spec.dns_names.sort();
    if wanted.is_none_or(|wanted| wanted.spec != spec) {
        return Requested::Different;
    }
    let conditions = found.status.iter().flat_map(|status| &status.conditions);
    let mut waits = conditions.filter(|one| one.kind == "Ready" && one.status != "True");
    Requested::AsWanted(
        waits
            .next()
            .map(|one| one.message.chars().take(MESSAGE_LEN_MAX).collect()),
    )
}

/// The request over the version that was seen.
pub(super) fn make(ensemble: &ValidatedEnsemble, seen: Option<&String>) -> Option<Request> {
    let mut request = wanted(ensemble)?;
    request.meta_mut().resource_version = seen.cloned();
    Some(request)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ensemble::certificates::CertificateSource;
    use crate::fixtures::{issuer, valid_with_tls};

    fn signed() -> ValidatedEnsemble {
        let mut ensemble = valid_with_tls(None);
        ensemble.tls.source = CertificateSource::Issuer(issuer());
        ensemble
    }

    #[test]
    fn request_is_as_written_here() {
        let request = json!(wanted(&signed()));
        assert_eq!(request["apiVersion"], "cert-manager.io/v1");
        assert_eq!(request["kind"], "Certificate");
        assert_eq!(request["metadata"]["name"], "demo-tls-issued");
        assert_eq!(
            request["metadata"]["ownerReferences"][0]["uid"],
            "uid-of-demo"
        );
        let spec = &request["spec"];
        assert_eq!(spec["secretName"], "demo-tls-issued");
        assert_eq!(
            spec["issuerRef"],
            json!({"name": "corp", "kind": "ClusterIssuer", "group": "cert-manager.io"})
        );
        let names = spec["dnsNames"].as_array().unwrap();
        for name in [
            "*.demo-peers.default.svc.cluster.local",
            "demo-client.default.svc",
        ] {
            assert!(names.contains(&json!(name)), "{name}");
        }
        assert_eq!(spec["usages"][3], "client auth");
        assert!(wanted(&valid_with_tls(None)).is_none());
    }

    #[test]
    fn what_was_asked_for_is_compared_and_what_is_said_is_repeated() {
        let ensemble = signed();
        let mut found = wanted(&ensemble).unwrap();
        found.spec.dns_names.reverse();
        assert_eq!(judge(&ensemble, &found), Requested::AsWanted(None));
        let says = |status: &str| RequestStatus {
            conditions: vec![RequestCondition {
                kind: "Ready".to_owned(),
                status: status.to_owned(),
                message: "issuer corp is not there".to_owned(),
            }],
        };
        found.status = Some(says("True"));
        assert_eq!(judge(&ensemble, &found), Requested::AsWanted(None));
        found.status = Some(says("False"));
        let waits = Requested::AsWanted(Some("issuer corp is not there".to_owned()));
        assert_eq!(judge(&ensemble, &found), waits);
        found.spec.dns_names.pop();
        assert_eq!(judge(&ensemble, &found), Requested::Different);
    }

    #[test]
    fn a_kind_that_is_missing_is_told_from_an_object_that_is() {
        let object: Status = serde_json::from_value(json!({
            "status": "Failure", "reason": "NotFound", "code": 404, "message": "x not found",
            "details": {"name": "demo-tls-issued", "group": "cert-manager.io", "kind": "certificates"},
        }))
        .unwrap();
        assert_eq!(missing(&object), Requested::Absent);
        let page: Status = serde_json::from_value(json!({
            "status": "Failure", "code": 404, "message": "404 page not found",
            "reason": "Failed to parse error data",
        }))
        .unwrap();
        assert_eq!(missing(&page), Requested::NoKind);
    }
}
