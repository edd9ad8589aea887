//! A small asynchronous client: one session that moves from server to server.
//!
//! [`Client`] hands requests to a task that owns the connection. The task numbers them, pings, tells
//! what happens to the session and to watched nodes in a stream of [`Notice`]s, and when a connection
//! breaks takes the same session, its identities and its watches to the next server. Requests that
//! were under way then fail with `ConnectionLoss`, as in Apache's client: whether they were done is
//! unknown.
//!
//! What is left out: SASL, and any retry on behalf of the caller.

mod address;
mod connection;
mod error;
mod ops;
mod path;
mod session;
mod transport;
mod watches;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use zk_wire::client::{OpCode, Request, Response};
use zk_wire::{SessionId, Xid};

pub use address::{Address, Connect};
pub use error::{ClientError, code, keeper_message};
pub use ops::{CreateMode, NodeData};
pub use path::validate;
pub use transport::{Tls, TlsFiles};
pub use watches::{Removal, Removed, WatchKind};

/// Requests that may wait for the connection at once.
const CALLS_MAX: usize = 1024;

/// Notices that may wait for their reader; when it is slow, the connection waits for it.
const NOTICES_MAX: usize = 1024;

/// How to reach an ensemble.
#[derive(Clone)]
pub struct Options {
    /// Where, and below which path.
    pub connect: Connect,
    /// Wanted time-out of the session.
    pub timeout: Duration,
    /// Whether a server that only reads will do.
    pub read_only: bool,
    /// `None`: plain.
    pub tls: Option<Tls>,
}

/// Where a session stands (`ZooKeeper.States`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Looking for a server.
    Connecting,
    /// A server has it.
    Connected,
    /// A server without a quorum has it; only reads work.
    ConnectedReadOnly,
    /// The servers gave it up.
    Expired,
    /// An identity was refused.
    AuthFailed,
    /// Closed by this client.
    Closed,
}

impl State {
    /// Whether requests make sense.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(
            self,
            Self::Connecting | Self::Connected | Self::ConnectedReadOnly
        )
    }

    /// Whether a server has the session.
    #[must_use]
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }

    /// The name of Apache's constant.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::ConnectedReadOnly => "CONNECTEDREADONLY",
            Self::Expired | Self::Closed => "CLOSED",
            Self::AuthFailed => "AUTH_FAILED",
        }
    }
}

/// What a client is told without asking (`WatchedEvent`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `SyncConnected`, `Disconnected`, `Expired` and so on.
    pub state: &'static str,
    /// `NodeCreated` and so on; `None` is the word for a change of state.
    pub kind: &'static str,
    /// Of the node; `None` for a change of state.
    pub path: Option<String>,
    /// The transaction; -1 when there is none.
    pub zxid: i64,
}

/// What to do besides sending a request and returning its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// The reply sets a watch on the path.
    Watch(WatchKind, String),
    /// Watches go, here as well as there.
    Unwatch(Removal, String),
    /// The identity is presented again on the next server.
    Identity,
    /// The session is over.
    Close,
}

/// A request on its way to the connection.
struct Call {
    request: Request,
    effect: Effect,
    answer: oneshot::Sender<Result<Response, ClientError>>,
}

/// A request that was sent.
struct Sent {
    xid: Xid,
    op: OpCode,
    call: Call,
}

/// What is known about the session besides its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Its id; `None` before the first server has granted one.
    pub session: Option<SessionId>,
}

/// A session with an ensemble. Dropping it leaves the session to its time-out.
pub struct Client {
    calls: mpsc::Sender<Call>,
    status: watch::Receiver<Status>,
    chroot: String,
}

impl Client {
    /// Begins to connect, inside of a tokio runtime.
    #[must_use]
    pub fn start(options: Options) -> (Self, mpsc::Receiver<Notice>) {
        let (calls, calls_in) = mpsc::channel(CALLS_MAX);
        let (notices, notices_in) = mpsc::channel(NOTICES_MAX);
        let (status_out, status) = watch::channel(Status {
            state: State::Connecting,
            session: None,
        });
        let chroot = options.connect.chroot.clone();
        let session = session::Session::new(options, calls_in, notices, status_out);
        tokio::spawn(session.run());
        let client = Self {
            calls,
            status,
            chroot,
        };
        (client, notices_in)
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    /// Its id, once a server has granted one.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.status.borrow().session
    }

    /// Waits until a server has the session, at most for `limit`; says whether one has.
    pub async fn connected(&self, limit: Duration) -> bool {
        let mut status = self.status.clone();
        let ready = status.wait_for(|s| s.state.is_connected() || !s.state.is_alive());
        match tokio::time::timeout(limit, ready).await {
            Ok(Ok(status)) => status.state.is_connected(),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn call(&self, request: Request, effect: Effect) -> Result<Response, ClientError> {
        if !self.state().is_alive() {
            return Err(ClientError::Closed);
        }
        let (answer, reply) = oneshot::channel();
        let call = Call {
            request,
            effect,
            answer,
        };
        self.calls
            .send(call)
            .await
            .map_err(|_| ClientError::Closed)?;
        reply.await.map_err(|_| ClientError::Closed)?
    }
}
