//! The first bytes of a connection: plain or TLS, a four-letter word or a session.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use zk_wire::Id;

use crate::client_port::listener::ClientPort;
use crate::metrics::Limit;
use crate::tls::{Accepted, Refusal, TlsAcceptor};

/// What clients may speak on a port.
#[derive(Debug, Clone)]
pub enum Speaks {
    /// Nothing but plain connections (`clientPort`).
    Plain,
    /// Nothing but TLS (`secureClientPort`).
    Tls(Arc<TlsAcceptor>),
    /// Both (`client.portUnification`).
    Both(Arc<TlsAcceptor>),
}

/// A connection that is ready for its first frame.
pub(super) enum Greeted {
    /// As it came.
    Plain(TcpStream),
    /// After the handshake.
    Tls(Box<Accepted>),
}

impl Greeted {
    /// What the transport proved.
    pub(super) fn identities(&self) -> Vec<Id> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Tls(accepted) => accepted.identities.clone(),
        }
    }
}

/// Finds out what the client speaks and does the handshake where it is TLS; returns why not.
pub(super) async fn greet(
    port: &ClientPort,
    speaks: &Speaks,
    stream: TcpStream,
    address: SocketAddr,
    deadline: Instant,
) -> Result<Greeted, String> {
    let (tls, plain_too) = match speaks {
        Speaks::Plain => return Ok(Greeted::Plain(stream)),
        Speaks::Tls(tls) => (tls, false),
        Speaks::Both(tls) => (tls, true),
    };
    let metrics = &port.monitor.metrics;
    let mut first = [0];
    let peeked = timeout_at(deadline, stream.peek(&mut first)).await;
    match peeked.map_err(|_| {
        metrics.sessionless_expired.inc();
        metrics.limits.count(Limit::SessionlessTime);
        "nothing came in time"
    })? {
        Ok(0) => return Err("closed by the client".into()),
        Ok(_) => {}
        Err(e) => return Err(e.to_string()),
    }
    let [first] = first;
    if !TlsAcceptor::is_tls(first) {
        if plain_too {
            return Ok(Greeted::Plain(stream));
        }
        metrics.tls_plain_refused.inc();
        warn!(
            "TLS client {address} refused: the client does not speak TLS, and this port is for TLS only"
        );
        return Err("plain on the TLS port".into());
    }
    match tls.accept(stream, metrics).await {
        Ok(accepted) => {
            let subject = accepted.identities.first();
            if let Some(subject) = subject.and_then(|id| id.id.as_deref()) {
                port.monitor
                    .tellers
                    .audit
                    .certificate(address.ip(), Some(subject));
            }
            Ok(Greeted::Tls(Box::new(accepted)))
        }
        Err(refusal) => {
            if matches!(refusal, Refusal::Unknown(_)) {
                port.monitor.tellers.audit.certificate(address.ip(), None);
            }
            warn!("TLS client {address} refused: {refusal}");
            Err("no TLS".into())
        }
    }
}
