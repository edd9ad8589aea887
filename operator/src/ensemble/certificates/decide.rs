//! What is to be made, and why. Pure: the present is an input.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::cert_manager::Requested;
use super::read::{Certificate, Certificates, Leaf, Seen};

/// How long an authority that is new has to be trusted before anything that it signed is shown: the
/// kubelets bring it to the servers within two minutes.
const PROPAGATION_S: i64 = 300;

/// Something that is to be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A new authority.
    Authority(Cause),
    /// The authorities that are trusted: the present one, beside those that are.
    Trust,
    /// A new certificate for the servers.
    Certificate(Cause),
    /// The request to cert-manager for a certificate.
    Request,
}

/// Why something new is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is none.
    Missing,
    /// What is there is of no use.
    Unusable,
    /// It has ended.
    Ended,
    /// Two thirds of its life are over.
    Ageing,
    /// The ensemble has names that are not in it.
    Names,
    /// Another authority is the present one.
    Authority,
}

impl Cause {
    /// As part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => "there was none",
            Self::Unusable => "what was there was of no use",
            Self::Ended => "the last one has ended",
            Self::Ageing => "two thirds of the life of the last one are over",
            Self::Names => "names of the ensemble were not in the last one",
            Self::Authority => "the authority is a new one",
        }
    }
}

impl Due {
    /// The reason as a constant, for events and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Authority(_) => "AuthorityIssued",
            Self::Trust => "AuthorityTrusted",
            Self::Certificate(_) => "CertificateIssued",
            Self::Request => "CertificateRequested",
        }
    }

    /// A sentence for people.
    pub fn text(self) -> String {
        match self {
            Self::Authority(cause) => format!("makes a new authority: {}", cause.text()),
            Self::Trust => {
                "lets servers and clients trust the new authority before it is used".to_owned()
            }
            Self::Certificate(cause) => {
                format!("makes a new certificate of the servers: {}", cause.text())
            }
            Self::Request => "asks cert-manager for a certificate of the servers".to_owned(),
        }
    }
}

/// Decides what the operator has to make now of what it keeps itself; each time one thing. An authority
/// that follows another one is trusted first, beside it, and signs when everybody has heard of it: servers
/// that were told and servers that were not must let each other in all the time.
pub(super) fn due(seen: &Certificates, names: &BTreeSet<String>, now: Timestamp) -> Option<Due> {
    let authority = match &seen.authority {
        Seen::Absent => Some(Cause::Missing),
        Seen::Unusable(_) => Some(Cause::Unusable),
        Seen::Usable(authority) => worn(&authority.certificate, now),
    };
    if let Some(cause) = authority {
        return Some(Due::Authority(cause));
    }
    match &seen.leaf {
        Seen::Absent => Some(Due::Certificate(Cause::Missing)),
        Seen::Unusable(_) => Some(Due::Certificate(Cause::Unusable)),
        Seen::Usable(leaf) => due_after(leaf, names, now),
    }
}

/// The same where an issuer is to sign: cert-manager has to be asked for what is wanted.
pub(super) fn request_due(seen: &Certificates) -> Option<Due> {
    match seen.request.as_ref()? {
        Requested::Absent | Requested::Different => Some(Due::Request),
        Requested::NoKind | Requested::AsWanted(_) => None,
    }
}

/// The same where there are an authority and a certificate.
fn due_after(leaf: &Leaf, names: &BTreeSet<String>, now: Timestamp) -> Option<Due> {
    let worn = worn(&leaf.certificate, now);
    if worn == Some(Cause::Ended) {
        return Some(Due::Certificate(Cause::Ended));
    }
    if !leaf.trusted {
        return Some(Due::Trust);
    }
    if !leaf.signed {
        let waited = |since: Timestamp| now.as_second() - since.as_second() >= PROPAGATION_S;
        let known = leaf.trusted_since.is_none_or(waited);
        return known.then_some(Due::Certificate(Cause::Authority));
    }
    let named = names.is_subset(&leaf.certificate.names);
    worn.or((!named).then_some(Cause::Names))
        .map(Due::Certificate)
}

/// Why a certificate is not to be used for much longer, if so.
fn worn(certificate: &Certificate, now: Timestamp) -> Option<Cause> {
    if now >= certificate.not_after {
        return Some(Cause::Ended);
    }
    (now >= renewal(certificate)).then_some(Cause::Ageing)
}

/// When two thirds of the life of a certificate are over.
pub(super) fn renewal(certificate: &Certificate) -> Timestamp {
    let (from, to) = (
        certificate.not_before.as_second(),
        certificate.not_after.as_second(),
    );
    let at = from.saturating_add(to.saturating_sub(from) / 3 * 2);
    Timestamp::from_second(at).unwrap_or(certificate.not_after)
}
