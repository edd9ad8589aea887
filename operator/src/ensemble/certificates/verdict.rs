//! What the certificates mean for the ensemble, as a condition. Pure.

use k8s_openapi::jiff::Timestamp;

use super::CertificateSource;
use super::cert_manager::Requested;
use super::decide::renewal;
use super::names::covers;
use super::read::{Certificates, Leaf, Seen};
use crate::crd::{PeerTlsMode, condition_type};
use crate::ensemble::plan::{Truth, Verdict};
use crate::ensemble::validate::ValidatedEnsemble;

/// A certificate that somebody else keeps and that ends sooner than this is called short-lived: whoever
/// should have renewed it did not. Seconds.
const SHORT_S: i64 = 3 * 86_400;

/// Whether servers can start with what is there: there is no TLS, or a certificate that fits.
pub fn usable(ensemble: &ValidatedEnsemble, seen: Option<&Certificates>) -> bool {
    !ensemble.tls.is_on() || usable_leaf(ensemble, seen).is_ok()
}

/// Returns the condition; `None` without TLS. Its message stays the same as long as the certificate does.
pub fn verdict(
    ensemble: &ValidatedEnsemble,
    seen: Option<&Certificates>,
    now: Timestamp,
) -> Option<Verdict> {
    if !ensemble.tls.is_on() {
        return None;
    }
    let new = |truth, reason, message: String| {
        Verdict::new(condition_type::CERTIFICATES_VALID, truth, reason, message)
    };
    let leaf = match usable_leaf(ensemble, seen) {
        Ok(leaf) => leaf,
        Err((reason, message)) => return Some(new(Truth::False, reason, message)),
    };
    let certificate = &leaf.certificate;
    let (secret, ends) = (ensemble.tls_secret_name(), certificate.not_after);
    let left = ends.as_second() - now.as_second();
    Some(if left <= 0 {
        let message = format!("the certificate in Secret {secret} ended at {ends}; renew it");
        new(Truth::False, "Ended", message)
    } else if certificate.not_before > now {
        let begins = certificate.not_before;
        let message = format!("the certificate in Secret {secret} begins at {begins}");
        new(Truth::False, "NotYetValid", message)
    } else if ensemble.tls.source == CertificateSource::Own {
        let renewal = renewal(certificate);
        let message = format!("the certificate ends at {ends}, and is renewed from {renewal} on");
        new(Truth::True, "Renewed", message)
    } else if left < SHORT_S {
        let message = format!(
            "the certificate in Secret {secret} ends at {ends}; see why it has not been renewed"
        );
        new(Truth::True, "EndsSoon", message)
    } else if ensemble.tls.issuer().is_some() {
        let message = format!("the certificate ends at {ends}, and cert-manager renews it before");
        new(Truth::True, "Issued", message)
    } else {
        let message = format!(
            "the certificate ends at {ends}; whoever keeps Secret {secret} has to renew it before"
        );
        new(Truth::True, "Given", message)
    })
}

/// The certificate, if servers can start with it, or the reason and what to do.
fn usable_leaf<'a>(
    ensemble: &ValidatedEnsemble,
    seen: Option<&'a Certificates>,
) -> Result<&'a Leaf, (&'static str, String)> {
    let secret = ensemble.tls_secret_name();
    let given = ensemble.tls.source != CertificateSource::Own;
    let issuer = ensemble.tls.issuer();
    let leaf = match seen.map(|seen| &seen.leaf) {
        Some(Seen::Usable(leaf)) => leaf,
        Some(Seen::Absent) | None if issuer.is_some() => {
            return Err(waits_for_issuer(
                &secret,
                seen.and_then(|seen| seen.request.as_ref()),
            ));
        }
        Some(Seen::Unusable(why)) if given => {
            let message = format!(
                "Secret {secret} is of no use: {why}; put a certificate, its key and, for TLS between \
                 servers, the authorities into its tls.crt, tls.key and ca.crt"
            );
            return Err(("SecretUnusable", message));
        }
        Some(Seen::Absent) | None if given => {
            let message = format!(
                "there is no Secret {secret}, which tls.secretName names; create it, or remove \
                 tls.secretName"
            );
            return Err(("SecretMissing", message));
        }
        Some(Seen::Unusable(_) | Seen::Absent) | None => {
            let message = format!("the certificate in Secret {secret} is to be made");
            return Err(("Issuing", message));
        }
    };
    if given && ensemble.needs_authorities() && leaf.authorities == 0 {
        let message = format!(
            "Secret {secret} has no ca.crt: whose certificates servers are to accept is not known; \
             add the authorities"
        );
        return Err(("AuthorityMissing", message));
    }
    match unnamed(ensemble, leaf) {
        Some(host) if given => {
            let message = format!(
                "the certificate in Secret {secret} is not for {host}, so that the servers would not \
                 accept each other; add the name *.{}",
                host.split_once('.').map_or("", |(_, parent)| parent)
            );
            Err(("NamesMissing", message))
        }
        _ => Ok(leaf),
    }
}

/// Why there is no certificate of an issuer yet.
fn waits_for_issuer(secret: &str, request: Option<&Requested>) -> (&'static str, String) {
    match request {
        Some(Requested::NoKind) => (
            "IssuerMissing",
            "the cluster has no certificates.cert-manager.io, which tls.issuerRef needs; install \
             cert-manager, or remove tls.issuerRef"
                .to_owned(),
        ),
        Some(Requested::AsWanted(Some(says))) => (
            "Issuing",
            format!("cert-manager has not put a certificate into Secret {secret} yet: {says}"),
        ),
        Some(Requested::Absent | Requested::Different | Requested::AsWanted(None)) | None => (
            "Issuing",
            format!(
                "cert-manager has not put a certificate into Secret {secret} yet; see \
                 kubectl describe certificate {secret}"
            ),
        ),
    }
}

/// A server that the others would not accept.
fn unnamed(ensemble: &ValidatedEnsemble, leaf: &Leaf) -> Option<String> {
    if ensemble.tls.peer == PeerTlsMode::Disabled {
        return None;
    }
    let voters = ensemble.wanted().into_iter().map(|id| ensemble.pod_of(id));
    let groups = ensemble.observers.groups.iter();
    let observers = groups.flat_map(|group| {
        let pod = |id| ensemble.observer_pod(group, id);
        group.wanted().map(pod)
    });
    let mut hosts = voters.chain(observers).map(|pod| ensemble.host_of(&pod));
    hosts.find(|host| !covers(&leaf.certificate.names, host))
}
