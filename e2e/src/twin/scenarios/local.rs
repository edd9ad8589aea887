//! Local sessions, their upgrade, and servers that serve reads alone.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{
    OPEN, add_watch, auth, check, children, close, create_container, create2, delete, exists, get,
    make, multi, multi_read, ping, reconfig, set, set_acl, sync, unknown, who_am_i,
};
use crate::twin::script::{Hello, Place, Step, hello, open, open_at, renew, send};

/// Ensembles with local sessions.
pub(super) fn setups() -> Vec<Setup> {
    let local = ["localSessionsEnabled=true"];
    let upgrading = [
        "localSessionsEnabled=true",
        "localSessionsUpgradingEnabled=true",
    ];
    let read_only = ["readonlymode.enabled=true"];
    vec![
        setup("local sessions", 3, &local, &[]).with([local_only()]),
        setup("upgraded sessions", 3, &upgrading, &[]).with([upgrades()]),
        setup("reads alone", 3, &upgrading, &read_only).with([reads_alone()]),
        setup("reads alone, global sessions", 3, &[], &read_only).with([no_local_sessions()]),
    ]
}

fn local_only() -> Scenario {
    scenario(
        "local sessions stay where they are",
        lines![
            open(0),
            open_at(1, Place::Follower),
            send(1, [make("@", b"", 0), get("@", false), set("@", b"x", 0)]),
            send(1, [make("@/e", b"", 1)]),
            send(0, [make("@/e", b"", 3)]),
            send(1, [multi(vec![make("@/e", b"", 1)])]),
            send(1, [create_container("@/c", b"", OPEN, 4)]),
            send(1, [exists("@", true)]),
            send(0, [set("@", b"y", -1)]),
            Step::Drop(1),
            renew(1, Place::Follower, 1),
            send(1, [get("@", false)]),
            Step::Drop(1),
            renew(1, Place::OtherFollower, 1),
            send(0, [close()]),
        ],
    )
}

fn upgrades() -> Scenario {
    scenario(
        "a local session becomes global with its first ephemeral node",
        lines![
            open(0),
            open_at(1, Place::Follower),
            open_at(2, Place::OtherFollower),
            send(0, [make("@", b"", 0)]),
            send(1, [create2("@/e", b"", OPEN, 1)]),
            send(1, [get("@/e", false), make("@/f", b"", 3)]),
            send(2, [multi(vec![make("@/m", b"", 1), make("@/n", b"", 0)])]),
            send(0, [make("@/l", b"", 1)]),
            send(
                0,
                [
                    exists("@/e", false),
                    exists("@/m", false),
                    children("@", false)
                ]
            ),
            Step::Drop(1),
            renew(1, Place::OtherFollower, 1),
            send(1, [get("@/e", false), close()]),
            send(0, [children("@", false)]),
            open_at(3, Place::Follower),
            send(3, [get("@", false), close()]),
            send(0, [get("@", false)]),
        ],
    )
}

fn reads_alone() -> Scenario {
    let reader = || Hello {
        read_only: Some(true),
        ..Hello::default()
    };
    let at = Place::Follower;
    scenario(
        "a server without a quorum serves reads",
        lines![
            open_at(0, at),
            send(0, [make("@", b"x", 0), make("@/a", b"", 0)]),
            Step::Drop(0),
            Step::Cut,
            hello(1, at, Hello::default()),
            hello(
                1,
                at,
                Hello {
                    read_only: None,
                    ..Hello::default()
                }
            ),
            hello(1, at, reader()),
            Step::Word(at, b"isro".to_vec()),
            send(
                1,
                [
                    exists("@", true),
                    get("@", false),
                    children("@", false),
                    multi_read(vec![get("@", false)]),
                    add_watch("@", 1),
                    who_am_i(),
                    ping(),
                ]
            ),
            send(1, [auth("digest", b"u:p")]),
            send(1, [sync("@")]),
            send(1, [make("@/b", b"", 0)]),
            send(1, [create2("@/b", b"", OPEN, 1)]),
            send(1, [set("@", b"", -1)]),
            send(1, [set("@", b"", -1).cut(2)]),
            send(1, [delete("@/a", -1)]),
            send(1, [set_acl("@", OPEN, -1)]),
            send(1, [multi(vec![check("@", 0)])]),
            send(1, [reconfig((), (), (), -1)]),
            send(1, [unknown(13)]),
            hello(2, at, reader()),
            send(2, [close()]),
        ],
    )
}

/// Apache answers a connect request with a reply to a request, and leaves the connection open.
fn no_local_sessions() -> Scenario {
    let reader = Hello {
        read_only: Some(true),
        ..Hello::default()
    };
    scenario(
        "a server without a quorum gives no global sessions",
        lines![
            Step::Cut,
            hello(0, Place::Follower, reader).differs("err=-119", "closed"),
        ],
    )
}
