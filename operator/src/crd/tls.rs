//! TLS of an ensemble: who speaks it, and by whose certificates.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS with clients and between servers. Without `secretName` and `issuerRef` the operator makes an authority
/// and certificates of the ensemble's own, in the Secrets `NAME-ca` and `NAME-tls`, and renews them.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "(!has(self.secretName) && !has(self.issuerRef)) || \
         (has(self.client) && has(self.client.mode) && self.client.mode != 'Disabled') \
         || (has(self.peer) && has(self.peer.mode) && self.peer.mode != 'Disabled')"
    ).message(
        "tls.secretName and tls.issuerRef have no effect while client.mode and peer.mode are Disabled: set one \
         of the modes, or remove secretName and issuerRef"
    ),
    validation = Rule::new("!has(self.secretName) || !has(self.issuerRef)").message(
        "tls has both secretName and issuerRef: the certificate comes from one of them; remove the other"
    )
)]
pub struct Tls {
    /// TLS with clients.
    #[serde(default)]
    pub client: ClientTls,

    /// TLS between the servers.
    #[serde(default)]
    pub peer: PeerTls,

    /// Name of a Secret of type kubernetes.io/tls with the certificate of the servers, e.g. from
    /// cert-manager, in place of the operator's own. With peer.mode Require it needs ca.crt, and the
    /// name *.NAME-peers.NAMESPACE.svc.DOMAIN in its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message(
            "tls.secretName must be the name of a Secret: only a-z, 0-9, '-' and '.'"
        )
    )]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,

    /// An issuer of cert-manager that signs the certificate of the servers, in place of the operator's own
    /// authority. The operator asks for it by a Certificate `NAME-tls-issued`, whose Secret has the same
    /// name; cert-manager renews it. With peer.mode Require the issuer must give ca.crt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// An issuer of certificates, as cert-manager names it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Its name.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message(
            "tls.issuerRef.name must be the name of an issuer: only a-z, 0-9, '-' and '.'"
        )
    )]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its kind: Issuer, of this namespace, ClusterIssuer, or that of another issuer.
    #[serde(default = "issuer_kind")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,

    /// The group of its kind.
    #[serde(default = "issuer_group")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub group: String,
}

fn issuer_kind() -> String {
    "Issuer".to_owned()
}

fn issuer_group() -> String {
    "cert-manager.io".to_owned()
}

/// TLS with clients.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// Disabled: plain on port 2181. Allow: plain on 2181 and TLS on 2281. Require: TLS on 2281 and nothing
    /// else. A change restarts the servers one at a time.
    #[serde(default)]
    pub mode: ClientTlsMode,
}

/// How clients may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientTlsMode {
    /// Plain.
    #[default]
    Disabled,
    /// Plain, and with TLS on a port of its own.
    Allow,
    /// With TLS only.
    Require,
}

/// TLS between the servers.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerTls {
    /// Disabled, or Require: servers show each other certificates and take nothing else. It is
    /// chosen when the ensemble is created.
    #[serde(default)]
    pub mode: PeerTlsMode,
}

/// How servers connect to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PeerTlsMode {
    /// Plain.
    #[default]
    Disabled,
    /// With TLS only.
    Require,
}
