//! The client's side of reconfig.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{auth, get, make, multi, reconfig, set};
use crate::twin::script::{open, send};

/// Where it is off, which is the default.
pub(super) fn disabled() -> Vec<Scenario> {
    vec![scenario(
        "reconfig is disabled",
        lines![
            open(0),
            send(
                0,
                [
                    reconfig((), (), (), -1),
                    reconfig("server.9=127.0.0.1:1:2;3", (), (), -1),
                    reconfig((), "x", (), 7),
                    multi(vec![reconfig((), (), (), -1)]),
                    make("@", b"", 0),
                    get("/zookeeper/config", false),
                ]
            ),
        ],
    )]
}

/// Where it is on.
pub(super) fn setups() -> Vec<Setup> {
    let super_digest =
        "DigestAuthenticationProvider.superDigest=super:0bX78nEegDzJM3ju0iLBEJdWzjg=";
    let on = ["reconfigEnabled=true", super_digest];
    vec![
        setup("reconfig alone", 1, &on, &[]).with([alone()]),
        setup("reconfig", 3, &on, &[]).with([refused()]),
    ]
}

fn alone() -> Scenario {
    scenario(
        "a server alone has nothing to reconfigure",
        lines![
            open(0),
            send(
                0,
                [
                    reconfig((), (), (), -1),
                    reconfig((), "1", (), 9),
                    make("@", b"", 0)
                ]
            ),
        ],
    )
}

fn refused() -> Scenario {
    scenario(
        "arguments are judged before permissions",
        lines![
            open(0),
            send(0, [reconfig((), (), (), -1)]),
            send(0, [reconfig((), (), (), 77)]),
            send(0, [reconfig("garbage", (), (), -1)]),
            send(0, [reconfig("server.9=127.0.0.1", (), (), -1)]),
            send(
                0,
                [reconfig("server.9=127.0.0.1:1:2:tourist;3", (), (), -1)]
            ),
            send(0, [reconfig((), "x", (), -1)]),
            send(0, [reconfig((), "77", (), -1)]),
            send(0, [reconfig((), "1,2", (), -1)]),
            send(0, [reconfig((), (), "garbage", -1)]),
            send(0, [multi(vec![reconfig((), (), (), -1)])]),
            send(0, [auth("digest", b"super:pw")]),
            send(0, [reconfig((), (), (), 77)]),
            send(0, [make("@", b"", 0), set("@", b"", -1)]),
        ],
    )
}
