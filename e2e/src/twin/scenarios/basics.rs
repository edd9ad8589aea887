//! The handshake of a connection and the plainest requests.

use super::{Scenario, same};
use crate::twin::ops::{children2, close, create2, exists, get, make, ping};
use crate::twin::script::{open, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![same(
        "create, read, list",
        [
            open(0),
            open(1),
            send(1, [exists("@", true)]),
            send(0, [make("@", b"x", 0), get("@", false), ping()]),
            send(
                0,
                [
                    create2("@/a", (), "31 world:anyone", 1),
                    make("@/b", b"", 3),
                    children2("@", true),
                ],
            ),
            send(0, [close()]),
        ],
    )]
}
