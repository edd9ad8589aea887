//! What several stories ask, and the ensemble that most of them begin with.

use zk_wire::Acl;
use zk_wire::client::Request;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};

pub(crate) const THREE: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888";

pub(crate) fn create(path: &str, flags: i32) -> Request {
    let acl = Some(vec![Acl::world(31)]);
    let create = CreateRequest {
        path: path.into(),
        data: None,
        acl,
        flags,
        ttl_ms: NO_TTL,
    };
    Request::Create {
        create,
        op: CreateOp::Create,
    }
}

pub(crate) fn exists(path: &str, watch: bool) -> Request {
    Request::Exists {
        path: path.into(),
        watch,
    }
}
