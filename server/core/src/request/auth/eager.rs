//! The early check of writes against the state of the server that the client is on
//! (`ZooKeeperServer.authWriteRequest`, client.md section 13.8): who is refused here costs no
//! transaction. Whatever is not clear passes on.

use zk_wire::client::{CreateOp, ErrorCode, Request};
use zk_wire::data::perms;
use zk_wire::{Acl, Id};

use crate::config::AuthSettings;
use crate::db::{Database, parent_of};
use crate::request::acl;

/// Refuses a write that cannot pass.
pub(crate) fn check(
    settings: &AuthSettings,
    db: &Database,
    request: &Request,
    identities: &[Id],
) -> Result<(), ErrorCode> {
    let list_is_good =
        |list: &Option<Vec<Acl>>| match acl::fix_up(list.as_deref(), identities, settings) {
            Err(ErrorCode::InvalidAcl) => Err(ErrorCode::InvalidAcl),
            _ => Ok(()),
        };
    let may = |path: &str, wanted| {
        let Some(node) = db.node(path) else {
            return Ok(());
        };
        let acl = db.acl_of(node);
        let permitted = acl::permits(acl.as_deref(), wanted, identities, settings);
        permitted.then_some(()).ok_or(ErrorCode::NoAuth)
    };
    let may_in_parent = |path: &str, wanted| match parent_of(path) {
        Some((parent, _)) => may(parent, wanted),
        None => Ok(()),
    };
    if let Request::Create {
        create,
        op: CreateOp::Create | CreateOp::Create2,
    } = request
    {
        list_is_good(&create.acl)?;
        may_in_parent(&create.path, perms::CREATE)
    } else if let Request::Delete { path, .. } = request {
        may_in_parent(path, perms::DELETE)
    } else if let Request::SetData { path, .. } = request {
        may(path, perms::WRITE)
    } else if let Request::SetAcl { path, acl, .. } = request {
        list_is_good(acl)?;
        may(path, perms::ADMIN)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::client::CreateRequest;
    use zk_wire::client::request::NO_TTL;

    use super::*;

    fn create(path: &str, acl: Vec<Acl>) -> Request {
        Request::Create {
            create: CreateRequest {
                path: path.into(),
                data: None,
                acl: Some(acl),
                flags: 0,
                ttl_ms: NO_TTL,
            },
            op: CreateOp::Create,
        }
    }

    #[test]
    fn only_what_is_clear_is_refused() {
        let (db, settings) = (Database::new(), AuthSettings::default());
        let run = |request| check(&settings, &db, &request, &[]);
        let open = vec![Acl::world(31)];
        assert_eq!(run(create("/a", open.clone())), Ok(()));
        assert_eq!(run(create("/a", vec![])), Err(ErrorCode::InvalidAcl));
        let below_config = "/zookeeper/config/a";
        assert_eq!(
            run(create(below_config, open.clone())),
            Err(ErrorCode::NoAuth)
        );
        assert_eq!(run(create("/nowhere/a", open.clone())), Ok(()));
        assert_eq!(run(create("nothing", open)), Ok(()));
        let path = "/zookeeper/config".to_owned();
        let (data, version) = (None, -1);
        assert_eq!(
            run(Request::SetData {
                path,
                data,
                version
            }),
            Err(ErrorCode::NoAuth)
        );
    }
}
