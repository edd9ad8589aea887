//! From Secrets to what decisions need of them. Pure; no key gets out of here.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::cert_manager::Requested;
use super::{AUTHORITIES, CERTIFICATE, KEY};

/// Annotation of the Secret with the certificate: since when its authorities are those that are there.
pub(super) const TRUSTED_SINCE_ANNOTATION: &str = "quorate.dev/trusted-since";

/// Certificates that are read from one field at most.
const CERTIFICATES_MAX: usize = 64;

/// What was found of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// There is no such Secret.
    Absent,
    /// It is of no use, for this reason.
    Unusable(String),
    /// It can be used.
    Usable(T),
}

/// A certificate, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// The DNS names in it.
    pub names: BTreeSet<String>,
}

/// The operator's own authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate.
    pub certificate: Certificate,
}

/// The certificate of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate.
    pub certificate: Certificate,
    /// Authorities beside it.
    pub authorities: usize,
    /// Whether the operator's present authority is one of them.
    pub trusted: bool,
    /// Since when the authorities are those; `None` when nobody noted it.
    pub trusted_since: Option<Timestamp>,
    /// Whether the operator's present authority signed it.
    pub signed: bool,
}

/// What was found of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The operator's authority; absent where somebody else keeps the certificate.
    pub authority: Seen<Authority>,
    /// The certificate of the servers.
    pub leaf: Seen<Leaf>,
    /// What was asked of cert-manager; `None` where it is not to be asked.
    pub request: Option<Requested>,
}

impl Certificates {
    /// Reads the Secrets of the operator.
    pub(super) fn own(authority: Option<&Secret>, leaf: Option<&Secret>) -> Self {
        let present = authority.and_then(|secret| field(secret, CERTIFICATE).ok());
        Self {
            authority: seen(authority, read_authority),
            leaf: seen(leaf, |secret| read_leaf(secret, present, true)),
            request: None,
        }
    }

    /// Reads a Secret that somebody else keeps.
    pub(super) fn given(leaf: Option<&Secret>) -> Self {
        Self {
            authority: Seen::Absent,
            leaf: seen(leaf, |secret| read_leaf(secret, None, false)),
            request: None,
        }
    }
}

fn seen<T>(secret: Option<&Secret>, read: impl Fn(&Secret) -> Result<T, String>) -> Seen<T> {
    match secret.map(read) {
        None => Seen::Absent,
        Some(Ok(found)) => Seen::Usable(found),
        Some(Err(why)) => Seen::Unusable(why),
    }
}

fn read_authority(secret: &Secret) -> Result<Authority, String> {
    let parts = certificates(secret, CERTIFICATE)?;
    let own = first(&parts)?;
    check_key(secret, &own)?;
    Ok(Authority {
        certificate: facts(&own)?,
    })
}

/// Reads the certificate of the servers; `present` is that of the operator's authority. Of keys that
/// others made there are more kinds than are read here: the servers look at those themselves.
fn read_leaf(secret: &Secret, present: Option<&[u8]>, own_key: bool) -> Result<Leaf, String> {
    let parts = certificates(secret, CERTIFICATE)?;
    let own = first(&parts)?;
    if own_key {
        check_key(secret, &own)?;
    } else {
        field(secret, KEY)?;
    }
    let authorities = match field(secret, AUTHORITIES) {
        Ok(_) => certificates(secret, AUTHORITIES)?,
        Err(_) => Vec::new(),
    };
    let present = present.and_then(|pem| CertificateDer::from_pem_slice(pem).ok());
    let annotations = secret.metadata.annotations.as_ref();
    let certificate = facts(&own)?;
    Ok(Leaf {
        authorities: authorities.len(),
        trusted: present
            .as_ref()
            .is_some_and(|present| authorities.contains(present)),
        trusted_since: annotations
            .and_then(|annotations| annotations.get(TRUSTED_SINCE_ANNOTATION))
            .and_then(|text| text.parse().ok()),
        signed: present
            .as_ref()
            .is_some_and(|signer| is_signed(&own, signer, certificate.not_before)),
        certificate,
    })
}

/// Whether that authority signed the certificate for servers, which began then.
fn is_signed(own: &EndEntityCert<'_>, signer: &CertificateDer<'_>, began: Timestamp) -> bool {
    let Ok(anchor) = anchor_from_trusted_cert(signer) else {
        return false;
    };
    let began = unix(began.as_second());
    let usage = KeyUsage::server_auth();
    own.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &[anchor],
        &[],
        began,
        usage,
        None,
        None,
    )
    .is_ok()
}

/// Whether the private key is that of the certificate.
fn check_key(secret: &Secret, certificate: &EndEntityCert<'_>) -> Result<(), String> {
    let pem = text(secret, KEY)?;
    let key = KeyPair::from_pem(pem).map_err(|_| format!("{KEY} is no private key in PEM form"))?;
    if *key.subject_public_key_info() == *certificate.subject_public_key_info() {
        Ok(())
    } else {
        Err(format!("{KEY} is not the key of {CERTIFICATE}"))
    }
}

fn facts(certificate: &EndEntityCert<'_>) -> Result<Certificate, String> {
    let (not_before, not_after) = validity(certificate)
        .ok_or_else(|| format!("when {CERTIFICATE} is valid does not decode"))?;
    Ok(Certificate {
        not_before,
        not_after,
        names: certificate.valid_dns_names().map(str::to_owned).collect(),
    })
}

/// First and last second of a certificate: what it says to whoever comes long before, and long after.
fn validity(certificate: &EndEntityCert<'_>) -> Option<(Timestamp, Timestamp)> {
    let said = |seconds: i64| {
        let usage = KeyUsage::server_auth();
        let time = unix(seconds);
        certificate
            .verify_for_usage(ALL_VERIFICATION_ALGS, &[], &[], time, usage, None, None)
            .err()
    };
    let Some(webpki::Error::CertNotValidYet { not_before, .. }) = said(0) else {
        return None;
    };
    let Some(webpki::Error::CertExpired { not_after, .. }) = said(i64::MAX) else {
        return None;
    };
    Some((timestamp(not_before)?, timestamp(not_after)?))
}

/// That many seconds after the beginning of 1970.
fn unix(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}

fn first<'a>(parts: &'a [CertificateDer<'_>]) -> Result<EndEntityCert<'a>, String> {
    let first = parts
        .first()
        .and_then(|der| EndEntityCert::try_from(der).ok());
    first.ok_or_else(|| format!("{CERTIFICATE} does not begin with a certificate"))
}

fn certificates(secret: &Secret, name: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let parts = CertificateDer::pem_slice_iter(field(secret, name)?).take(CERTIFICATES_MAX);
    let parts: Result<Vec<_>, _> = parts.collect();
    let parts = parts.map_err(|_| format!("{name} is not in PEM form"))?;
    if parts.is_empty() {
        return Err(format!("{name} has no certificate in it"));
    }
    Ok(parts)
}

/// When the first certificate of a PEM text ends.
pub(super) fn end_of(pem: &str) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(validity(&EndEntityCert::try_from(&der).ok()?)?.1)
}

/// The field of a Secret, which must not be empty.
pub(super) fn field<'a>(secret: &'a Secret, name: &str) -> Result<&'a [u8], String> {
    let data = secret.data.as_ref().and_then(|data| data.get(name));
    let bytes = data.map(|bytes| bytes.0.as_slice());
    bytes
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| format!("it has no {name}"))
}

/// The same as text.
pub(super) fn text<'a>(secret: &'a Secret, name: &str) -> Result<&'a str, String> {
    std::str::from_utf8(field(secret, name)?).map_err(|_| format!("{name} is no text"))
}
