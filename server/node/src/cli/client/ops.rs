//! The operations of a client, one function each: check the path, ask, unwrap the reply.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other reply is one that was not asked for, whichever there are"
)]

use bytes::Bytes;
use zk_wire::client::request::{NO_TTL, ReconfigRequest};
use zk_wire::client::{
    ClientInfo, CreateOp, CreateRequest, MultiOp, MultiResult, Request, Response,
};
use zk_wire::{Acl, DecodeError, Stat};

use super::error::ClientError;
use super::path::validate;
use super::watches::{Removal, WatchKind};
use super::{Client, Effect};

/// Which kind of node to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Stays.
    Persistent,
    /// Stays, with a number behind its name.
    PersistentSequential,
    /// Goes with the session.
    Ephemeral,
    /// Goes with the session, with a number behind its name.
    EphemeralSequential,
    /// Goes when it had children and has none any more.
    Container,
    /// Goes when it was not changed for so many ms and has no children.
    Ttl(i64),
    /// The same, with a number behind its name.
    TtlSequential(i64),
}

impl CreateMode {
    /// Whether a number is appended.
    #[must_use]
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::TtlSequential(_)
        )
    }

    fn on_wire(self) -> (CreateOp, i32, i64) {
        match self {
            Self::Persistent => (CreateOp::Create, 0, NO_TTL),
            Self::Ephemeral => (CreateOp::Create, 1, NO_TTL),
            Self::PersistentSequential => (CreateOp::Create, 2, NO_TTL),
            Self::EphemeralSequential => (CreateOp::Create, 3, NO_TTL),
            Self::Container => (CreateOp::Container, 4, NO_TTL),
            Self::Ttl(ms) => (CreateOp::Ttl, 5, ms),
            Self::TtlSequential(ms) => (CreateOp::Ttl, 6, ms),
        }
    }
}

/// Data and Stat of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeData {
    /// `None` is null.
    pub data: Option<Bytes>,
    /// The rest.
    pub stat: Stat,
}

impl Client {
    /// The path as the server knows it.
    fn server_path(&self, path: &str) -> String {
        match (self.chroot.as_str(), path) {
            ("", path) => path.to_owned(),
            (chroot, "/") => chroot.to_owned(),
            (chroot, path) => format!("{chroot}{path}"),
        }
    }

    fn checked(&self, path: &str) -> Result<String, ClientError> {
        validate(path, false).map_err(ClientError::Path)?;
        Ok(self.server_path(path))
    }

    async fn ask(&self, request: Request) -> Result<Response, ClientError> {
        self.call(request, Effect::Nothing).await
    }

    fn effect(watch: bool, kind: WatchKind, path: &str) -> Effect {
        if watch {
            Effect::Watch(kind, path.to_owned())
        } else {
            Effect::Nothing
        }
    }

    /// Creates a node; gives its path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create(
        &self,
        path: &str,
        data: Option<Bytes>,
        acl: Vec<Acl>,
        mode: CreateMode,
    ) -> Result<String, ClientError> {
        validate(path, mode.is_sequential()).map_err(ClientError::Path)?;
        let (op, flags, ttl_ms) = mode.on_wire();
        let create = CreateRequest {
            path: self.server_path(path),
            data,
            acl: Some(acl),
            flags,
            ttl_ms,
        };
        match self.ask(Request::Create { create, op }).await? {
            Response::Path(path) | Response::PathStat(path, _) => {
                let own = path.strip_prefix(&self.chroot).map(str::to_owned);
                Ok(own.unwrap_or(path))
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes a node; `version` -1 means any.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(&self, path: &str, version: i32) -> Result<(), ClientError> {
        let path = self.checked(path)?;
        self.ask(Request::Delete { path, version }).await?;
        Ok(())
    }

    /// Deletes nodes, all or none of them.
    ///
    /// # Errors
    /// See [`ClientError`]; the error of the first node that could not be deleted.
    pub async fn delete_all(&self, paths: &[String]) -> Result<(), ClientError> {
        let mut ops = Vec::with_capacity(paths.len());
        for path in paths {
            ops.push(MultiOp::Delete {
                path: self.checked(path)?,
                version: -1,
            });
        }
        match self.ask(Request::Multi(ops)).await? {
            Response::Multi(results) => {
                let failed = results.iter().find_map(|result| match result {
                    MultiResult::Error(code) if *code != 0 => Some(*code),
                    _ => None,
                });
                failed.map_or(Ok(()), |code| Err(ClientError::Code(code)))
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The Stat of a node; `watch` also for the creation of one that is not there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exists(&self, path: &str, watch: bool) -> Result<Stat, ClientError> {
        let path = self.checked(path)?;
        let effect = Self::effect(watch, WatchKind::Exist, &path);
        match self.call(Request::Exists { path, watch }, effect).await? {
            Response::Stat(stat) => Ok(stat),
            other => Err(unexpected(&other)),
        }
    }

    /// Data and Stat of a node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_data(&self, path: &str, watch: bool) -> Result<NodeData, ClientError> {
        let path = self.checked(path)?;
        self.data_at(path, watch).await
    }

    async fn data_at(&self, path: String, watch: bool) -> Result<NodeData, ClientError> {
        let effect = Self::effect(watch, WatchKind::Data, &path);
        match self.call(Request::GetData { path, watch }, effect).await? {
            Response::Data(data, stat) => Ok(NodeData { data, stat }),
            other => Err(unexpected(&other)),
        }
    }

    /// Replaces the data of a node; `version` -1 means any.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_data(
        &self,
        path: &str,
        data: Bytes,
        version: i32,
    ) -> Result<Stat, ClientError> {
        let path = self.checked(path)?;
        let data = Some(data);
        let request = Request::SetData {
            path,
            data,
            version,
        };
        match self.ask(request).await? {
            Response::Stat(stat) => Ok(stat),
            other => Err(unexpected(&other)),
        }
    }

    /// Names of the children, unsorted, and the Stat of the node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn children(
        &self,
        path: &str,
        watch: bool,
    ) -> Result<(Vec<String>, Stat), ClientError> {
        let path = self.checked(path)?;
        let effect = Self::effect(watch, WatchKind::Child, &path);
        match self
            .call(Request::GetChildren2 { path, watch }, effect)
            .await?
        {
            Response::ChildrenStat(names, stat) => Ok((names, stat)),
            other => Err(unexpected(&other)),
        }
    }

    /// The ACL of a node and its Stat.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn acl(&self, path: &str) -> Result<(Vec<Acl>, Stat), ClientError> {
        let path = self.checked(path)?;
        match self.ask(Request::GetAcl { path }).await? {
            Response::Acl(acl, stat) => Ok((acl, stat)),
            other => Err(unexpected(&other)),
        }
    }

    /// Replaces the ACL of a node; `version` is the ACL's, -1 means any.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_acl(
        &self,
        path: &str,
        acl: Vec<Acl>,
        version: i32,
    ) -> Result<Stat, ClientError> {
        let path = self.checked(path)?;
        let acl = Some(acl);
        let request = Request::SetAcl { path, acl, version };
        match self.ask(request).await? {
            Response::Stat(stat) => Ok(stat),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until the server has what the leader had when this was asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sync(&self, path: &str) -> Result<(), ClientError> {
        let path = Some(self.checked(path)?);
        self.ask(Request::Sync { path }).await?;
        Ok(())
    }

    /// Presents an identity, here and on every later server.
    ///
    /// # Errors
    /// See [`ClientError`]; a refusal ends the session.
    pub async fn add_auth(&self, scheme: &str, auth: Bytes) -> Result<(), ClientError> {
        let request = Request::Auth {
            scheme: Some(scheme.to_owned()),
            auth: Some(auth),
        };
        self.call(request, Effect::Identity).await?;
        Ok(())
    }

    /// The identities of this connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn who_am_i(&self) -> Result<Vec<ClientInfo>, ClientError> {
        match self.ask(Request::WhoAmI).await? {
            Response::WhoAmI(identities) => Ok(identities),
            other => Err(unexpected(&other)),
        }
    }

    /// Sets a persistent watch, with everything below if `recursive`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_watch(&self, path: &str, recursive: bool) -> Result<(), ClientError> {
        let path = self.checked(path)?;
        let kind = if recursive {
            WatchKind::Recursive
        } else {
            WatchKind::Persistent
        };
        let effect = Effect::Watch(kind, path.clone());
        let mode = i32::from(recursive);
        self.call(Request::AddWatch { path, mode }, effect).await?;
        Ok(())
    }

    /// Removes watches of this session.
    ///
    /// # Errors
    /// See [`ClientError`]; `NoWatcher` when there are none, which is known without asking.
    pub async fn remove_watches(&self, path: &str, what: Removal) -> Result<(), ClientError> {
        let path = self.checked(path)?;
        let effect = Effect::Unwatch(what, path.clone());
        let kind = what.to_wire();
        self.call(Request::RemoveWatches { path, kind }, effect)
            .await?;
        Ok(())
    }

    /// Paths of the ephemerals of this session, at or below a path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ephemerals(&self, prefix: &str) -> Result<Vec<String>, ClientError> {
        let prefix = Some(self.checked(prefix)?);
        match self.ask(Request::GetEphemerals { prefix }).await? {
            Response::Children(paths) => Ok(paths),
            other => Err(unexpected(&other)),
        }
    }

    /// How many nodes there are below a path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn all_children_number(&self, path: &str) -> Result<i32, ClientError> {
        let path = self.checked(path)?;
        match self.ask(Request::GetAllChildrenNumber { path }).await? {
            Response::Total(number) => Ok(number),
            other => Err(unexpected(&other)),
        }
    }

    /// The membership, whatever path this client lives below.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn config(&self, watch: bool) -> Result<NodeData, ClientError> {
        self.data_at("/zookeeper/config".to_owned(), watch).await
    }

    /// Changes the membership; gives the new one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reconfig(&self, change: ReconfigRequest) -> Result<NodeData, ClientError> {
        match self.ask(Request::Reconfig(change)).await? {
            Response::Data(data, stat) => Ok(NodeData { data, stat }),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the session.
    ///
    /// # Errors
    /// See [`ClientError`]; a session that is over already is none.
    pub async fn close(&self) -> Result<(), ClientError> {
        match self.call(Request::CloseSession, Effect::Close).await {
            Ok(_) | Err(ClientError::Closed) => Ok(()),
            Err(why) => Err(why),
        }
    }
}

fn unexpected(reply: &Response) -> ClientError {
    DecodeError::Invalid(format!("{reply:?}")).into()
}
