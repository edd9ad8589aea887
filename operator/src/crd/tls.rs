//! TLS of an ensemble: who speaks it, and by whose certificates.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS with clients and between servers. Without `secretName` the operator makes an authority and
/// certificates of the ensemble's own, in the Secrets `NAME-ca` and `NAME-tls`, and renews them.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.secretName) || (has(self.client) && has(self.client.mode) && self.client.mode != 'Disabled') \
         || (has(self.peer) && has(self.peer.mode) && self.peer.mode != 'Disabled')"
    ).message(
        "tls.secretName has no effect while client.mode and peer.mode are Disabled: set one of them, or \
         remove secretName"
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
