//! One znode as a client with given identities sees it, for the page of the admin port.
//!
//! It is asked for as any client asks, so that ACLs, quotas of requests and the rules of logins hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use zk_wire::client::{ErrorCode, OpCode, Request, Response};
use zk_wire::data::Stat;
use zk_wire::{Acl, Id, Xid};

use super::in_process::Link;
use super::listener::ClientPort;

/// Bound of the whole conversation.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Longest answer that is taken, bytes: some hundred thousand names of children.
const ANSWER_LEN_MAX: usize = 16 << 20;

/// Longest data that are read at all, bytes.
const DATA_LEN_MAX: i32 = 8 << 20;

/// No znode to be shown.
#[derive(Debug, Error)]
pub enum ZnodeError {
    /// The server refuses.
    #[error("error {0} of the client protocol")]
    Code(i32),
    /// It did not answer.
    #[error("{0}")]
    Failed(String),
}

/// Why a part of a znode is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// The ACL forbids it.
    Denied,
    /// It is too long.
    TooLong,
    /// Another reason.
    Failed(String),
}

/// A znode; its parts are read one after the other, not as of one moment.
#[derive(Debug)]
pub struct Znode {
    /// Who may read may see it.
    pub stat: Stat,
    /// `None` is null.
    pub data: Result<Option<Bytes>, Hidden>,
    /// Who may do what.
    pub acl: Result<Vec<Acl>, Hidden>,
    /// Names, sorted.
    pub children: Result<Vec<String>, Hidden>,
}

/// Reads the znode at `path` as `identities` who ask from `address`.
///
/// # Errors
/// There is none, or no answer.
pub async fn read_znode(
    port: &Arc<ClientPort>,
    address: SocketAddr,
    identities: Vec<Id>,
    path: &str,
) -> Result<Znode, ZnodeError> {
    let deadline = Instant::now() + ANSWER_MAX;
    let mut link = Link::begin(port, address, identities, deadline, ANSWER_LEN_MAX);
    let connected = timeout_at(deadline, link.connect()).await;
    let connected = connected.map_err(|_| "no session in time".to_owned());
    connected
        .and_then(|connected| connected)
        .map_err(ZnodeError::Failed)?;
    let mut asker = Asker {
        link,
        deadline,
        xid: Xid(0),
    };
    let znode = asker.znode(path).await;
    let last = Xid(asker.xid.0 + 1);
    asker.link.close(last).await;
    znode
}

struct Asker {
    link: Link,
    deadline: Instant,
    xid: Xid,
}

impl Asker {
    async fn znode(&mut self, path: &str) -> Result<Znode, ZnodeError> {
        let (path, watch) = (path.to_owned(), false);
        let exists = Request::Exists {
            path: path.clone(),
            watch,
        };
        let Response::Stat(stat) = self.ask(OpCode::Exists, &exists).await? else {
            return Err(ZnodeError::Failed("an answer without a stat".into()));
        };
        let data = if stat.data_length > DATA_LEN_MAX {
            Err(Hidden::TooLong)
        } else {
            let get = Request::GetData {
                path: path.clone(),
                watch,
            };
            self.part(OpCode::GetData, &get).await
        };
        let acl = Request::GetAcl { path: path.clone() };
        let acl = self.part(OpCode::GetAcl, &acl).await;
        // Last, for a list that is too long is the end of the connection.
        let children = Request::GetChildren { path, watch };
        let children = self.part(OpCode::GetChildren, &children).await;
        Ok(Znode {
            stat,
            data: only(data, |answer| {
                if let Response::Data(data, _) = answer {
                    return Some(data);
                }
                None
            }),
            acl: only(acl, |answer| {
                if let Response::Acl(acl, _) = answer {
                    return Some(acl);
                }
                None
            }),
            children: only(children, |answer| {
                if let Response::Children(mut names) = answer {
                    names.sort_unstable();
                    return Some(names);
                }
                None
            }),
        })
    }

    async fn ask(&mut self, op: OpCode, request: &Request) -> Result<Response, ZnodeError> {
        self.xid = Xid(self.xid.0 + 1);
        let asked = timeout_at(self.deadline, self.link.ask(self.xid, request)).await;
        let asked = asked.map_err(|_| ZnodeError::Failed("no answer in time".into()))?;
        let (code, mut body) = asked.map_err(ZnodeError::Failed)?;
        if code != 0 {
            return Err(ZnodeError::Code(code));
        }
        Response::decode(op, &mut body).map_err(|e| ZnodeError::Failed(e.to_string()))
    }

    async fn part(&mut self, op: OpCode, request: &Request) -> Result<Response, Hidden> {
        self.ask(op, request).await.map_err(|error| match error {
            ZnodeError::Code(code) if code == ErrorCode::NoAuth.to_wire() => Hidden::Denied,
            ZnodeError::Code(_) => Hidden::Failed(error.to_string()),
            ZnodeError::Failed(why) => Hidden::Failed(why),
        })
    }
}

/// What `take` finds in an answer.
fn only<T>(
    answer: Result<Response, Hidden>,
    take: impl FnOnce(Response) -> Option<T>,
) -> Result<T, Hidden> {
    let unexpected = || Hidden::Failed("an answer of another kind".into());
    take(answer?).ok_or_else(unexpected)
}
