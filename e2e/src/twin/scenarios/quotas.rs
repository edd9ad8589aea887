//! Quotas: limits, statistics, and what happens above a limit.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{OPEN, create, delete, get, make, multi, set};
use crate::twin::script::{open, send};

/// With and without enforcement.
pub(super) fn setups() -> Vec<Setup> {
    vec![
        setup("quota enforced", 1, &["enforceQuota=true"], &[]).with([
            hard(),
            soft(),
            nested(),
            wrong_limits(),
        ]),
        setup("quota counted", 1, &[], &[]).with([hard(), soft(), nested()]),
    ]
}

const LIMITS: &str = "/zookeeper/quota@/zookeeper_limits";
const STATS: &str = "/zookeeper/quota@/zookeeper_stats";

fn stats() -> crate::twin::script::Step {
    send(0, [get(STATS, false), get(LIMITS, false)])
}

fn hard() -> Scenario {
    scenario(
        "hard limits",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"12345", 0),
                    make("@/a", b"", 0),
                    make("/zookeeper/quota@", b"", 0)
                ]
            ),
            send(
                0,
                [
                    make(
                        LIMITS,
                        b"count=3,bytes=10=;byteHardLimit=20;countHardLimit=4",
                        0
                    ),
                    make(STATS, b"count=0,bytes=0", 0),
                ]
            ),
            stats(),
            send(0, [get(STATS, true), make("@/b", b"xx", 0)]),
            stats(),
            send(0, [make("@/c", b"", 1)]),
            send(0, [make("@/d", b"", 0)]),
            send(0, [make("@/d", b"", 2)]),
            send(0, [create("@/a", b"", "", 0)]),
            send(0, [make("@/a", b"", 0)]),
            stats(),
            send(0, [set("@/a", vec![b'x'; 13], -1)]),
            send(0, [set("@/a", vec![b'x'; 14], -1)]),
            send(0, [set("@/a", vec![b'x'; 14], 9)]),
            send(0, [set("@/a", vec![b'y'; 13], -1)]),
            send(0, [multi(vec![delete("@/b", -1), make("@/b", b"", 0)])]),
            send(0, [multi(vec![set("@/a", vec![b'y'; 100], -1)])]),
            stats(),
            send(0, [delete("@/c", -1)]),
            stats(),
            send(0, [delete(LIMITS, -1)]),
            send(
                0,
                [
                    make("@/e", b"xxx", 0),
                    make("@/f", b"xxx", 0),
                    get(STATS, false)
                ]
            ),
        ],
    )
}

fn soft() -> Scenario {
    scenario(
        "soft limits only warn",
        lines![
            open(0),
            send(
                0,
                [make("@", b"12345", 0), make("/zookeeper/quota@", b"", 0)]
            ),
            send(
                0,
                [
                    make(LIMITS, b"count=1,bytes=3", 0),
                    make(STATS, b"count=0,bytes=0", 0)
                ]
            ),
            stats(),
            send(0, [make("@/a", b"xx", 0)]),
            send(0, [set("@/a", (), -1), set("@", b"", -1)]),
            stats(),
            send(0, [set(LIMITS, b"count=1,bytes=3=;countHardLimit=2", -1)]),
            send(0, [make("@/b", b"xx", 0)]),
            send(0, [set(LIMITS, b"count=-1,bytes=", -1)]),
            send(0, [make("@/c", b"xx", 0)]),
            stats(),
        ],
    )
}

fn nested() -> Scenario {
    let inner = "/zookeeper/quota@/a";
    scenario(
        "the deepest quota counts",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    make("@/ab", b"", 0),
                    make("/zookeeper/quota@", b"", 0),
                    make(inner, b"", 0),
                ]
            ),
            send(
                0,
                [
                    make(LIMITS, b"count=9,bytes=-1", 0),
                    make(STATS, b"count=0,bytes=0", 0),
                    make(
                        format!("{inner}/zookeeper_limits"),
                        b"count=1,bytes=-1=;countHardLimit=2",
                        0
                    ),
                    make(format!("{inner}/zookeeper_stats"), b"count=0,bytes=0", 0),
                ]
            ),
            stats(),
            send(0, [make("@/a/b", b"1", 0)]),
            send(0, [make("@/a/c", b"1", 0)]),
            send(0, [make("@/ab/c", b"1", 0)]),
            stats(),
            send(0, [get(format!("{inner}/zookeeper_stats"), false)]),
            send(0, [create("@/x", b"1", OPEN, 2), delete("@/a/b", -1)]),
            stats(),
        ],
    )
}

fn wrong_limits() -> Scenario {
    scenario(
        "limits that are no limits",
        lines![
            open(0),
            send(0, [make("@", b"", 0), make("/zookeeper/quota@", b"", 0)]),
            send(
                0,
                [
                    make(LIMITS, b"count=x", 0),
                    make(STATS, b"count=0,bytes=0", 0)
                ]
            ),
            send(0, [make("@/a", b"", 0)]),
            send(0, [set("@", b"x", -1)]),
            send(0, [multi(vec![make("@/a", b"", 0)])]),
            send(0, [delete(LIMITS, -1)]),
            send(0, [make("@/a", b"", 0)]),
        ],
    )
}
