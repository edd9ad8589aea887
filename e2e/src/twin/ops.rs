//! One function for each operation, with its arguments in the order of the wire.

use super::request::{Acls, Data, Field, Paths, Request, Text, op};

/// Everybody may do everything.
pub const OPEN: &str = "31 world:anyone";

macro_rules! on_a_path_with_watch {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(path: impl Into<Text>, watch: bool) -> Request {
            Request::new($op, vec![Field::Text(path.into()), Field::Bool(watch)])
        }
    )*};
}

on_a_path_with_watch! {
    /// exists
    exists = op::EXISTS;
    /// getData
    get = op::GET_DATA;
    /// getChildren
    children = op::GET_CHILDREN;
    /// getChildren2
    children2 = op::GET_CHILDREN2;
}

macro_rules! on_a_path {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(path: impl Into<Text>) -> Request {
            Request::new($op, vec![Field::Text(path.into())])
        }
    )*};
}

on_a_path! {
    /// sync
    sync = op::SYNC;
    /// getACL
    get_acl = op::GET_ACL;
    /// getEphemerals
    ephemerals = op::GET_EPHEMERALS;
    /// getAllChildrenNumber
    count = op::COUNT;
    /// deleteContainer
    delete_container = op::DELETE_CONTAINER;
}

macro_rules! on_a_path_with_number {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(path: impl Into<Text>, number: i32) -> Request {
            Request::new($op, vec![Field::Text(path.into()), Field::Int(number)])
        }
    )*};
}

on_a_path_with_number! {
    /// delete, with the version
    delete = op::DELETE;
    /// check, with the version
    check = op::CHECK;
    /// addWatch, with the mode
    add_watch = op::ADD_WATCH;
    /// checkWatches, with the type
    check_watches = op::CHECK_WATCHES;
    /// removeWatches, with the type
    remove_watches = op::REMOVE_WATCHES;
}

macro_rules! creates {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(
            path: impl Into<Text>,
            data: impl Into<Data>,
            acl: impl Into<Acls>,
            flags: i32,
        ) -> Request {
            Request::new($op, vec![
                Field::Text(path.into()),
                Field::Data(data.into()),
                Field::Acl(acl.into()),
                Field::Int(flags),
            ])
        }
    )*};
}

creates! {
    /// create
    create = op::CREATE;
    /// create2
    create2 = op::CREATE2;
    /// createContainer
    create_container = op::CREATE_CONTAINER;
}

/// A create of a node that is open to everybody.
#[must_use]
pub fn make(path: impl Into<Text>, data: impl Into<Data>, flags: i32) -> Request {
    create(path, data, OPEN, flags)
}

/// createTTL
#[must_use]
pub fn create_ttl(
    path: impl Into<Text>,
    data: impl Into<Data>,
    acl: impl Into<Acls>,
    flags: i32,
    ttl: i64,
) -> Request {
    let mut request = create(path, data, acl, flags).op(op::CREATE_TTL);
    request.fields.push(Field::Long(ttl));
    request
}

/// setData
#[must_use]
pub fn set(path: impl Into<Text>, data: impl Into<Data>, version: i32) -> Request {
    Request::new(
        op::SET_DATA,
        vec![
            Field::Text(path.into()),
            Field::Data(data.into()),
            Field::Int(version),
        ],
    )
}

/// setACL
#[must_use]
pub fn set_acl(path: impl Into<Text>, acl: impl Into<Acls>, version: i32) -> Request {
    Request::new(
        op::SET_ACL,
        vec![
            Field::Text(path.into()),
            Field::Acl(acl.into()),
            Field::Int(version),
        ],
    )
}

/// ping
#[must_use]
pub fn ping() -> Request {
    Request::new(op::PING, Vec::new()).xid(-2)
}

/// closeSession
#[must_use]
pub fn close() -> Request {
    Request::new(op::CLOSE, Vec::new())
}

/// whoAmI
#[must_use]
pub fn who_am_i() -> Request {
    Request::new(op::WHO_AM_I, Vec::new())
}

/// An operation without a body.
#[must_use]
pub fn unknown(op: i32) -> Request {
    Request::new(op, Vec::new())
}

/// multi
#[must_use]
pub fn multi(ops: Vec<Request>) -> Request {
    Request::new(op::MULTI, vec![Field::Ops(ops)])
}

/// multiRead
#[must_use]
pub fn multi_read(ops: Vec<Request>) -> Request {
    Request::new(op::MULTI_READ, vec![Field::Ops(ops)])
}

/// reconfig
#[must_use]
pub fn reconfig(
    joining: impl Into<Text>,
    leaving: impl Into<Text>,
    members: impl Into<Text>,
    version: i64,
) -> Request {
    Request::new(
        op::RECONFIG,
        vec![
            Field::Text(joining.into()),
            Field::Text(leaving.into()),
            Field::Text(members.into()),
            Field::Long(version),
        ],
    )
}

/// auth
#[must_use]
pub fn auth(scheme: impl Into<Text>, data: impl Into<Data>) -> Request {
    let fields = vec![
        Field::Int(0),
        Field::Text(scheme.into()),
        Field::Data(data.into()),
    ];
    Request::new(op::AUTH, fields).xid(-4)
}

/// sasl
#[must_use]
pub fn sasl(token: impl Into<Data>) -> Request {
    Request::new(op::SASL, vec![Field::Data(token.into())])
}

/// setWatches; `zxid` counts from where the script began.
#[must_use]
pub fn set_watches(
    zxid: i64,
    data: impl Into<Paths>,
    exist: impl Into<Paths>,
    child: impl Into<Paths>,
) -> Request {
    let fields = vec![
        Field::Zxid(zxid),
        Field::Paths(data.into()),
        Field::Paths(exist.into()),
        Field::Paths(child.into()),
    ];
    Request::new(op::SET_WATCHES, fields).xid(-8)
}

/// setWatches2; `zxid` counts from where the script began.
#[must_use]
pub fn set_watches2(
    zxid: i64,
    data: impl Into<Paths>,
    exist: impl Into<Paths>,
    child: impl Into<Paths>,
    persistent: impl Into<Paths>,
    recursive: impl Into<Paths>,
) -> Request {
    let mut request = set_watches(zxid, data, exist, child).op(op::SET_WATCHES2);
    request.fields.push(Field::Paths(persistent.into()));
    request.fields.push(Field::Paths(recursive.into()));
    request
}
