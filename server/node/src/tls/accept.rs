//! Handshakes: one per connection, bounded in number and time, each failure with its reason.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use zk_wire::Id;

use super::certificate::Certificate;
use super::context::Contexts;
use super::verifier::REFUSED;
use super::{name, refusal};
use crate::config::Settings;
use crate::metrics::{Limit, Metrics};

/// First byte of a TLS record with a handshake message (RFC 8446, 5.1). A ConnectRequest begins with
/// 0 and a four-letter word with a letter.
const HANDSHAKE: u8 = 0x16;

/// What Netty, under Apache's server, gives a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Turns accepted sockets into TLS connections.
#[derive(Debug)]
pub struct TlsAcceptor {
    /// Keys and rules of the moment.
    pub contexts: Arc<Contexts>,
    places: Option<Semaphore>,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// What the client's certificate proves; empty without one.
    pub identities: Vec<Id>,
}

/// Why a connection did not come about.
#[derive(Debug, Error)]
pub enum Refusal {
    /// `netty.server.outstandingHandshake.limit`.
    #[error("too many handshakes under way (netty.server.outstandingHandshake.limit)")]
    TooMany,
    /// The client took too long.
    #[error("the handshake was not finished within {} s", HANDSHAKE_MAX.as_secs())]
    Slow,
    /// Its certificate, or that it shows none.
    #[error("{0}")]
    Unknown(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl TlsAcceptor {
    /// An acceptor with the limits of `settings`.
    #[must_use]
    pub fn new(contexts: Arc<Contexts>, settings: &Settings) -> Self {
        let places = settings
            .limits
            .handshakes_max
            .map(|max| max.min(Semaphore::MAX_PERMITS));
        Self {
            contexts,
            places: places.map(Semaphore::new),
        }
    }

    /// Whether a connection that begins with this byte speaks TLS.
    #[must_use]
    pub fn is_tls(first: u8) -> bool {
        first == HANDSHAKE
    }

    /// Does the handshake and reads the client's identity.
    ///
    /// # Errors
    /// The client is not let in.
    pub async fn accept(&self, stream: TcpStream, metrics: &Metrics) -> Result<Accepted, Refusal> {
        let _place = match &self.places {
            Some(places) => Some(places.try_acquire().map_err(|_| {
                metrics.tls_handshake_exceeded.inc();
                metrics.limits.count(Limit::Handshakes);
                Refusal::TooMany
            })?),
            None => None,
        };
        metrics.tls_handshakes_begun.inc();
        let outcome = self.handshake(stream).await;
        metrics.tls_handshakes_ended.inc();
        if let Err(refusal) = &outcome {
            if matches!(refusal, Refusal::Unknown(_)) {
                metrics.tls_auth_failed.inc();
            }
            metrics.unsuccessful_handshake.inc();
        }
        outcome
    }

    async fn handshake(&self, stream: TcpStream) -> Result<Accepted, Refusal> {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.contexts.present().config.clone());
        let handshake = REFUSED.scope(RefCell::new(None), async {
            let outcome = acceptor.accept(stream).await;
            outcome.map_err(|e| {
                let refused = REFUSED.with(|slot| slot.borrow_mut().take());
                let why = refusal::reason(&e, refused.as_ref());
                if refusal::is_of_client(&e) {
                    Refusal::Unknown(why)
                } else {
                    Refusal::Failed(why)
                }
            })
        });
        let stream = timeout(HANDSHAKE_MAX, handshake)
            .await
            .map_err(|_| Refusal::Slow)??;
        let shown = stream.get_ref().1.peer_certificates();
        let identities = match shown.and_then(|chain| chain.first()) {
            Some(own) => identities(own)?,
            None => Vec::new(),
        };
        Ok(Accepted { stream, identities })
    }
}

/// As `X509AuthenticationProvider.handleAuthentication`.
fn identities(certificate: &[u8]) -> Result<Vec<Id>, Refusal> {
    let subject = Certificate::parse(certificate).and_then(|c| name::rfc2253(c.subject));
    let subject = subject.ok_or_else(|| {
        Refusal::Failed("the subject of the client certificate does not decode".into())
    })?;
    // Whether that is the superuser is seen where the identities are used.
    Ok(vec![Id::new("x509", &subject)])
}
