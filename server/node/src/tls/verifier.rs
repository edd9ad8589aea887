//! rustls's verifier of client certificates, which also takes those of version 1 and notes whom it
//! refused.
//!
//! The error of a failed handshake says why a certificate is refused but not whose it is; people who
//! read the log need both.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::certificate::Certificate;
use super::name;
use super::version_one::VersionOne;

/// Subject and issuer of a certificate that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) subject: String,
    pub(super) issuer: String,
}

tokio::task_local! {
    /// The handshake in whose scope the verifier runs finds here what was refused.
    pub(super) static REFUSED: RefCell<Option<Refused>>;
}

/// Passes everything on to `inner`, but for certificates of version 1.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// `inner` trusts `roots`, too.
    pub(super) fn around(
        inner: Arc<dyn ClientCertVerifier>,
        roots: Arc<RootCertStore>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            roots,
            algorithms,
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let outcome = match VersionOne::parse(end_entity) {
            Some(own) => own
                .check(&self.roots, &self.algorithms, now)
                .map(|()| ClientCertVerified::assertion())
                .map_err(Error::InvalidCertificate),
            None => self
                .inner
                .verify_client_cert(end_entity, intermediates, now),
        };
        if outcome.is_err() {
            let shown = Certificate::parse(end_entity);
            let text = |rdns| name::rfc2253(rdns).unwrap_or_default();
            let refused = shown.map(|c| Refused {
                subject: text(c.subject),
                issuer: text(c.issuer),
            });
            // Outside of such a scope nobody wants to know.
            drop(REFUSED.try_with(|slot| slot.replace(refused)));
        }
        outcome
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(own) = VersionOne::parse(cert) else {
            return self.inner.verify_tls12_signature(message, cert, dss);
        };
        if own.signed_handshake(message, dss, &self.algorithms) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(own) = VersionOne::parse(cert) else {
            return self.inner.verify_tls13_signature(message, cert, dss);
        };
        let key = SubjectPublicKeyInfoDer::from(own.fields.public_key);
        verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
