//! TLS on the client port and between servers: PEM files, client certificates, renewal without restart.
//!
//! ```text
//!   settings --> files (PEM) --> context (one rustls configuration) --> Contexts (the present one)
//!                  ^                                                      |
//!                  +-- watch: looks again, replaces it when all is well   +--> accept, peers: handshakes
//! ```
//! Sources: `NettyServerCnxnFactory`, `X509Util`, `PEMFileLoader` and `X509AuthenticationProvider` of
//! Apache ZooKeeper 3.9. Left out: JKS, PKCS#12 and BCFKS stores, revocation, resumed sessions.

mod accept;
mod certificate;
mod chain;
mod context;
mod files;
mod name;
mod password;
mod peers;
mod refusal;
mod verifier;
mod version_one;
mod watch;

pub use accept::{Accepted, Refusal, TlsAcceptor};
pub use context::Contexts;
pub use files::StoreError;
pub use peers::{PeerReader, PeerSecurity, PeerStream, PeerWriter};
pub use watch::{Listener, watch};
