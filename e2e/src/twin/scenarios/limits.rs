//! Limits on frames, connections and large requests, and which words are answered.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{check, children, close, delete, exists, get, make, multi, ping, set};
use crate::twin::request::Request;
use crate::twin::script::{Hello, Place, Session, Step, hello, open, open_at, send};

/// Servers with small limits.
pub(super) fn setups() -> Vec<Setup> {
    let tokens = [
        "connection_throttle_tokens=4",
        "connection_throttle_fill_time=1000000",
    ];
    let large = ["largeRequestThreshold=1000", "largeRequestMaxBytes=3000"];
    let throttled = [
        "request_throttle_max_requests=1",
        "request_throttle_stall_time=10",
    ];
    let silent = ["nio.sessionlessCnxnTimeout=500"];
    let times = ["minSessionTimeout=1500", "maxSessionTimeout=7000"];
    vec![
        setup("small frames", 1, &[], &["jute.maxbuffer=5000"]).with([small_frames()]),
        setup("few connections", 1, &["maxClientCnxns=4"], &[])
            .with([few_connections("per address")]),
        setup("few in all", 1, &["maxCnxns=4"], &[]).with([few_connections("in all")]),
        setup("slow connections", 1, &tokens, &[]).with([tokens_run_out()]),
        setup("large requests", 1, &large, &[]).with([large_requests()]),
        setup("throttled", 1, &throttled, &[]).with([one_by_one()]),
        setup("throttled three", 3, &throttled, &[]).with([one_by_one()]),
        setup("few outstanding", 3, &["globalOutstandingLimit=2"], &[]).with([one_by_one()]),
        setup("silent connections", 1, &silent, &[]).with([silence()]),
        setup("time-outs", 1, &times, &[]).with([time_outs()]),
        setup("few words", 1, &["4lw.commands.whitelist=srvr,ruok"], &[]).with([few_words()]),
    ]
}

/// Requests that wait for room are answered in their order all the same.
fn one_by_one() -> Scenario {
    let burst = |number: usize| -> Vec<Request> {
        let node = format!("@/{number}");
        vec![
            make(node.as_str(), b"", 0),
            get(node.as_str(), true),
            set(node.as_str(), b"x", 0),
            ping(),
            multi(vec![check("@", 0), delete(node.as_str(), -1)]),
            children("@", true),
            get(node.as_str(), false),
        ]
    };
    scenario(
        "one request at a time",
        lines![
            open(0),
            open_at(1, Place::Follower),
            send(0, [make("@", b"", 0)]),
            Step::Send(1, (0..20).flat_map(burst).collect()),
            Step::Send(0, (20..40).flat_map(burst).collect()),
            send(1, [children("@", false), close()]),
            send(0, [exists("@", false), close()]),
        ],
    )
}

/// A connection that asks for no session is closed after a while, one with a session is not.
fn silence() -> Scenario {
    scenario(
        "connections without a session are closed",
        lines![
            Step::Tcp(0, Place::Leader),
            open(1),
            Step::Pause(3000),
            Step::Raw(0, vec![0]),
            send(1, [make("@", b"", 0)]),
        ],
    )
}

fn time_outs() -> Scenario {
    let wants = |timeout| Hello {
        timeout,
        ..Hello::default()
    };
    let again = |of, timeout| Hello {
        session: Session::Of(of),
        ..wants(timeout)
    };
    let at = Place::Leader;
    scenario(
        "limits of time-outs that are configured",
        lines![
            hello(0, at, wants(0)),
            hello(1, at, wants(1499)),
            hello(2, at, wants(1501)),
            hello(3, at, wants(6999)),
            hello(4, at, wants(7001)),
            hello(4, at, again(4, 1)),
            hello(3, at, again(3, i32::MAX)),
            send(3, [make("@", b"", 0)]),
        ],
    )
}

fn small_frames() -> Scenario {
    // A frame of 5000 bytes: header, path, data, version.
    let largest = 5000 - 8 - 4 - 1 - 4 - 4;
    scenario(
        "frames up to the limit",
        lines![
            open(0),
            send(0, [set("/", vec![b'x'; largest], -1), get("/", false)]),
            send(0, [set("/", b"", -1)]),
            Step::Raw(0, vec![0, 0, 0x13, 0x89]),
            open(0),
            send(0, [make("@", b"", 0)]),
            Step::Send(
                0,
                (0..200)
                    .map(|_| make("@/a-rather-long-name-of-a-node-", b"", 2))
                    .collect()
            ),
            send(0, [children("@", false)]),
        ],
    )
}

fn few_connections(name: &'static str) -> Scenario {
    scenario(
        name,
        lines![
            open(0),
            open(1),
            open(2),
            send(2, [make("@", b"", 0)]),
            open(3),
            // One more than there may be, for words too.
            open(4),
            Step::Word(Place::Leader, b"ruok".to_vec()),
            send(0, [get("@", false)]),
            Step::Drop(3),
            Step::Pause(300),
            Step::Word(Place::Leader, b"ruok".to_vec()),
            Step::Drop(2),
            Step::Drop(1),
            Step::Pause(300),
        ],
    )
}

fn tokens_run_out() -> Scenario {
    scenario(
        "connect requests run out",
        lines![
            open(0),
            open(1),
            open(2),
            open(3),
            Step::Word(Place::Leader, b"ruok".to_vec()),
            open(4),
            send(0, [make("@", b"", 0)]),
        ],
    )
}

fn large_requests() -> Scenario {
    scenario(
        "large requests",
        lines![
            open(0),
            send(0, [make("@", b"", 0), set("@", vec![b'x'; 900], -1)]),
            send(0, [set("@", vec![b'x'; 2500], -1)]),
            Step::Raw(0, vec![0, 0, 0x10, 0]),
            open(0),
            send(0, [set("@", vec![b'x'; 2500], -1), get("@", false)]),
        ],
    )
}

fn few_words() -> Scenario {
    let mut lines = lines![];
    for word in [
        "ruok",
        "isro",
        "conf",
        "cons",
        "crst",
        "dirs",
        "dump",
        "envi",
        "gtmk",
        "stmk12345678",
        "srst",
        "stat",
        "wchc",
        "wchp",
        "wchs",
        "mntr",
        "hash",
        "RUOK",
    ] {
        lines.push(Step::Word(Place::Leader, word.as_bytes().to_vec()).into());
    }
    lines.push(Step::Word(Place::Leader, vec![0xff, 0xf4, 0xff, 0xfd]).into());
    scenario("words that are not allowed", lines)
}
