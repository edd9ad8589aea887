//! Opens a connection to a server, plain or with TLS.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::Address;
use super::error::ClientError;
use crate::resolve;

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// PEM files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that may have signed the server's.
    pub ca: Option<PathBuf>,
    /// This client's certificate and those between it and the authority.
    pub cert: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Reads the files; `None` when none is named, and then the connection is plain.
    ///
    /// # Errors
    /// A file that cannot be used, or an authority that is missing.
    pub fn load(&self) -> Result<Option<Tls>, ClientError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let Some(ca) = &self.ca else {
            let file = self.cert.as_ref().or(self.key.as_ref());
            return Err(bad(
                file.map_or(Path::new("--tls-ca"), PathBuf::as_path),
                "--tls-ca is needed too, to know the server by",
            ));
        };
        let mut roots = RootCertStore::empty();
        for cert in certificates(ca)? {
            roots.add(cert).map_err(|e| bad(ca, e))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(ca, e))?
            .with_root_certificates(roots);
        let config = match (&self.cert, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let text = fs::read(key).map_err(|e| bad(key, e))?;
                let private = PrivateKeyDer::from_pem_slice(&text).map_err(|e| bad(key, e))?;
                builder
                    .with_client_auth_cert(certificates(cert)?, private)
                    .map_err(|e| bad(cert, e))?
            }
            (Some(one), None) | (None, Some(one)) => {
                return Err(bad(one, "--tls-cert and --tls-key belong together"));
            }
        };
        Ok(Some(Tls(TlsConnector::from(Arc::new(config)))))
    }
}

fn bad(file: &Path, why: impl ToString) -> ClientError {
    ClientError::Tls {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let text = fs::read(file).map_err(|e| bad(file, e))?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certs = certs.map_err(|e| bad(file, e))?;
    if certs.is_empty() {
        return Err(bad(file, "there is no certificate in it"));
    }
    Ok(certs)
}

/// Whom to trust and who we are.
#[derive(Clone)]
pub struct Tls(TlsConnector);

/// Opens a connection within `limit`, to the first address of the name that answers.
pub(super) async fn dial(
    server: &Address,
    tls: Option<&Tls>,
    limit: Duration,
) -> io::Result<Box<dyn Stream>> {
    let attempt = async {
        let found = resolve::addresses(&server.host, server.port).await;
        let mut last = io::Error::other("the name has no address");
        for address in found.map_err(io::Error::other)? {
            match TcpStream::connect(address).await {
                Ok(stream) => return secured(stream, server, tls).await,
                Err(e) => last = e,
            }
        }
        Err(last)
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(limit, attempt).await.map_err(late)?
}

async fn secured(
    stream: TcpStream,
    server: &Address,
    tls: Option<&Tls>,
) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    let Some(Tls(connector)) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
    Ok(Box::new(connector.connect(name, stream).await?))
}
