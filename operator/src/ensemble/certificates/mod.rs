//! Certificates of an ensemble with TLS: an authority and a certificate of its own, one that an issuer of
//! cert-manager signs, or that of a Secret that somebody else keeps.
//!
//! ```text
//!   secrets (look) --> read --> decide, verdict --> issue --> secrets (write)
//!                               pure, `now` given   random
//! ```
//! The authority is in the Secret `NAME-ca`, which no server sees. The certificate of the servers, its key
//! and the authorities that are trusted are in `NAME-tls`, which is mounted: the kubelet brings a renewal
//! to the servers, and they take it while they run. So no certificate has a part in the template of pods.

mod cert_manager;
mod decide;
mod issue;
mod names;
mod read;
mod secrets;
mod verdict;

pub use cert_manager::Requested;
pub use decide::{Cause, Due};
pub use issue::IssueError;
pub use read::{Authority, Certificate, Certificates, Leaf, Seen};
pub(super) use secrets::{look, look_at_given, look_at_issued, write};
pub use verdict::{usable, verdict};

use k8s_openapi::jiff::Timestamp;

use super::validate::ValidatedEnsemble;
use crate::crd::{ClientTlsMode, IssuerRef, PeerTlsMode, Tls};

/// Field of a Secret with the certificate, its own one first.
const CERTIFICATE: &str = "tls.crt";

/// Field of a Secret with the private key.
const KEY: &str = "tls.key";

/// Field of a Secret with the authorities that are trusted: what clients need, too.
const AUTHORITIES: &str = "ca.crt";

/// What TLS is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSpec {
    /// With clients.
    pub client: ClientTlsMode,
    /// Between servers.
    pub peer: PeerTlsMode,
    /// Where the certificate of the servers comes from.
    pub source: CertificateSource,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateSource {
    /// The operator makes it, by an authority of the ensemble's own.
    #[default]
    Own,
    /// It is in the Secret of this name, which somebody else keeps.
    Secret(String),
    /// This issuer signs it, and cert-manager keeps it.
    Issuer(IssuerRef),
}

impl TlsSpec {
    /// Whether there is TLS at all.
    pub fn is_on(&self) -> bool {
        self.client != ClientTlsMode::Disabled || self.peer != PeerTlsMode::Disabled
    }

    /// The issuer that is to sign, where there is one.
    pub fn issuer(&self) -> Option<&IssuerRef> {
        match &self.source {
            CertificateSource::Issuer(issuer) => Some(issuer),
            CertificateSource::Own | CertificateSource::Secret(_) => None,
        }
    }
}

impl From<&Tls> for TlsSpec {
    fn from(tls: &Tls) -> Self {
        let source = match (&tls.secret_name, &tls.issuer_ref) {
            (Some(name), _) => CertificateSource::Secret(name.clone()),
            (None, Some(issuer)) => CertificateSource::Issuer(issuer.clone()),
            (None, None) => CertificateSource::Own,
        };
        Self {
            client: tls.client.mode,
            peer: tls.peer.mode,
            source,
        }
    }
}

/// What the operator has to make now; nothing where somebody else keeps the certificate, or nothing may be
/// changed.
pub fn due(
    ensemble: &ValidatedEnsemble,
    seen: Option<&Certificates>,
    now: Timestamp,
) -> Option<Due> {
    if ensemble.suspend {
        return None;
    }
    match &ensemble.tls.source {
        CertificateSource::Own => decide::due(seen?, &names::wanted(ensemble), now),
        CertificateSource::Secret(_) => None,
        CertificateSource::Issuer(_) => decide::request_due(seen?),
    }
}

#[cfg(test)]
mod tests;
