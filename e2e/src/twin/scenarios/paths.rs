//! Paths, good and bad, in every operation that takes one.

use super::{Scenario, scenario};
use crate::twin::ops::{
    add_watch, check, check_watches, children, children2, count, create_container, delete,
    ephemerals, exists, get, get_acl, make, multi, remove_watches, set, set_acl, set_watches, sync,
};
use crate::twin::request::Request;
use crate::twin::script::{Step, open, send};

const PATHS: [&str; 45] = [
    "/",
    "",
    "foo",
    "foo/bar",
    "@/",
    "@//x",
    "@/a//b",
    "//x",
    "//",
    "/nope//x",
    "/nope/x/",
    "@/.",
    "@/..",
    "@/a/./b",
    "@/a/../b",
    "@/...",
    "@/.x",
    "@/..x",
    "@/x.",
    "@/x..",
    "@/a\u{0}b",
    "\u{0}",
    "@/\u{1}",
    "@/\u{1f}",
    "@/\u{20}",
    "@/\u{7e}",
    "@/\u{7f}",
    "@/\u{9f}",
    "@/\u{a0}",
    "@/\u{d7ff}",
    "@/\u{e000}",
    "@/\u{f8ff}",
    "@/\u{f900}",
    "@/\u{ffef}",
    "@/\u{fff0}",
    "@/\u{fffd}",
    "@/\u{1f600}",
    "@/\u{e9}",
    "/zookeeper",
    "/zookeeper/",
    "/zookeeper/quota",
    "/zookeeper/config",
    "/zookeeper/config/x",
    "/zookeeper/quota/",
    "@",
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let open_acl = "31 world:anyone";
    vec![
        each("create", |path| vec![make(path, b"", 0)]),
        each("create a sequential node", |path| vec![make(path, b"", 2)]),
        each("create a container", |path| {
            vec![create_container(path, b"", "31 world:anyone", 4)]
        }),
        each("set data and ACL", |path| {
            vec![set(path, b"x", 9), set_acl(path, "31 world:anyone", 9)]
        }),
        each("delete and check", |path| {
            vec![
                delete(path, 9),
                multi(vec![check(path, 9)]),
                delete(path, -2),
            ]
        }),
        each("read", |path| {
            vec![
                exists(path, false),
                get(path, true),
                get_acl(path),
                children(path, false),
                children2(path, true),
                count(path),
                sync(path),
                ephemerals(path),
            ]
        }),
        each("watch", |path| {
            vec![
                add_watch(path, 0),
                check_watches(path, 3),
                remove_watches(path, 4),
                remove_watches(path, 3),
                set_watches(0, [path], [path], [path]),
            ]
        }),
        scenario(
            "bytes that are no UTF-8",
            lines![
                open(0),
                send(0, [make("@", b"", 0)]),
                send(
                    0,
                    [
                        make(b"@/\xff", b"", 0),
                        make(b"@/\xed\xa0\xbd\xed\xb8\x80", b"", 0),
                        make(b"@/\xc3", b"", 0),
                        make(b"@/\xf0\x9f\x98\x80", b"", 0),
                        exists(b"@/\xff", false),
                        get(b"@/\xc3\x28", false),
                        sync(b"\xff\xfe"),
                        sync(b"\xed\xa0\xbd\xed\xb8\x80"),
                        sync(b"\xf0\x9f\x98"),
                        sync(b"\xe2\x28\xa1\xf8\x88\x80\x80\x80"),
                    ]
                ),
                send(
                    0,
                    [make("@/ok", b"", 0), children("@", false), get_acl("@")]
                ),
                send(0, [set_acl("@", open_acl, 0)]),
            ],
        ),
    ]
}

fn each(name: &'static str, requests: impl Fn(&'static str) -> Vec<Request>) -> Scenario {
    let mut lines = lines![
        open(0),
        send(
            0,
            [make("@", b"", 0), make("@/a", b"", 0), make("@/e", b"", 1)]
        ),
    ];
    for path in PATHS {
        lines.push(Step::Send(0, requests(path)).into());
    }
    lines.push(send(0, [children2("@", false), children("/zookeeper", false)]).into());
    // What landed outside of the script's own tree goes again.
    for path in [
        "/zookeeper/config/x",
        "/zookeeper/quota/0000000000",
        "/zookeeper/0000000002",
    ] {
        lines.push(send(0, [delete(path, -1)]).into());
    }
    scenario(name, lines)
}
