//! Frames and bodies that are not as they should be.

use super::{Scenario, scenario};
use crate::twin::ops::{
    add_watch, auth, check, check_watches, children, children2, close, count, create,
    create_container, create_ttl, create2, delete, ephemerals, exists, get, get_acl, make, multi,
    multi_read, ping, reconfig, remove_watches, sasl, set, set_acl, set_watches, set_watches2,
    sync, unknown, who_am_i,
};
use crate::twin::request::Request;
use crate::twin::script::{Line, Place, Step, open, renew, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        lengths(),
        unknown_operations(),
        bodies("bodies that end early", |request| request.cut(3)),
        bodies("bodies without anything", |request| request.cut(0)),
        bodies("bodies with more behind", |request| request.and(&[9; 5])),
        numbers(),
        strings(),
        auth_bodies(),
    ]
}

fn lengths() -> Scenario {
    let raw = |bytes: &[u8]| Step::Raw(0, bytes.to_vec());
    scenario(
        "lengths of frames",
        lines![
            open(0),
            raw(&[0, 0, 0, 0]),
            open(0),
            raw(&[0, 0, 0, 4, 0, 0, 0, 1]),
            open(0),
            raw(&[0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]),
            open(0),
            raw(&[0xff, 0xff, 0xff, 0xff]),
            open(0),
            raw(&[0x80, 0, 0, 0]),
            open(0),
            raw(&[0, 0x10, 0, 0]),
            open(0),
            send(0, [set("/", vec![b'x'; 1_048_554], -1), get("/", false)]),
            send(0, [set("/", b"", -1)]),
            Step::Tcp(1, Place::Leader),
            Step::Raw(1, vec![0xff; 4]),
        ],
    )
}

fn unknown_operations() -> Scenario {
    let mut lines = lines![open(0), send(0, [make("@", b"", 0)])];
    for op in [0, 10, 13, 23, 50, 99, 108, 1000, -1, -2, -12, i32::MIN] {
        lines.push(send(0, [unknown(op)]).into());
        lines.push(renew(0, Place::Leader, 0).into());
    }
    lines.push(send(0, [check("@", 0)]).into());
    scenario("operations that there are not", lines)
}

fn every_operation() -> Vec<Request> {
    let open = "31 world:anyone";
    vec![
        create("@/a", b"1", open, 0),
        create2("@/b", b"1", open, 0),
        create_container("@/c", b"1", open, 4),
        create_ttl("@/d", b"1", open, 5, 1000),
        exists("@", false),
        get("@", false),
        set("@", b"2", -1),
        get_acl("@"),
        set_acl("@", open, -1),
        children("@", false),
        children2("@", false),
        sync("@"),
        multi(vec![check("@", 0)]),
        multi_read(vec![get("@", false)]),
        reconfig((), (), (), -1),
        check_watches("@", 1),
        remove_watches("@", 1),
        set_watches(0, [], [], []),
        set_watches2(0, [], [], [], [], []),
        ephemerals("@"),
        count("@"),
        add_watch("@", 0),
        who_am_i(),
        delete("@/a", -1),
        ping(),
    ]
}

fn bodies(name: &'static str, change: impl Fn(Request) -> Request) -> Scenario {
    let mut lines: Vec<Line> = lines![open(0), send(0, [make("@", b"", 0)])];
    for request in every_operation() {
        lines.push(send(0, [change(request)]).into());
    }
    scenario(name, lines)
}

fn numbers() -> Scenario {
    scenario(
        "a reply has the number of its request",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0).xid(i32::MAX),
                    get("@", false).xid(-77),
                    get("@", false).xid(0),
                    set("@", b"x", 7).xid(5),
                    set("@", b"x", 0).xid(5),
                    ping().xid(77),
                    sync("@").xid(3),
                ],
            ),
            send(0, [auth("digest", b"u:p").xid(77)]),
            send(0, [close().xid(0)]),
        ],
    )
}

/// Strings and lists whose lengths are odd.
fn strings() -> Scenario {
    let raw = |op: i32, bytes: &[u8]| unknown(op).and(bytes);
    let minus = |n: i8| [255, 255, 255, n.to_be_bytes()[0]];
    let mut acl_minus_two = vec![0, 0, 0, 2, b'/', b'q', 0, 0, 0, 0];
    acl_minus_two.extend_from_slice(&minus(-2));
    acl_minus_two.extend_from_slice(&[0, 0, 0, 0]);
    scenario(
        "lengths of strings, buffers and lists",
        lines![
            open(0),
            send(
                0,
                [
                    raw(4, &[255, 255, 255, 254, 0]),
                    raw(4, &[0, 0, 0, 9, b'/', 0]),
                    raw(4, &[127, 0, 0, 0, b'/', 0]),
                    raw(4, &[0, 0, 0, 1, b'/', 77]),
                    raw(3, &[0, 0, 0, 1, b'/', 255]),
                    raw(1, &acl_minus_two),
                    get((), false),
                    exists((), false),
                    create((), b"", "31 world:anyone", 0),
                    delete((), -1),
                    set((), b"", -1),
                    set_acl((), "31 world:anyone", -1),
                    sync(()),
                    children((), false),
                    children2((), false),
                    get_acl(()),
                    count(()),
                    ephemerals(()),
                    add_watch((), 0),
                    check_watches((), 1),
                ]
            ),
            send(0, [remove_watches((), 3)]),
            send(0, [set_watches(0, (), [], [])]),
            send(0, [set_watches(0, [], (), []), set_watches(0, [], [], ())]),
            send(
                0,
                [
                    set_watches2(0, [], [], [], (), []),
                    set_watches2(0, [], [], [], [], ())
                ]
            ),
        ],
    )
}

fn auth_bodies() -> Scenario {
    let mut lines = lines![open(0)];
    for request in [
        auth("digest", b"u:p").cut(2),
        auth("digest", b"u:p").cut(9),
        auth("digest", ()),
        auth((), b"x"),
        auth("world", b"anyone"),
        auth("auth", b""),
        auth("super", b"x"),
        auth("sasl", b"x"),
        auth("x509", b"x"),
        auth("", b"x"),
        auth("nobody", b"x"),
        sasl(b"").cut(2),
        sasl(()),
    ] {
        lines.push(send(0, [request]).into());
        lines.push(renew(0, Place::Leader, 0).into());
    }
    lines.push(send(0, [sasl(b"")]).into());
    lines.push(send(0, [sasl(b"token")]).into());
    lines.push(send(0, [who_am_i()]).into());
    scenario("auth and sasl that do not decode or are refused", lines)
}
