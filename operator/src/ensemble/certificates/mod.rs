//! Certificates of an ensemble with TLS: an authority and a certificate of its own, or those of a Secret
//! that somebody else keeps.
//!
//! ```text
//!   secrets (look) --> read --> decide, verdict --> issue --> secrets (write)
//!                               pure, `now` given   random
//! ```
//! The authority is in the Secret `NAME-ca`, which no server sees. The certificate of the servers, its key
//! and the authorities that are trusted are in `NAME-tls`, which is mounted: the kubelet brings a renewal
//! to the servers, and they take it while they run. So no certificate has a part in the template of pods.

mod decide;
mod issue;
mod names;
mod read;
mod secrets;
mod verdict;

pub use decide::{Cause, Due};
pub use issue::IssueError;
pub use read::{Authority, Certificate, Certificates, Leaf, Seen};
pub(super) use secrets::{look, look_at_given, write};
pub use verdict::{usable, verdict};

use k8s_openapi::jiff::Timestamp;

use super::validate::ValidatedEnsemble;
use crate::crd::{ClientTlsMode, PeerTlsMode, Tls};

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
    /// The Secret that somebody else keeps; `None` for the operator's own.
    pub given: Option<String>,
}

impl TlsSpec {
    /// Whether there is TLS at all.
    pub fn is_on(&self) -> bool {
        self.client != ClientTlsMode::Disabled || self.peer != PeerTlsMode::Disabled
    }
}

impl From<&Tls> for TlsSpec {
    fn from(tls: &Tls) -> Self {
        Self {
            client: tls.client.mode,
            peer: tls.peer.mode,
            given: tls.secret_name.clone(),
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
    if ensemble.suspend || ensemble.tls.given.is_some() {
        return None;
    }
    decide::due(seen?, &names::wanted(ensemble), now)
}

#[cfg(test)]
mod tests;
