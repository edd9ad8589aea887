//! TLS of the client port and between servers: who speaks it, with which keys, and what the other
//! side must show.
//!
//! Source: `X509Util`, `ClientX509Util`, `QuorumX509Util`, `FileKeyStoreLoader` of Apache ZooKeeper 3.9. Stores are PEM
//! files; those of Java are refused by name, with the command that converts them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zk_core::Secret;

use super::error::ConfigError;
use super::reader::Reader;
use super::settings::{BindAddress, bind, ms};

/// What a client must show (`ssl.clientAuth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing; it is not asked.
    None,
    /// A good certificate or none.
    Want,
    /// A good certificate.
    Need,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// A PEM file, and the password of an encrypted key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// Certificates, and in a key store the key; or a directory with `tls.key` and `tls.crt`, or with
    /// `ca.crt`, as Kubernetes mounts a secret.
    pub path: PathBuf,
    /// `password`, or the content of the file of `passwordPath`.
    pub password: Option<Secret>,
}

/// Whether the name that was dialed must be in the certificate of who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNames {
    /// It must.
    Checked,
    /// An authority's signature is enough.
    Unchecked,
}

/// TLS between servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerTlsSettings {
    /// `sslQuorum`: dial with TLS.
    pub dials: bool,
    /// `portUnification`, or no `sslQuorum`: plain connections are taken too.
    pub takes_plain: bool,
    /// `ssl.quorum.*`.
    pub keys: TlsSettings,
}

/// The listeners and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `secureClientPort`, `secureClientPortAddress`; `None`: no such listener.
    pub secure_client: Option<BindAddress>,
    /// `client.portUnification`: `clientPort` takes TLS and plain.
    pub port_unification: bool,
    /// `ssl.keyStore.*`: certificate chain and key of the server.
    pub key_store: PemFile,
    /// `ssl.trustStore.*`: authorities that sign clients; `None`: no client can show anything.
    pub trust_store: Option<PemFile>,
    /// `ssl.clientAuth`.
    pub client_auth: ClientAuth,
    /// `ssl.enabledProtocols`, `ssl.protocol`; at least one.
    pub versions: Vec<TlsVersion>,
    /// `ssl.ciphersuites`, in rustls's names; empty: those of rustls.
    pub cipher_suites: Vec<String>,
    /// `client.certReload`, on unless it says otherwise: the files are watched.
    pub reload: bool,
    /// `ssl.handshakeDetectionTimeoutMillis`.
    pub detection_timeout: Duration,
    /// Whether this server dials with these keys, too, and then whether it checks names.
    pub dials: Option<ServerNames>,
}

/// Names of suites: Java's and rustls's.
const SUITES: [(&str, &str); 9] = [
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS13_CHACHA20_POLY1305_SHA256",
    ),
    (ECDSA_256, ECDSA_256),
    (ECDSA_128, ECDSA_128),
    (ECDSA_CHACHA, ECDSA_CHACHA),
    (RSA_256, RSA_256),
    (RSA_128, RSA_128),
    (RSA_CHACHA, RSA_CHACHA),
];

const ECDSA_256: &str = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
const ECDSA_128: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
const ECDSA_CHACHA: &str = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
const RSA_256: &str = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
const RSA_128: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const RSA_CHACHA: &str = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";

/// Reads all of it; `None` when no port speaks TLS.
pub(super) fn read(r: &Reader) -> Result<Option<TlsSettings>, ConfigError> {
    let port = r.port("secureClientPort")?;
    let host = r.text("secureClientPortAddress");
    if host.is_some() && port.is_none() {
        let why = "it needs secureClientPort; add secureClientPort=2281";
        return Err(r.bad("secureClientPortAddress", why));
    }
    let port_unification = r.flag("client.portUnification", false)?;
    let secure_client = port.map(|port| bind(host.unwrap_or_default(), port));
    if secure_client.is_none() && !port_unification {
        if !r.with_prefix("ssl.keyStore.").is_empty() {
            r.warn("ssl.*: without effect while neither secureClientPort nor client.portUnification is set");
        }
        return Ok(None);
    }
    let client_auth = client_auth(r, "ssl.clientAuth")?;
    let Some(key_store) = store(r, "ssl.keyStore")? else {
        let cause = if port_unification {
            "client.portUnification"
        } else {
            "secureClientPort"
        };
        let why = "it needs the server's key; add ssl.keyStore.location=<file.pem>";
        return Err(r.bad(cause, why));
    };
    let trust_store = store(r, "ssl.trustStore")?;
    if trust_store.is_none() && client_auth == ClientAuth::Need {
        let why = "clients must show a certificate, but no authority is trusted; add \
                   ssl.trustStore.location=<file.pem>, or ssl.clientAuth=none";
        return Err(r.bad("ssl.clientAuth", why));
    }
    Ok(Some(TlsSettings {
        secure_client,
        port_unification,
        key_store,
        trust_store,
        client_auth,
        versions: versions(r, "ssl")?,
        cipher_suites: cipher_suites(r, "ssl")?,
        reload: r.flag("client.certReload", true)?,
        detection_timeout: detection_timeout(r, "ssl")?,
        dials: None,
    }))
}

/// Reads what servers speak among themselves; `None`: nothing but plain.
pub(super) fn read_peers(r: &Reader) -> Result<Option<PeerTlsSettings>, ConfigError> {
    let dials = r.flag("sslQuorum", false)?;
    let unification = r.flag("portUnification", false)?;
    if !dials && !unification {
        if !r.with_prefix("ssl.quorum.keyStore.").is_empty() {
            r.warn(
                "ssl.quorum.*: without effect while neither sslQuorum nor portUnification is set",
            );
        }
        return Ok(None);
    }
    let cause = if dials {
        "sslQuorum"
    } else {
        "portUnification"
    };
    let Some(key_store) = store(r, "ssl.quorum.keyStore")? else {
        let why = "it needs the server's key; add ssl.quorum.keyStore.location=<file.pem>";
        return Err(r.bad(cause, why));
    };
    let Some(trust_store) = store(r, "ssl.quorum.trustStore")? else {
        let why = "it needs the authorities of the other servers; add \
                   ssl.quorum.trustStore.location=<file.pem>";
        return Err(r.bad(cause, why));
    };
    // With fips-mode, which is its default, Apache does not look at names between servers.
    let fips = r.flag("fips-mode", true)?;
    let names = r.flag("ssl.quorum.hostnameVerification", true)?;
    if !fips && names && r.flag("ssl.quorum.clientHostnameVerification", true)? {
        r.warn(
            "ssl.quorum.clientHostnameVerification: the names of servers that connect are not looked \
             up; those of servers that are dialed are checked",
        );
    }
    Ok(Some(PeerTlsSettings {
        dials,
        takes_plain: unification || !dials,
        keys: TlsSettings {
            secure_client: None,
            port_unification: unification,
            key_store,
            trust_store: Some(trust_store),
            client_auth: client_auth(r, "ssl.quorum.clientAuth")?,
            versions: versions(r, "ssl.quorum")?,
            cipher_suites: cipher_suites(r, "ssl.quorum")?,
            reload: r.flag("sslQuorumReloadCertFiles", true)?,
            detection_timeout: detection_timeout(r, "ssl.quorum")?,
            dials: Some(match names && !fips {
                true => ServerNames::Checked,
                false => ServerNames::Unchecked,
            }),
        },
    }))
}

fn client_auth(r: &Reader, key: &str) -> Result<ClientAuth, ConfigError> {
    match r.text(key).map(str::to_ascii_lowercase).as_deref() {
        None | Some("need") => Ok(ClientAuth::Need),
        Some("want") => Ok(ClientAuth::Want),
        Some("none") => Ok(ClientAuth::None),
        Some(_) => Err(r.bad(key, "write need, want or none")),
    }
}

fn detection_timeout(r: &Reader, family: &str) -> Result<Duration, ConfigError> {
    let key = format!("{family}.handshakeDetectionTimeoutMillis");
    Ok(ms(r.count(&key, 5000, 1, "5000")?))
}

/// A store by the beginning of its keys.
fn store(r: &Reader, prefix: &str) -> Result<Option<PemFile>, ConfigError> {
    let key = |tail: &str| format!("{prefix}.{tail}");
    let location = key("location");
    let Some(path) = r.text(&location).map(PathBuf::from) else {
        return Ok(None);
    };
    let by_extension = path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_uppercase);
    let type_key = key("type");
    let (kind, blamed) = match r.text(&type_key) {
        Some(kind) => (Some(kind.to_ascii_uppercase()), &type_key),
        None => (by_extension, &location),
    };
    match kind.as_deref() {
        Some("PEM") => {}
        Some("JKS" | "BCFKS" | "PKCS12" | "P12" | "PFX") => {
            return Err(r.bad(
                blamed,
                conversion(kind.as_deref().unwrap_or_default(), &path),
            ));
        }
        // A mounted Kubernetes secret: tls.key, tls.crt, ca.crt.
        None if path.is_dir() => {}
        _ => {
            let why = format!("what kind of file is it? Write a PEM file and {type_key}=PEM");
            return Err(r.bad(blamed, why));
        }
    }
    let password_path = key("passwordPath");
    let password = match r.text(&password_path) {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Io {
                path: file.into(),
                op: "read the password",
                source,
            })?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => r.text(&key("password")).map(str::to_owned),
    };
    Ok(Some(PemFile {
        path,
        password: password.map(Secret),
    }))
}

/// How to turn a store of Java into PEM.
fn conversion(kind: &str, path: &Path) -> String {
    let path = path.display();
    let from = match kind {
        "PKCS12" | "P12" | "PFX" => format!("openssl pkcs12 -in {path} -nodes -out store.pem"),
        _ => format!(
            "keytool -importkeystore -srckeystore {path} -srcstoretype {kind} -destkeystore \
             store.p12 -deststoretype PKCS12, then openssl pkcs12 -in store.p12 -nodes -out \
             store.pem"
        ),
    };
    format!("{kind} stores are not read, PEM files are; convert it: {from}")
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty())
}

fn versions(r: &Reader, family: &str) -> Result<Vec<TlsVersion>, ConfigError> {
    let key = &format!("{family}.enabledProtocols");
    let protocol = &format!("{family}.protocol");
    let only = match r.text(protocol) {
        None | Some("TLS" | "TLSv1.3") => "TLSv1.3,TLSv1.2",
        Some("TLSv1.2") => "TLSv1.2",
        Some(_) => return Err(r.bad(protocol, "write TLSv1.3 or TLSv1.2")),
    };
    let mut out = Vec::new();
    for name in list(r.text(key).unwrap_or(only)) {
        match name {
            "TLSv1.3" => out.push(TlsVersion::V13),
            "TLSv1.2" => out.push(TlsVersion::V12),
            _ => r.warn(format!(
                "{key}: {name} is not offered; TLSv1.2 and TLSv1.3 are"
            )),
        }
    }
    if out.is_empty() {
        return Err(r.bad(key, "write TLSv1.3,TLSv1.2"));
    }
    Ok(out)
}

fn cipher_suites(r: &Reader, family: &str) -> Result<Vec<String>, ConfigError> {
    let key = &format!("{family}.ciphersuites");
    let Some(text) = r.text(key) else {
        return Ok(Vec::new());
    };
    let (mut out, mut unknown) = (Vec::new(), Vec::new());
    for name in list(text) {
        match SUITES.iter().find(|(java, _)| *java == name) {
            Some((_, rustls)) => out.push((*rustls).to_owned()),
            None => unknown.push(name),
        }
    }
    if out.is_empty() {
        let names: Vec<&str> = SUITES.iter().map(|(java, _)| *java).collect();
        return Err(r.bad(
            key,
            format!("none of them is there; there are {}", names.join(",")),
        ));
    }
    if !unknown.is_empty() {
        r.warn(format!("{key}: not offered: {}", unknown.join(", ")));
    }
    Ok(out)
}
