//! The read operations: pure functions of the applied state (`FinalRequestProcessor`).

use zk_wire::client::{ErrorCode, Request, Response};
use zk_wire::data::perms;
use zk_wire::{Id, Stat};

use super::acl;
use crate::db::{Database, Node};
use crate::watch::WatchKind;

/// A watch that a read asks for.
pub(crate) struct WantedWatch {
    pub(crate) path: String,
    pub(crate) kind: WatchKind,
}

/// What a read gives: a reply or an error, and perhaps a watch to set in either case.
pub(crate) struct ReadOutcome {
    pub(crate) reply: Result<Response, ErrorCode>,
    pub(crate) watch: Option<WantedWatch>,
}

fn readable<'a>(
    db: &'a Database,
    path: &str,
    wanted: i32,
    identities: &[Id],
) -> Result<&'a Node, ErrorCode> {
    let node = db.node(path).ok_or(ErrorCode::NoNode)?;
    if acl::allowed(db.acl_of(node).as_deref(), wanted, identities) {
        Ok(node)
    } else {
        Err(ErrorCode::NoAuth)
    }
}

/// Carries out a read; `None` when the request is not one.
pub(crate) fn read(db: &Database, request: &Request, identities: &[Id]) -> Option<ReadOutcome> {
    let plain = |reply| Some(ReadOutcome { reply, watch: None });
    match request {
        Request::Exists { path, watch } => Some(exists(db, path, *watch, identities)),
        Request::GetData { path, watch } => {
            let reply = readable(db, path, perms::READ, identities)
                .map(|node| Response::Data(node.data.clone(), node.stat()));
            Some(watched(reply, path, *watch, WatchKind::Data))
        }
        Request::GetChildren { path, watch } => {
            let reply = children(db, path, identities).map(|(names, _)| Response::Children(names));
            Some(watched(reply, path, *watch, WatchKind::Child))
        }
        Request::GetChildren2 { path, watch } => {
            let reply = children(db, path, identities)
                .map(|(names, stat)| Response::ChildrenStat(names, stat));
            Some(watched(reply, path, *watch, WatchKind::Child))
        }
        Request::GetAcl { path } => plain(get_acl(db, path, identities)),
        Request::Ping => plain(Ok(Response::Empty)),
        Request::Create { .. }
        | Request::Delete { .. }
        | Request::SetData { .. }
        | Request::Sync { .. }
        | Request::Multi(_)
        | Request::MultiRead(_)
        | Request::SetWatches(_)
        | Request::SetAcl { .. }
        | Request::Reconfig(_)
        | Request::CheckWatches { .. }
        | Request::RemoveWatches { .. }
        | Request::AddWatch { .. }
        | Request::GetEphemerals { .. }
        | Request::GetAllChildrenNumber { .. }
        | Request::WhoAmI
        | Request::Auth { .. }
        | Request::Sasl { .. }
        | Request::CloseSession => None,
    }
}

/// A watch is set only where the read succeeds.
fn watched(
    reply: Result<Response, ErrorCode>,
    path: &str,
    wanted: bool,
    kind: WatchKind,
) -> ReadOutcome {
    let watch = (wanted && reply.is_ok()).then(|| WantedWatch {
        path: path.to_owned(),
        kind,
    });
    ReadOutcome { reply, watch }
}

/// exists sets its watch on an absent node too, to tell of its creation.
fn exists(db: &Database, path: &str, watch: bool, identities: &[Id]) -> ReadOutcome {
    if path.contains('\0') {
        return ReadOutcome {
            reply: Err(ErrorCode::BadArguments),
            watch: None,
        };
    }
    let reply = readable(db, path, perms::READ, identities).map(|n| Response::Stat(n.stat()));
    let watch = (watch && reply != Err(ErrorCode::NoAuth)).then(|| WantedWatch {
        path: path.to_owned(),
        kind: WatchKind::Data,
    });
    ReadOutcome { reply, watch }
}

fn children(
    db: &Database,
    path: &str,
    identities: &[Id],
) -> Result<(Vec<String>, Stat), ErrorCode> {
    let stat = readable(db, path, perms::READ, identities)?.stat();
    let names = db
        .children(path)
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    Ok((names, stat))
}

fn get_acl(db: &Database, path: &str, identities: &[Id]) -> Result<Response, ErrorCode> {
    let node = readable(db, path, perms::READ | perms::ADMIN, identities)?;
    let list = db.acl_of(node);
    let stat = node.stat();
    Ok(match list.as_deref() {
        None => Response::Acl(vec![zk_wire::Acl::world(perms::ALL)], stat),
        Some(list) if acl::allowed(Some(list), perms::ADMIN, identities) => {
            Response::Acl(list.to_vec(), stat)
        }
        Some(list) => Response::Acl(acl::redact(list), stat),
    })
}
