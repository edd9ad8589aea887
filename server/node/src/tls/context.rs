//! One rustls configuration made of files, and the place where the present one is found.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite};
use tracing::warn;

use super::certificate::{Certificate, time_text};
use super::chain::ChainVerifier;
use super::files::{Files, StoreError};
use super::name;
use super::verifier::ClientVerifier;
use crate::config::{ClientAuth, ServerNames, TlsSettings, TlsVersion};
use crate::metrics::Validity;

/// A configuration and what it is made of.
pub(super) struct Context {
    /// For new connections.
    pub(super) config: Arc<ServerConfig>,
    /// For connections that this server makes, where it makes any.
    pub(super) client: Option<Arc<ClientConfig>>,
    /// What the configuration was made from.
    pub(super) files: Files,
    /// Subject of the server's certificate.
    pub(super) subject: String,
    /// First and last second of this certificate, since 1970.
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Context {
    /// Makes one.
    pub(super) fn build(settings: &TlsSettings, files: Files) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::content(files.chain_path(), why);
        let provider = CryptoProvider {
            cipher_suites: suites(&settings.cipher_suites),
            ..ring::default_provider()
        };
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(&settings.versions))
            .map_err(|e| bad(format!("versions and cipher suites do not fit: {e}")))?;
        let builder = match files.trusted()? {
            Some((path, trusted)) if settings.client_auth != ClientAuth::None => {
                let mut roots = RootCertStore::empty();
                let (_, unusable) = roots.add_parsable_certificates(trusted);
                if unusable > 0 {
                    let why = format!("{unusable} of its certificates cannot be used");
                    return Err(StoreError::content(path, why));
                }
                let roots = Arc::new(roots);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
                        // A client that is told whose certificates are wanted shows none rather than
                        // a wrong one, and nobody learns from the log what is wrong with it.
                        .clear_root_hint_subjects();
                let verifier = match settings.client_auth {
                    ClientAuth::Need => verifier,
                    ClientAuth::Want | ClientAuth::None => verifier.allow_unauthenticated(),
                };
                let verifier = verifier
                    .build()
                    .map_err(|e| StoreError::content(path, e.to_string()))?;
                let algorithms = provider.signature_verification_algorithms;
                builder
                    .with_client_cert_verifier(ClientVerifier::around(verifier, roots, algorithms))
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = files.chain()?;
        let own = chain.first().and_then(|own| Certificate::parse(own));
        let own = own.ok_or_else(|| bad("the first certificate does not decode".into()))?;
        let subject = name::rfc2253(own.subject).unwrap_or_default();
        let (not_before, not_after) = (own.not_before, own.not_after);
        let password = settings.key_store.password.as_ref();
        let password = password.map(|p| p.0.as_str()).filter(|p| !p.is_empty());
        let unfit = "the certificate and the private key do not fit together";
        let key = provider
            .key_provider
            .load_private_key(files.key(password)?)
            .map_err(|e| bad(format!("{unfit}: {e}")))?;
        // rustls would read the whole certificate for this and refuse one of version 1, which people
        // make by hand without extensions and Apache serves.
        let fits = |public: SubjectPublicKeyInfoDer<'_>| *public == *own.public_key;
        if !key.public_key().is_none_or(fits) {
            return Err(bad(unfit.into()));
        }
        let own = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let client = match settings.dials {
            Some(names) => Some(client(settings, &files, names, &provider, own.clone())?),
            None => None,
        };
        let mut config = builder.with_cert_resolver(own);
        // A resumed session would not show its certificate again, which may have expired or lost
        // its authority since. Connections here last for days; a full handshake costs nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            client,
            files,
            subject,
            not_before,
            not_after,
        })
    }
}

/// The side that dials: it shows the same certificate and trusts the same authorities.
fn client(
    settings: &TlsSettings,
    files: &Files,
    names: ServerNames,
    provider: &Arc<CryptoProvider>,
    own: Arc<SingleCertAndKey>,
) -> Result<Arc<ClientConfig>, StoreError> {
    let Some((path, trusted)) = files.trusted()? else {
        let why = "without a trust store no peer can be known";
        return Err(StoreError::content(files.chain_path(), why));
    };
    let bad = |why: String| StoreError::content(path, why);
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(trusted);
    if unusable > 0 {
        return Err(bad(format!(
            "{unusable} of its certificates cannot be used"
        )));
    }
    let roots = Arc::new(roots);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(&settings.versions))
        .map_err(|e| bad(format!("versions and cipher suites do not fit: {e}")))?;
    let verifier: Arc<dyn ServerCertVerifier> = match names {
        ServerNames::Checked => {
            WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|e| bad(e.to_string()))?
        }
        ServerNames::Unchecked => Arc::new(ChainVerifier {
            roots,
            provider: provider.clone(),
        }),
    };
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(own);
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Context {
    /// Why clients would refuse the server's own certificate at this moment.
    pub(super) fn expired(&self) -> Option<String> {
        let ended = (self.not_after < UnixTime::now().as_secs()).then(|| time_text(self.not_after));
        ended.map(|at| {
            format!(
                "the server's certificate {} expired at {at}",
                name::for_log(&self.subject)
            )
        })
    }
}

fn versions(wanted: &[TlsVersion]) -> Vec<&'static rustls::SupportedProtocolVersion> {
    let rustls = |version: &TlsVersion| match version {
        TlsVersion::V12 => &rustls::version::TLS12,
        TlsVersion::V13 => &rustls::version::TLS13,
    };
    wanted.iter().map(rustls).collect()
}

/// The suites of these names, all of them when none is named.
fn suites(names: &[String]) -> Vec<SupportedCipherSuite> {
    let all = ring::ALL_CIPHER_SUITES.iter().copied();
    let wanted = |suite: &SupportedCipherSuite| {
        let own = format!("{:?}", suite.suite());
        names.is_empty() || names.contains(&own)
    };
    all.filter(wanted).collect()
}

/// The configuration of the moment; connections that began with an older one keep it.
pub struct Contexts {
    /// What it is made by.
    pub(super) settings: TlsSettings,
    present: RwLock<Arc<Context>>,
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contexts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Contexts {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(settings: TlsSettings) -> Result<Self, StoreError> {
        let first = Context::build(&settings, Files::read(&settings)?)?;
        // Not a reason to stay down: peers count on this server, and a renewal is taken when it comes.
        if let Some(why) = first.expired() {
            warn!("TLS: {why}");
        }
        Ok(Self {
            settings,
            present: RwLock::new(Arc::new(first)),
        })
    }

    /// Subject of the server's certificate, in quotes, and when it ends.
    #[must_use]
    pub fn own_certificate(&self) -> (String, String) {
        let present = self.present();
        (
            name::for_log(&present.subject),
            time_text(present.not_after),
        )
    }

    /// Shows when the certificate of the moment is good.
    pub fn show_validity(&self, validity: &Validity) {
        let present = self.present();
        validity.not_before.set(present.not_before);
        validity.not_after.set(present.not_after);
    }

    pub(super) fn present(&self) -> Arc<Context> {
        self.present
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn replace(&self, context: Context) {
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(context);
    }
}
