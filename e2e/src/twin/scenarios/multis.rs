//! multi and multiRead.

use super::{Scenario, scenario};
use crate::twin::ops::{
    OPEN, check, children, children2, create, create_container, create_ttl, create2, delete,
    exists, get, get_acl, make, multi, multi_read, reconfig, set, set_acl, unknown,
};
use crate::twin::request::{Request, op};
use crate::twin::script::{open, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        together(),
        failures(),
        refused(),
        markers(),
        reads(),
        events(),
    ]
}

/// What an ensemble of Apache's does not survive.
pub(super) fn alone() -> Vec<Scenario> {
    vec![null_lists()]
}

/// Apache falls over a null ACL while it reads the multi, before there is a zxid; what it falls over
/// first decides.
fn null_lists() -> Scenario {
    let null = |op| create("@/n", b"", (), 0).op(op);
    let refused = |requests| send(0, [multi(requests), set("@", b"", -1)]);
    scenario(
        "null ACLs in a multi",
        lines![
            open(0),
            send(0, [make("@", b"", 0), null(op::CREATE), null(op::CREATE2)]),
            refused(vec![null(op::CREATE)]),
            refused(vec![null(op::CREATE2)]),
            refused(vec![null(op::CREATE_CONTAINER)]),
            refused(vec![create_ttl("@/n", b"", (), 5, 1000)]),
            refused(vec![create_ttl("@/n", b"", (), 0, 1000)]),
            refused(vec![create("@/n", b"", (), 4)]),
            refused(vec![create("@/n", b"", (), 7)]),
            refused(vec![create("@/n", b"", (), 5)]),
            refused(vec![create((), b"", (), 0)]),
            refused(vec![make("@/a", b"", 0), null(op::CREATE)]),
            refused(vec![delete("@/no", -1), null(op::CREATE)]),
            refused(vec![null(op::CREATE), get("@", false)]),
            refused(vec![get("@", false), null(op::CREATE)]),
            refused(vec![null(op::CREATE), make("@/a", b"", 7)]),
            refused(vec![make("@/a", b"", 7), null(op::CREATE)]),
            refused(vec![null(op::CREATE), make((), b"", 0)]),
            refused(vec![make((), b"", 0), null(op::CREATE)]),
            send(
                0,
                [multi(vec![null(op::CREATE), set("@", b"", -1)]).cut(60)]
            ),
            send(0, [multi(vec![null(op::CREATE)]).cut(20)]),
            send(
                0,
                [
                    multi(vec![null(op::CREATE)]),
                    get("@", false),
                    set("@", b"", -1)
                ]
            ),
            send(
                0,
                [
                    set("@", b"", -1),
                    multi(vec![null(op::CREATE)]),
                    get("@", false)
                ]
            ),
            send(0, [children2("@", false), set("@", b"", -1)]),
        ],
    )
}

fn together() -> Scenario {
    scenario(
        "operations of a multi see each other",
        lines![
            open(0),
            send(
                0,
                [
                    multi(vec![]),
                    multi(vec![
                        make("@", b"", 0),
                        set("@", b"1", 0),
                        check("@", 1),
                        create2("@/a", b"", OPEN, 0),
                        create_container("@/c", b"", OPEN, 4),
                        make("@/s", b"", 2),
                        make("@/s", b"", 3),
                        set("@/a", b"2", -1),
                        delete("@/a", 1),
                    ]),
                    children2("@", false),
                    multi(vec![
                        make("@/x", b"", 1),
                        delete("@/x", -1),
                        make("@/x", b"", 0)
                    ]),
                    exists("@/x", false),
                    exists("@", false),
                ]
            ),
        ],
    )
}

fn failures() -> Scenario {
    let fails = |requests| multi(requests);
    scenario(
        "a multi that fails changes nothing",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/r", b"", "1 world:anyone", 0),
                    fails(vec![
                        make("@/a", b"", 0),
                        make("@/a", b"", 0),
                        check("@", 0)
                    ]),
                    fails(vec![check("@", 1)]),
                    fails(vec![check("@/no", -1)]),
                    fails(vec![check("foo", -1)]),
                    fails(vec![make("@/e", b"", 1), make("@/e/x", b"", 0)]),
                    fails(vec![set("@/r", b"", -1), delete("@", -1)]),
                    fails(vec![make("@/r/x", b"", 0)]),
                    fails(vec![create("@/b", b"", "", 0)]),
                    fails(vec![
                        make("@/s", b"", 2),
                        make("@/s", b"", 2),
                        delete("@/no", -1)
                    ]),
                    make("@/s", b"", 2),
                    fails(vec![make("@/s", b"", 2), delete("@", -1)]),
                    make("@/s", b"", 2),
                    fails(vec![delete("/", -1), delete("@/no", -1)]),
                    exists("@", false),
                    children2("@", false),
                ]
            ),
        ],
    )
}

fn refused() -> Scenario {
    let mut lines = lines![open(0), send(0, [make("@", b"", 0)])];
    for request in [
        get("@", false),
        children("@", false),
        exists("@", false),
        get_acl("@"),
        set_acl("@", OPEN, -1),
        reconfig((), (), (), -1),
        unknown(op::PING),
        unknown(op::CLOSE),
        unknown(50),
        unknown(-1),
        make("@/x", b"", 7),
        make("@/x", b"", -1),
        make("@/x", b"", 5),
        make((), b"", 0),
        set((), b"", 0),
        delete((), 0),
        check((), 0),
    ] {
        lines.push(send(0, [multi(vec![make("@/a", b"", 0), request.clone()])]).into());
        lines.push(send(0, [multi(vec![request])]).into());
    }
    lines.push(send(0, [children2("@", false), set("@", b"", -1)]).into());
    scenario("what a multi does not take", lines)
}

/// The end marker, and headers that carry what nobody reads.
fn markers() -> Scenario {
    let multi_of = |bytes: &[u8]| Request::new(op::MULTI, Vec::new()).and(bytes);
    let check_root = [
        0, 0, 0, 13, 0, 0, 0, 0, 9, 0, 0, 0, 1, b'/', 255, 255, 255, 255,
    ];
    let with = |end: &[u8]| {
        let mut bytes = check_root.to_vec();
        bytes.extend_from_slice(end);
        multi_of(&bytes)
    };
    scenario(
        "end markers of a multi",
        lines![
            open(0),
            send(0, [make("@", b"", 0)]),
            send(0, [with(&[255, 255, 255, 255, 1, 255, 255, 255, 255])]),
            send(0, [with(&[0, 0, 0, 5, 1, 0, 0, 0, 0])]),
            send(0, [with(&[0, 0, 0, 5, 7, 0, 0, 0, 0, 1, 2])]),
            send(0, [with(&[])]),
            send(0, [with(&[255, 255, 255, 255])]),
            send(0, [multi_of(&[])]),
            send(0, [set("@", b"", -1)]),
        ],
    )
}

fn reads() -> Scenario {
    scenario(
        "multiRead",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"x", 0),
                    make("@/a", b"y", 0),
                    create("@/w", b"", "30 world:anyone", 0),
                    multi_read(vec![]),
                    multi_read(vec![
                        get("@", true),
                        children("@", true),
                        get("@/no", false),
                        children("@/no", false),
                        get("@/w", false),
                        children("@/w", false),
                        get("@/a", false),
                    ]),
                    multi_read(vec![children2("@", false)]),
                    multi_read(vec![exists("@", false)]),
                    multi_read(vec![get("@", false), make("@/z", b"", 0)]),
                    multi_read(vec![get((), false)]),
                    set("@", b"z", -1),
                    make("@/b", b"", 0),
                ]
            ),
        ],
    )
}

fn events() -> Scenario {
    scenario(
        "events of a multi",
        lines![
            open(0),
            open(1),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [get("@/a", true), children("@", true), exists("@/n", true)]
            ),
            send(0, [children("@", true), exists("@/n", true)]),
            send(
                0,
                [multi(vec![
                    set("@/a", b"1", -1),
                    set("@/a", b"2", -1),
                    make("@/n", b"", 0),
                    make("@/m", b"", 0),
                    delete("@/n", -1),
                ])]
            ),
            send(
                1,
                [get("@/a", true), children("@", true), exists("@/n", true)]
            ),
            send(0, [multi(vec![set("@/a", b"1", -1), delete("@/no", -1)])]),
            send(0, [set("@/a", b"1", -1)]),
        ],
    )
}
