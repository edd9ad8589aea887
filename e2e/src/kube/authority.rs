//! An authority of the tests, which signs certificates of servers as others would.

use std::time::Duration;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use serde_json::{Value, json};

/// Its certificate and its key.
pub(super) struct Authority {
    /// The certificate, PEM.
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the tests");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// A Secret with a certificate for these names that is so old and lives so long.
    pub(super) fn secret(
        &self,
        name: &str,
        names: Vec<String>,
        lived: Duration,
        left: Duration,
    ) -> Result<Value> {
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let now = Duration::from_secs(UnixTime::now().as_secs());
        let today = date_time_ymd(1970, 1, 1) + now;
        params.not_before = today - lived;
        params.not_after = today + left;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name },
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": certificate.pem(), "tls.key": key.serialize_pem(), "ca.crt": self.pem,
            },
        }))
    }
}
