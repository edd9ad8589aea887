//! The client's side of TLS: certificates by name, from the files beside the scenarios.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A file of the tests' own authority and its certificates.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/twin/scenarios/tls")
        .join(format!("{name}.pem"))
}

/// A client that shows the certificate `name`, or none where that is empty.
///
/// # Errors
/// When a file cannot be read, or holds something else.
pub fn config(name: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority"))?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = if name.is_empty() {
        builder.with_no_client_auth()
    } else {
        let certificate = CertificateDer::from_pem_file(file(name))?;
        let key = PrivateKeyDer::from_pem_file(file(name))?;
        builder.with_client_auth_cert(vec![certificate], key)?
    };
    Ok(Arc::new(config))
}
