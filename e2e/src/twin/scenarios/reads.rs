//! Reads: the order of their checks, aliases of the root, counts.

use super::{Scenario, scenario};
use crate::twin::ops::{
    OPEN, children, children2, count, create, exists, get, get_acl, make, set, sync, who_am_i,
};
use crate::twin::script::{open, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![scenario(
        "reads",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    make("@/a/b", b"", 0),
                    make("@/ab", b"", 0),
                    create("@/w", b"", "30 world:anyone", 0),
                    create("@/n", b"", "0 world:anyone", 0),
                    create("@/admin", b"", "16 world:anyone", 0),
                ]
            ),
            send(
                0,
                [
                    count("@"),
                    count("@/a"),
                    count("@/no"),
                    count("@/w"),
                    count("/zookeeper"),
                    children("@", false),
                    children2("@/a", false),
                    children("@/no", true),
                    children("@/n", true),
                    children2("@/w", true),
                    exists("@/w", true),
                    exists("@/n", true),
                    exists("@/no", true),
                    get("@/w", true),
                    get("@/no", true),
                    get_acl("@/w"),
                    get_acl("@/n"),
                    get_acl("@/admin"),
                    get_acl("@/no"),
                    exists("", false),
                    children("", false),
                    get("", false),
                    get_acl(""),
                    sync("@/no"),
                    sync("foo"),
                    who_am_i(),
                ]
            ),
            // None of the refused reads left a watch.
            send(
                0,
                [
                    set("@/w", b"", -1),
                    set("@/n", b"", -1),
                    create("@/no", b"", OPEN, 0),
                    set("@/no", b"", -1),
                ]
            ),
        ],
    )]
}
