//! TLS between servers: the election port and the quorum port, accepted and dialed.
//!
//! Source: `UnifiedServerSocket`, `QuorumX509Util` and `X509Util` of Apache ZooKeeper 3.9: with
//! `sslQuorum` a server dials with TLS and takes nothing else, with `portUnification` it takes both,
//! which is how an ensemble moves from one to the other.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use super::accept::TlsAcceptor;
use super::context::Contexts;
use super::refusal;
use super::verifier::REFUSED;

/// A peer that is silent in the middle of a handshake is worth no longer than this.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How this server speaks with its peers; without contexts: plainly.
#[derive(Debug, Clone, Default)]
pub struct PeerSecurity {
    tls: Option<Arc<PeerTls>>,
}

/// The rules of TLS between servers.
#[derive(Debug)]
struct PeerTls {
    contexts: Arc<Contexts>,
    /// `sslQuorum`: dial with TLS.
    dials: bool,
    /// `portUnification`, or no `sslQuorum`: take plain connections too.
    takes_plain: bool,
}

impl PeerSecurity {
    /// TLS by these contexts.
    #[must_use]
    pub fn new(contexts: Arc<Contexts>, dials: bool, takes_plain: bool) -> Self {
        Self {
            tls: Some(Arc::new(PeerTls {
                contexts,
                dials,
                takes_plain,
            })),
        }
    }

    /// What becomes of a connection that this server made to `host`.
    ///
    /// # Errors
    /// The peer does not speak TLS, or is not who it should be.
    pub async fn dialed(&self, stream: TcpStream, host: &str) -> Result<PeerStream, String> {
        let Some(tls) = self.tls.as_ref().filter(|tls| tls.dials) else {
            return Ok(PeerStream::plain(stream));
        };
        let context = tls.contexts.present();
        let config = context.client.clone().ok_or("TLS: no keys to dial with")?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| format!("TLS: {host} is no name: {e}"))?;
        let connect = TlsConnector::from(config).connect(name, stream);
        match timeout(HANDSHAKE_MAX, connect).await {
            Ok(Ok(stream)) => Ok(PeerStream::tls(stream.into())),
            Ok(Err(e)) => Err(format!("TLS: {e}")),
            Err(_) => Err("TLS: no handshake in time".into()),
        }
    }

    /// What becomes of a connection that a peer made.
    ///
    /// # Errors
    /// The peer speaks plainly where it must not, or is not let in.
    pub async fn accepted(&self, stream: TcpStream) -> Result<PeerStream, String> {
        let Some(tls) = &self.tls else {
            return Ok(PeerStream::plain(stream));
        };
        let mut first = [0];
        let detection = tls.contexts.settings.detection_timeout;
        let speaks_tls = match timeout(detection, stream.peek(&mut first)).await {
            Ok(Ok(0)) => return Err("closed by the other side".into()),
            Ok(Ok(_)) => TlsAcceptor::is_tls(first[0]),
            Ok(Err(e)) => return Err(e.to_string()),
            // As Apache does: whoever is silent for so long is no TLS client.
            Err(_) => false,
        };
        if !speaks_tls {
            return match tls.takes_plain {
                true => Ok(PeerStream::plain(stream)),
                false => Err(
                    "the peer does not speak TLS, and sslQuorum without portUnification asks for it"
                        .into(),
                ),
            };
        }
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.contexts.present().config.clone());
        let handshake = REFUSED.scope(RefCell::new(None), async {
            let outcome = acceptor.accept(stream).await;
            outcome.map_err(|e| {
                let refused = REFUSED.with(|slot| slot.borrow_mut().take());
                format!("TLS: {}", refusal::reason(&e, refused.as_ref()))
            })
        });
        match timeout(HANDSHAKE_MAX, handshake).await {
            Ok(outcome) => Ok(PeerStream::tls(outcome?.into())),
            Err(_) => Err("TLS: no handshake in time".into()),
        }
    }
}

/// A connection between servers.
#[derive(Debug)]
pub struct PeerStream {
    socket: PeerSocket,
    /// Read and given back.
    unread: BytesMut,
}

#[derive(Debug)]
enum PeerSocket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The reading half.
pub type PeerReader = Box<dyn AsyncRead + Send + Unpin>;

/// The writing half.
pub type PeerWriter = Box<dyn AsyncWrite + Send + Unpin>;

impl PeerStream {
    /// Without TLS.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        Self {
            socket: PeerSocket::Plain(stream),
            unread: BytesMut::new(),
        }
    }

    fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self {
            socket: PeerSocket::Tls(Box::new(stream)),
            unread: BytesMut::new(),
        }
    }

    /// Gives back what was read and is for the next reader; nothing is given back then.
    pub fn put_back(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Both directions, to be served at the same time.
    #[must_use]
    pub fn into_split(self) -> (PeerReader, PeerWriter) {
        let unread = std::io::Cursor::new(self.unread.freeze());
        match self.socket {
            PeerSocket::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                (Box::new(unread.chain(reader)), Box::new(writer))
            }
            PeerSocket::Tls(stream) => {
                let (reader, writer) = tokio::io::split(*stream);
                (Box::new(unread.chain(reader)), Box::new(writer))
            }
        }
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unread.is_empty() {
            let len = this.unread.len().min(buf.remaining());
            buf.put_slice(&this.unread.split_to(len));
            return Poll::Ready(Ok(()));
        }
        match &mut this.socket {
            PeerSocket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            PeerSocket::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            PeerSocket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            PeerSocket::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            PeerSocket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            PeerSocket::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            PeerSocket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            PeerSocket::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
