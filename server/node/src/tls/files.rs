//! The files that TLS lives on: read whole, compared whole, decoded by need.
//!
//! Source: `PEMFileLoader` and `PemReader` of Apache ZooKeeper 3.9: the key store is one file with the
//! private key and its certificates, own one first. A directory stands for a Kubernetes secret of
//! type `kubernetes.io/tls`, mounted as it is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::password;
use crate::config::TlsSettings;

/// Larger than any set of certificates; a wrong file in its place must not fill the memory.
const FILE_LEN_MAX: u64 = 4 << 20;

/// Why keys and certificates cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// As the system says it.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl StoreError {
    pub(super) fn content(path: &Path, why: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

/// A file's path and what is in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) path: PathBuf,
    raw: Vec<u8>,
}

/// All files of one TLS configuration, as they were at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    key: Content,
    chain: Content,
    trust: Option<Content>,
}

impl Files {
    /// Reads them all.
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, StoreError> {
        let place = |at: &Path, name: &str| {
            if at.is_dir() {
                at.join(name)
            } else {
                at.to_owned()
            }
        };
        let (store, trust) = (&settings.key_store.path, settings.trust_store.as_ref());
        Ok(Self {
            key: content(place(store, "tls.key"))?,
            chain: content(place(store, "tls.crt"))?,
            trust: trust
                .map(|at| content(place(&at.path, "ca.crt")))
                .transpose()?,
        })
    }

    /// The file with the server's certificate.
    pub(super) fn chain_path(&self) -> &Path {
        &self.chain.path
    }

    /// The server's certificates, its own first.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, StoreError> {
        certificates(&self.chain)
    }

    /// The certificates that may sign clients, and the file that has them.
    pub(super) fn trusted(
        &self,
    ) -> Result<Option<(&Path, Vec<CertificateDer<'static>>)>, StoreError> {
        let trust = self.trust.as_ref();
        trust
            .map(|file| Ok((file.path.as_path(), certificates(file)?)))
            .transpose()
    }

    /// The private key, decrypted.
    pub(super) fn key(&self, password: Option<&str>) -> Result<PrivateKeyDer<'static>, StoreError> {
        let bad = |why: String| StoreError::content(&self.key.path, why);
        if let Some(encrypted) = password::encrypted_key(&self.key.raw) {
            let password = password.ok_or_else(|| {
                bad(
                    "the private key is encrypted; set ssl.keyStore.password or passwordPath"
                        .into(),
                )
            })?;
            return password::decrypt(&encrypted, password).map_err(bad);
        }
        PrivateKeyDer::from_pem_slice(&self.key.raw)
            .map_err(|e| bad(format!("no private key in PEM form: {e}")))
    }
}

fn content(path: PathBuf) -> Result<Content, StoreError> {
    let mut raw = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut raw));
    match read {
        Ok(len) if len as u64 > FILE_LEN_MAX => {
            let why = format!("longer than {FILE_LEN_MAX} bytes: no PEM file");
            Err(StoreError::Content { path, why })
        }
        Ok(_) => Ok(Content { path, raw }),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

fn certificates(file: &Content) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.raw).collect();
    let all = all.map_err(|e| StoreError::content(&file.path, format!("not PEM: {e}")))?;
    if all.is_empty() {
        return Err(StoreError::content(
            &file.path,
            "no certificate in PEM form",
        ));
    }
    Ok(all)
}
