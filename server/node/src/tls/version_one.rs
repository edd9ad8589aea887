//! Client certificates of X.509 version 1: people make them by hand, without extensions. Apache takes
//! them and rustls reads only version 3, so these few are checked here.
//!
//! Such a certificate says nothing about its use. It counts only as a client's own, signed by an
//! authority of the trust store itself; nothing signed by it is looked at.
//! Source: RFC 5280, sections 4.1 and 6.1.3; RFC 5246, 7.4.8.

use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore};

use super::certificate::{Certificate, INTEGER, SEQUENCE, expect, next};

const BIT_STRING: u8 = 0x03;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// A certificate of version 1, with what its authority signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionOne<'a> {
    /// Names, key and times.
    pub(super) fields: Certificate<'a>,
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> VersionOne<'a> {
    /// Reads one; `None` when it is of another version or not as the standard says.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let (certificate, behind) = expect(SEQUENCE, der)?;
        let (signed, rest) = next(certificate)?;
        let (algorithm, rest) = expect(SEQUENCE, rest)?;
        let (signature, rest) = bits(rest)?;
        // Later versions begin with their number.
        let (_serial, fields) = expect(INTEGER, signed.content)?;
        let (promised, mut fields) = expect(SEQUENCE, fields)?;
        for _issuer_validity_subject_key in 0..4 {
            (_, fields) = expect(SEQUENCE, fields)?;
        }
        let whole = [behind, rest, fields].iter().all(|rest| rest.is_empty());
        if signed.tag != SEQUENCE || promised != algorithm || !whole {
            return None;
        }
        Some(Self {
            fields: Certificate::parse(der)?,
            signed: signed.raw,
            algorithm,
            signature,
        })
    }

    /// Whether an authority among `roots` signed it, and it is good at `now`.
    pub(super) fn check(
        &self,
        roots: &RootCertStore,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        // An authority that may sign only some names is passed over: there are no alternative names
        // here to hold against them.
        let mut issuers = roots
            .roots
            .iter()
            .filter(|root| *root.subject == *self.fields.issuer && root.name_constraints.is_none())
            .peekable();
        if issuers.peek().is_none() {
            return Err(CertificateError::UnknownIssuer);
        }
        if !issuers.any(|root| self.is_signed_by(root, algorithms.all)) {
            return Err(CertificateError::BadSignature);
        }
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (not_before, not_after) = (at(self.fields.not_before), at(self.fields.not_after));
        if now < not_before {
            let time = now;
            return Err(CertificateError::NotValidYetContext { time, not_before });
        }
        if now > not_after {
            let time = now;
            return Err(CertificateError::ExpiredContext { time, not_after });
        }
        Ok(())
    }

    fn is_signed_by(&self, root: &TrustAnchor<'_>, algorithms: &[Algorithm]) -> bool {
        let fitting = algorithms
            .iter()
            .filter(|one| *one.signature_alg_id() == *self.algorithm);
        verifies(
            fitting,
            &root.subject_public_key_info,
            self.signed,
            self.signature,
        )
    }

    /// Whether its key signed `message` of a handshake of TLS 1.2.
    pub(super) fn signed_handshake(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> bool {
        let fitting = algorithms
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| *algorithms);
        expect(SEQUENCE, self.fields.public_key)
            .is_some_and(|(key, _)| verifies(fitting, key, message, signed.signature()))
    }
}

/// Whether one of the algorithms that fit the key, the content of a SubjectPublicKeyInfo, takes the
/// signature for good.
fn verifies<'a>(
    mut algorithms: impl Iterator<Item = &'a Algorithm>,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let parts = expect(SEQUENCE, key).and_then(|(kind, rest)| Some((kind, bits(rest)?.0)));
    parts.is_some_and(|(kind, key)| {
        algorithms.any(|one| {
            *one.public_key_alg_id() == *kind
                && one.verify_signature(key, message, signature).is_ok()
        })
    })
}

/// Takes a bit string of whole bytes, as keys and signatures are, and what follows it.
fn bits(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = expect(BIT_STRING, der)?;
    let (unused, bytes) = content.split_first()?;
    (*unused == 0).then_some((bytes, rest))
}
