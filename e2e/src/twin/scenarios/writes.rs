//! delete, setData, setACL: the order of their checks, versions, and what they leave in a Stat.

use super::{Scenario, scenario};
use crate::twin::ops::{
    OPEN, check, children2, create, delete, exists, get, get_acl, make, multi, set, set_acl,
};
use crate::twin::script::{Place, open, open_at, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![deletes(), data(), acls(), stats(), pipeline()]
}

fn deletes() -> Scenario {
    scenario(
        "delete",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    make("@/a/b", b"", 0),
                    delete("@/a", 5),
                    delete("@/a", -1),
                    delete("@/a", -2),
                    delete("@/no", -1),
                    delete("@/no/x", -1),
                    create("@/l", b"", "23 world:anyone", 0),
                    make("@/l/x", b"", 0),
                    delete("@/l/x", -1),
                    delete("@/l/no", 7),
                    delete("/", -1),
                    delete("/", 7),
                    delete("/zookeeper", -1),
                    delete("/zookeeper/quota", 3),
                    delete("/zookeeper/config", -1),
                    delete("foo", -1),
                    delete("", -1),
                    delete("@/a/b", 0),
                    delete("@/a", 0),
                ]
            ),
            send(0, [children2("@", false), get("@/l/x", false)]),
        ],
    )
}

fn data() -> Scenario {
    scenario(
        "setData",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"1", 0),
                    set("@", b"2", 0),
                    set("@", b"3", 0),
                    set("@", b"3", 1),
                    set("@", (), 2),
                    get("@", false),
                    set("@", b"", -1),
                    get("@", false),
                    set("@", b"x", -2),
                    set("@/no", b"x", -1),
                    create("@/r", b"", "29 world:anyone", 0),
                    set("@/r", b"x", 5),
                    set("@/r", b"x", 0),
                    set("/zookeeper", b"", -1),
                    set("/zookeeper/config", b"x", -1),
                ]
            ),
            send(
                0,
                [
                    multi(vec![check("@", 4), check("@", -1)]),
                    multi(vec![check("@", 3)])
                ]
            ),
        ],
    )
}

fn acls() -> Scenario {
    scenario(
        "setACL",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"1", 0),
                    set_acl("@", OPEN, 1),
                    set_acl("@", OPEN, 0),
                    set_acl("@", OPEN, 1),
                    set_acl("@", "", -1),
                    set_acl("@", (), -1),
                    set_acl("@/no", "", -1),
                    set_acl("@/no", OPEN, -1),
                    set_acl("foo", "", -1),
                    set_acl("@", "15 world:anyone", -1),
                ]
            ),
            send(
                0,
                [
                    set_acl("@", OPEN, -1),
                    set_acl("@", OPEN, 0),
                    get_acl("@"),
                    exists("@", false),
                    get_acl("/zookeeper/config"),
                    get_acl("/zookeeper"),
                    get_acl("/"),
                    set_acl("/zookeeper/config", OPEN, -1),
                ]
            ),
        ],
    )
}

fn stats() -> Scenario {
    let all = || {
        [
            exists("@", false),
            exists("@/a", false),
            exists("@/a/b", false),
        ]
    };
    scenario(
        "what a Stat tells",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"12", 0),
                    make("@/a/b", b"", 0)
                ]
            ),
            send(0, all()),
            send(
                0,
                [
                    set("@/a", b"123", -1),
                    make("@/a/c", b"", 1),
                    make("@/a/d", b"", 4)
                ]
            ),
            send(0, all()),
            send(
                0,
                [
                    delete("@/a/c", -1),
                    set_acl("@/a", OPEN, -1),
                    set("@/a/b", b"x", -1)
                ]
            ),
            send(0, all()),
            send(
                0,
                [
                    make("@/a/b/z", b"", 0),
                    make("@/a/b/z", b"", 0),
                    delete("@/a", -1)
                ]
            ),
            send(0, all()),
            send(
                0,
                [
                    exists("/zookeeper", false),
                    exists("/zookeeper/quota", false),
                    get("/zookeeper/config", false),
                ]
            ),
        ],
    )
}

/// Writes of one burst see each other before any of them is applied.
fn pipeline() -> Scenario {
    scenario(
        "a burst of writes sees itself",
        lines![
            open(0),
            open_at(1, Place::Follower),
            open_at(2, Place::OtherFollower),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    set("@/a", b"1", 0),
                    set("@/a", b"2", 1),
                    set("@/a", b"3", 1),
                    set_acl("@/a", OPEN, 0),
                    get("@/a", false),
                    make("@/a/b", b"", 0),
                    delete("@/a", -1),
                    delete("@/a/b", 0),
                    delete("@/a", 2),
                    get("@/a", false),
                    make("@/a", b"", 1),
                    make("@/a/x", b"", 0),
                    get("@/a", false),
                    exists("@", false),
                ]
            ),
            send(
                1,
                [
                    make("@/b", b"", 0),
                    get("@/b", true),
                    set("@/b", b"x", 0),
                    delete("@/b", 1),
                    exists("@/b", true),
                    make("@/b", b"", 3),
                    make("@/b", b"", 0),
                ]
            ),
            send(2, [children2("@", false), get("@/a", false)]),
        ],
    )
}
