//! Kinds of nodes, the order of a create's checks, names with numbers.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{
    OPEN, children2, create, create_container, create_ttl, create2, delete, delete_container,
    ephemerals, exists, get, get_acl, make, multi, set,
};
use crate::twin::script::{Step, open, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![kinds(), checks(), sequence(), ephemeral_nodes()]
}

/// Further configurations.
pub(super) fn setups() -> Vec<Setup> {
    let types = &["extendedTypesEnabled=true"];
    vec![
        setup("extended types", 1, types, &[]).with([kinds(), ttl(), ttl_in_multi()]),
        setup("defects", 1, types, &[]).with([removed_by_anyone(), deadly()]),
        setup("defects of three", 3, &[], &[]).with([wedge()]),
        setup("null lists of three", 3, &[], &[]).with([null_list()]),
    ]
}

fn kinds() -> Scenario {
    let mut lines = lines![open(0), send(0, [make("@", b"", 0)])];
    for op in [1, 15, 19] {
        for flags in -1..8 {
            let path = format!("@/{op}-{}", flags + 1);
            lines.push(send(0, [create(path.as_str(), b"x", OPEN, flags).op(op)]).into());
            lines.push(send(0, [exists(path.as_str(), false)]).into());
        }
    }
    for flags in [-1, 5, 6, 7, 8] {
        let path = format!("@/21-{}", flags + 1);
        for ttl in [-1, 0, 1 << 39, 1 << 40, 0xff_ffff_ffff, i64::MAX, i64::MIN] {
            let request = create_ttl(path.as_str(), b"x", OPEN, flags, ttl);
            lines.push(send(0, [request, exists(path.as_str(), false)]).into());
        }
    }
    for flags in 0..5 {
        lines.push(send(0, [create_ttl("@/zero", b"", OPEN, flags, 5)]).into());
    }
    lines.push(send(0, [children2("@", false), ephemerals("")]).into());
    scenario("flags and operations", lines)
}

fn checks() -> Scenario {
    scenario(
        "the first check that fails is told",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("/", b"", OPEN, 0),
                    create("@", b"", OPEN, 0),
                    create("@", b"", "", 0),
                    create("@", b"", (), 0),
                    create("@/no/x", b"", "", 0),
                    create("@/no/x", b"", OPEN, 7),
                    create("@/no/..", b"", OPEN, 0),
                    make("@/e", b"", 1),
                    make("@/e/x", b"", 0),
                    make("@/e/..", b"", 0),
                    make("@/e/x", b"", 1),
                    create("@/locked", b"", "1 world:anyone", 0),
                    make("@/locked/x", b"", 0),
                    make("@/locked/..", b"", 0),
                    make("@/locked/x/y", b"", 0),
                    make("foo", b"", 0),
                    create("foo", b"", "", 0),
                    make("@/a", (), 0),
                    get("@/a", false),
                    make("@/b", b"", 0),
                    get("@/b", false),
                    create_ttl("@/t", b"", OPEN, 5, 5),
                    create_ttl("@/no/t", b"", "", 5, 0),
                ]
            ),
            send(
                0,
                [
                    create2("@/c", b"123", OPEN, 0),
                    get_acl("@/c"),
                    get("@/c", false)
                ]
            ),
        ],
    )
}

fn sequence() -> Scenario {
    scenario(
        "numbers count creations under the parent",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    make("@/s", b"", 2),
                    make("@/s", b"", 3),
                    delete("@/a", -1),
                    make("@/", b"", 2),
                    make("@/..", b"", 2),
                    make("@/a", b"", 0),
                    make("@/a", b"", 0),
                    make("@/s", b"", 2),
                    create2("@/s", b"", OPEN, 2),
                    create_container("@/c", b"", OPEN, 2),
                    multi(vec![
                        make("@/m", b"", 2),
                        make("@/m", b"", 3),
                        set("@/no", b"", -1)
                    ]),
                    multi(vec![make("@/m", b"", 2), create2("@/m", b"", OPEN, 3)]),
                    make("@/s", b"", 2),
                    exists("@", false),
                    children2("@", false),
                ]
            ),
            Step::Drop(0),
        ],
    )
}

fn ephemeral_nodes() -> Scenario {
    scenario(
        "ephemerals belong to their session",
        lines![
            open(0),
            open(1),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/e", b"", 1),
                    make("@/eA", b"", 1),
                    make("@/f", b"", 3)
                ]
            ),
            send(
                1,
                [
                    get("@/e", false),
                    make("@/g", b"", 1),
                    delete("@/eA", -1),
                    ephemerals(""),
                    ephemerals("/"),
                    ephemerals(" "),
                    ephemerals(()),
                ]
            ),
            send(
                0,
                [
                    ephemerals("@/e"),
                    ephemerals("@/"),
                    ephemerals("e"),
                    ephemerals(()),
                    ephemerals("@/nothing"),
                ]
            ),
        ],
    )
}

fn ttl() -> Scenario {
    scenario(
        "nodes with a time to live",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create_ttl("@/t", b"x", OPEN, 5, 600_000),
                    create_ttl("@/s", b"x", OPEN, 6, 600_000),
                    make("@/t/child", b"", 0),
                    make("@/t/e", b"", 1),
                    set("@/t", b"y", 0),
                    get("@/t", false),
                    ephemerals(""),
                    delete("@/t", -1),
                    delete("@/s0000000001", -1),
                ]
            ),
        ],
    )
}

fn ttl_in_multi() -> Scenario {
    scenario(
        "kinds of nodes in a multi",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    multi(vec![
                        create_ttl("@/t", b"", OPEN, 5, 600_000),
                        make("@/t/x", b"", 0)
                    ]),
                    multi(vec![create_ttl("@/p", b"", OPEN, 0, -1)]),
                    multi(vec![create_ttl("@/q", b"", OPEN, 1, 5)]),
                    multi(vec![
                        create("@/c", b"", OPEN, 4),
                        create2("@/c2", b"", OPEN, 4)
                    ]),
                    multi(vec![create("@/u", b"", OPEN, 5)]),
                    multi(vec![create("@/v", b"", OPEN, 7)]),
                    multi(vec![create_ttl("@/w", b"", OPEN, 5, 0)]),
                    multi(vec![create_container("@/x", b"", OPEN, 4)]),
                    multi(vec![create_container("@/y", b"", OPEN, 0)]),
                    exists("@/p", false),
                    exists("@/c", false),
                    exists("@/y", false),
                    children2("@", false),
                ]
            ),
        ],
    )
}

/// Anybody may delete any empty node of Apache's by an operation that only the server should use.
fn removed_by_anyone() -> Scenario {
    scenario(
        "deleteContainer from a client is refused",
        lines![
            open(0),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(0, [delete_container("@/a")]).differs("err=0", "err=-6"),
        ],
    )
}

/// A request that ends Apache's process for good.
fn deadly() -> Scenario {
    scenario(
        "createTTL without a time to live is refused",
        lines![
            open(0),
            send(0, [make("@", b"", 0)]),
            send(0, [create_ttl("@/a", b"", OPEN, 0, -1)]).differs("closed", "err=-8"),
        ],
    )
}

/// A write that does not decode, after which Apache's ensembles write no more.
fn null_list() -> Scenario {
    let null = || multi(vec![create("@/n", b"", (), 0)]);
    scenario(
        "a null ACL in a multi is refused",
        lines![
            open(0),
            send(0, [make("@", b"", 0), get("@", false)]),
            send(0, [null(), get("@", false)]).differs("silence", "err=-5"),
        ],
    )
}

fn wedge() -> Scenario {
    scenario(
        "a write that does not decode is refused",
        lines![
            open(0),
            send(0, [make("@", b"", 0)]),
            send(0, [set("@", b"x", -1).cut(3), get("@", false)]).differs("silence", "err=-5"),
            send(0, [set("@", b"x", -1)]).differs("", "err=0"),
        ],
    )
}
