//! The read operations: pure functions of the applied state (`FinalRequestProcessor`).

use zk_wire::client::{ErrorCode, ReadOp, ReadResult, Request, Response};
use zk_wire::data::perms;
use zk_wire::{Id, SessionId, Stat};

use super::{acl, auth};
use crate::config::AuthSettings;
use crate::db::{Database, Node};
use crate::watch::Registry;

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) session: SessionId,
    /// As they were when the request came.
    pub(crate) identities: &'a [Id],
    pub(crate) settings: &'a AuthSettings,
}

impl Asker<'_> {
    fn may(self, acl: Option<&[zk_wire::Acl]>, wanted: i32) -> bool {
        acl::permits(acl, wanted, self.identities, self.settings)
    }
}

/// A watch that a read asks for.
pub(crate) struct WantedWatch<'a> {
    pub(crate) path: &'a str,
    pub(crate) registry: Registry,
}

/// What a read gives: a reply or an error, and perhaps a watch to set in either case.
pub(crate) struct ReadOutcome<'a> {
    pub(crate) reply: Result<Response, ErrorCode>,
    pub(crate) watch: Option<WantedWatch<'a>>,
}

/// Carries out a read.
pub(crate) fn read<'a>(db: &Database, asker: Asker<'_>, request: &'a Request) -> ReadOutcome<'a> {
    let plain = |reply| ReadOutcome { reply, watch: None };
    match request {
        Request::Exists { path, watch } => exists(db, asker, path, *watch),
        Request::GetData { path, watch } => {
            let reply = readable(db, asker, path, perms::READ)
                .map(|node| Response::Data(node.data.clone(), node.stat()));
            watched(reply, path, *watch, Registry::Data)
        }
        Request::GetChildren { path, watch } => {
            let reply = children(db, asker, path).map(|(names, _)| Response::Children(names));
            watched(reply, path, *watch, Registry::Child)
        }
        Request::GetChildren2 { path, watch } => {
            let reply =
                children(db, asker, path).map(|(names, stat)| Response::ChildrenStat(names, stat));
            watched(reply, path, *watch, Registry::Child)
        }
        Request::GetAcl { path } => plain(get_acl(db, asker, path)),
        Request::MultiRead(ops) => plain(Ok(multi_read(db, asker, ops))),
        Request::GetEphemerals { prefix } => {
            plain(Ok(ephemerals(db, asker.session, prefix.as_deref())))
        }
        Request::GetAllChildrenNumber { path } => plain(all_children_number(db, asker, path)),
        Request::WhoAmI => {
            let shown = auth::shown(asker.settings, asker.identities);
            plain(Ok(Response::WhoAmI(shown)))
        }
        Request::Ping => plain(Ok(Response::Empty)),
        // Nobody queues these as reads.
        Request::Create { .. }
        | Request::Delete { .. }
        | Request::SetData { .. }
        | Request::Sync { .. }
        | Request::Multi(_)
        | Request::SetWatches(_)
        | Request::SetAcl { .. }
        | Request::Reconfig(_)
        | Request::CheckWatches { .. }
        | Request::RemoveWatches { .. }
        | Request::AddWatch { .. }
        | Request::Auth { .. }
        | Request::Sasl { .. }
        | Request::CloseSession => plain(Err(ErrorCode::Unimplemented)),
    }
}

fn readable<'a>(
    db: &'a Database,
    asker: Asker<'_>,
    path: &str,
    wanted: i32,
) -> Result<&'a Node, ErrorCode> {
    let node = db.node(path).ok_or(ErrorCode::NoNode)?;
    if asker.may(db.acl_of(node).as_deref(), wanted) {
        Ok(node)
    } else {
        Err(ErrorCode::NoAuth)
    }
}

/// A watch is set only where the read succeeds.
fn watched(
    reply: Result<Response, ErrorCode>,
    path: &str,
    wanted: bool,
    registry: Registry,
) -> ReadOutcome<'_> {
    let watch = (wanted && reply.is_ok()).then_some(WantedWatch { path, registry });
    ReadOutcome { reply, watch }
}

/// exists sets its watch on an absent node too, to tell of its creation.
fn exists<'a>(db: &Database, asker: Asker<'_>, path: &'a str, watch: bool) -> ReadOutcome<'a> {
    if path.contains('\0') {
        let reply = Err(ErrorCode::BadArguments);
        return ReadOutcome { reply, watch: None };
    }
    let reply = readable(db, asker, path, perms::READ).map(|n| Response::Stat(n.stat()));
    let watch = (watch && reply != Err(ErrorCode::NoAuth)).then_some(WantedWatch {
        path,
        registry: Registry::Data,
    });
    ReadOutcome { reply, watch }
}

fn children(db: &Database, asker: Asker<'_>, path: &str) -> Result<(Vec<String>, Stat), ErrorCode> {
    let stat = readable(db, asker, path, perms::READ)?.stat();
    let names = db
        .children(path)
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    Ok((names, stat))
}

fn get_acl(db: &Database, asker: Asker<'_>, path: &str) -> Result<Response, ErrorCode> {
    let node = readable(db, asker, path, perms::READ | perms::ADMIN)?;
    let list = db.acl_of(node);
    let stat = node.stat();
    Ok(match list.as_deref() {
        None => Response::Acl(vec![zk_wire::Acl::world(perms::ALL)], stat),
        Some(list) if asker.may(Some(list), perms::ADMIN) => Response::Acl(list.to_vec(), stat),
        Some(list) => Response::Acl(acl::redact(list), stat),
    })
}

/// The operations fail each on its own.
fn multi_read(db: &Database, asker: Asker<'_>, ops: &[ReadOp]) -> Response {
    let one = |op: &ReadOp| match op {
        ReadOp::GetData { path } => readable(db, asker, path, perms::READ)
            .map(|node| ReadResult::Data(node.data.clone(), node.stat())),
        ReadOp::GetChildren { path } => {
            children(db, asker, path).map(|(names, _)| ReadResult::Children(names))
        }
    };
    let results = ops
        .iter()
        .map(|op| one(op).unwrap_or_else(|code| ReadResult::Error(code.to_wire())));
    Response::MultiRead(results.collect())
}

/// Those of the caller's session, by a prefix of the text and not of the way in the tree.
fn ephemerals(db: &Database, session: SessionId, prefix: Option<&str>) -> Response {
    let prefix = prefix.unwrap_or_default();
    let trimmed = prefix.trim_matches(|c| c <= ' ');
    let all = trimmed.is_empty() || trimmed == "/";
    let paths = db
        .ephemerals_of(session)
        .filter(|path| all || path.starts_with(prefix));
    Response::Children(paths.map(str::to_owned).collect())
}

fn all_children_number(db: &Database, asker: Asker<'_>, path: &str) -> Result<Response, ErrorCode> {
    readable(db, asker, path, perms::READ)?;
    let below = db.descendants(path).unwrap_or_default();
    // Apache keeps the root under two names, and finds one below the other.
    let total = below + u64::from(path.is_empty());
    Ok(Response::Total(i32::try_from(total).unwrap_or(i32::MAX)))
}
