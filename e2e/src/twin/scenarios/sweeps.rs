//! Containers and nodes with a time to live go by themselves.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{OPEN, add_watch, create_container, create_ttl, delete, exists, make, set};
use crate::twin::script::{Step, open, send};

/// The servers that sweep often.
pub(super) fn setups() -> Vec<Setup> {
    let types = &["extendedTypesEnabled=true"];
    let often = &["znode.container.checkIntervalMs=200"];
    let unused = &[
        "znode.container.checkIntervalMs=200",
        "znode.container.maxNeverUsedIntervalMs=1500",
    ];
    vec![
        setup("sweeps", 1, types, often).with([containers(), ttl()]),
        setup("sweeps of the unused", 1, types, unused).with([never_used()]),
        setup("sweeps of three", 3, types, often).with([containers()]),
    ]
}

fn containers() -> Scenario {
    scenario(
        "a container goes after its last child",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create_container("@/c", b"", OPEN, 4),
                    create_container("@/never", b"", OPEN, 4),
                    make("@/plain", b"", 4),
                    add_watch("@", 1),
                ]
            ),
            send(0, [make("@/c/x", b"", 0), make("@/plain/x", b"", 0)]),
            send(0, [delete("@/plain/x", -1)]),
            Step::Pause(700),
            send(0, [exists("@/c", false)]),
            send(0, [delete("@/c/x", -1)]),
            Step::Until(0, exists("@/c", false), -101),
            send(
                0,
                [
                    exists("@/never", false),
                    exists("@/plain", false),
                    exists("@", false)
                ]
            ),
        ],
    )
}

fn never_used() -> Scenario {
    scenario(
        "a container that was never used goes after a while",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    add_watch("@", 1),
                    create_container("@/c", b"", OPEN, 4),
                    create_container("@/kept", b"", OPEN, 4),
                    make("@/kept/x", b"", 0)
                ]
            ),
            send(0, [exists("@/c", false)]),
            Step::Until(0, exists("@/c", false), -101),
            send(0, [exists("@/kept", false), exists("@", false)]),
        ],
    )
}

fn ttl() -> Scenario {
    scenario(
        "a node goes after its time to live",
        lines![
            open(0),
            send(0, [make("@", b"", 0), add_watch("@", 1)]),
            send(0, [create_ttl("@/t", b"", OPEN, 5, 100)]),
            Step::Until(0, exists("@/t", false), -101),
            send(
                0,
                [create_ttl("@/u", b"", OPEN, 5, 100), make("@/u/x", b"", 0)]
            ),
            Step::Pause(700),
            send(0, [set("@/u/x", b"", -1), delete("@/u/x", -1)]),
            Step::Until(0, exists("@/u", false), -101),
            send(
                0,
                [
                    create_ttl("@/long", b"", OPEN, 6, 60_000),
                    exists("@", false)
                ]
            ),
        ],
    )
}
