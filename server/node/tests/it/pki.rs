//! Certificate authorities and what they sign, made anew by each test.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SigningKey, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, both PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// The same as [`Authority::sign`] in version 1: without the number of the version in front and the
    /// extensions behind the key.
    pub(crate) fn sign_version_one(&self, name: &str, last_year: i32) -> Signed {
        let Signed { certificate, key } = self.sign(name, last_year);
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let [all] = *elements(&der) else {
            panic!("not one element")
        };
        let [signed, algorithm, _] = *elements(content(all)) else {
            panic!("not a certificate")
        };
        let fields = elements(content(signed));
        let signed = sequence(&fields[1..7]);
        let mut signature = vec![0];
        signature.extend(self.issuer.key().sign(&signed).unwrap());
        let signature = element(0x03, &signature);
        let der = sequence(&[&signed, algorithm, &signature]);
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        Signed {
            certificate: format!(
                "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
            ),
            key,
        }
    }

    /// A certificate for 127.0.0.1, `O=Acme, Inc` and `CN=name`, which ends with `last_year`.
    pub(crate) fn sign(&self, name: &str, last_year: i32) -> Signed {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Acme, Inc");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        Signed {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// The elements of DER, one after the other, each with its tag and length.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (header, len) = header(der);
        let (one, rest) = der.split_at(header + len);
        found.push(one);
        der = rest;
    }
    found
}

fn content(element: &[u8]) -> &[u8] {
    &element[header(element).0..]
}

/// How long tag and length of the first element are, and its content.
fn header(der: &[u8]) -> (usize, usize) {
    match usize::from(der[1]) {
        short if short < 0x80 => (2, short),
        long => {
            let digits = &der[2..2 + (long & 0x7f)];
            let len = digits
                .iter()
                .fold(0, |n, digit| n << 8 | usize::from(*digit));
            (2 + digits.len(), len)
        }
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, len[0], len[1]], content].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

impl Signed {
    /// Writes key and certificate into one file, as the key store of a server has it.
    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, format!("{}{}", self.key, self.certificate)).unwrap();
    }
}

/// The rules of a client that trusts `authority` and shows `own`.
pub(crate) fn client_config(
    authority: &Authority,
    own: Option<&Signed>,
) -> Arc<rustls::ClientConfig> {
    client_config_of(authority, own, rustls::ALL_VERSIONS)
}

/// As [`client_config`], with these versions of TLS.
pub(crate) fn client_config_of(
    authority: &Authority,
    own: Option<&Signed>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            let key = provider.key_provider.load_private_key(key).unwrap();
            // Not by `with_client_auth_cert`, which reads the certificate and knows version 3 only.
            let own = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            builder.with_client_cert_resolver(Arc::new(own))
        }
    })
}
