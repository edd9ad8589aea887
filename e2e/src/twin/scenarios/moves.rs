//! Sessions that move between the servers of an ensemble.

use super::{Scenario, scenario};
use crate::twin::ops::{close, exists, get, make, ping, set, sync};
use crate::twin::script::{Hello, Place, Session, Step, hello, open, open_at, renew, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        everywhere(),
        stale_at_follower(),
        stale_at_leader(),
        stale_close(),
        refused(),
    ]
}

fn everywhere() -> Scenario {
    scenario(
        "a session goes around",
        lines![
            open(0),
            open_at(1, Place::OtherFollower),
            send(1, [make("@", b"", 0), make("@/e", b"", 1)]),
            Step::Drop(1),
            renew(1, Place::Follower, 1),
            send(1, [set("@/e", b"1", -1), exists("@/e", false)]),
            Step::Drop(1),
            renew(1, Place::Leader, 1),
            send(1, [set("@/e", b"2", -1), sync("@"), get("@/e", false)]),
            Step::Drop(1),
            renew(1, Place::OtherFollower, 1),
            send(1, [make("@/f", b"", 1), close()]),
            send(
                0,
                [
                    exists("@/e", false),
                    exists("@/f", false),
                    exists("@", false)
                ]
            ),
        ],
    )
}

fn stale_at_follower() -> Scenario {
    scenario(
        "the old connection at a follower reads on, and ends with a write",
        lines![
            open(0),
            open_at(1, Place::Follower),
            send(1, [make("@", b"", 0)]),
            renew(2, Place::OtherFollower, 1),
            send(1, [get("@", false), ping(), sync("@")]),
            Step::Raw(1, set_root()),
            send(2, [set("@", b"y", -1)]),
            send(0, [get("@", false)]),
        ],
    )
}

fn stale_at_leader() -> Scenario {
    scenario(
        "the old connection at the leader ends with a read",
        lines![
            open(0),
            open(1),
            send(1, [make("@", b"", 0)]),
            renew(2, Place::Follower, 1),
            Step::Raw(
                1,
                vec![0, 0, 0, 14, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 1, b'/', 0]
            ),
            send(2, [set("@", b"y", -1)]),
            send(0, [get("@", false)]),
        ],
    )
}

fn stale_close() -> Scenario {
    scenario(
        "the old connection may close the session",
        lines![
            open(0),
            open_at(1, Place::Follower),
            send(1, [make("@", b"", 0), make("@/e", b"", 1)]),
            renew(2, Place::OtherFollower, 1),
            send(1, [close()]),
            send(0, [exists("@/e", false)]),
            renew(3, Place::Follower, 1),
        ],
    )
}

fn refused() -> Scenario {
    let wrong = |session| Hello {
        session,
        ..Hello::default()
    };
    scenario(
        "renewals that are refused",
        lines![
            open(0),
            open_at(1, Place::Follower),
            Step::Drop(1),
            hello(2, Place::Follower, wrong(Session::Forged(1))),
            hello(2, Place::OtherFollower, wrong(Session::Forged(1))),
            hello(2, Place::Leader, wrong(Session::Forged(1))),
            hello(
                2,
                Place::OtherFollower,
                wrong(Session::Stranger(0x0200_0000_0000_1234))
            ),
            hello(
                2,
                Place::Follower,
                Hello {
                    seen: Some(5000),
                    ..Hello::default()
                }
            ),
            renew(1, Place::OtherFollower, 1),
            send(1, [make("@", b"", 0), close()]),
            renew(1, Place::Follower, 1),
        ],
    )
}

/// A setData of the root.
fn set_root() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 21, 0, 0, 0, 7, 0, 0, 0, 5];
    bytes.extend_from_slice(&[0, 0, 0, 1, b'/', 0, 0, 0, 0, 255, 255, 255, 255]);
    bytes
}
