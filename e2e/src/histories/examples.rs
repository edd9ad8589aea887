//! Small histories with what a checker must think of them: each begins with the creation of a node.

use super::record::Operation;

type Example = (&'static str, Vec<Operation>);

/// Times of the second, third and fourth operation.
const SECOND: (u64, Option<u64>) = (2, Some(3));
const THIRD: (u64, Option<u64>) = (4, Some(5));
const FOURTH: (u64, Option<u64>) = (6, Some(7));

/// Histories that are right.
pub(super) fn good() -> Vec<Example> {
    vec![
        (
            "a write that is read",
            vec![create(), set("b", 1, 2), read("b", 1, 2)],
        ),
        (
            "a write of unknown outcome that was done",
            vec![create(), open("c"), read("c", 1, 2)],
        ),
        (
            "a write of unknown outcome that was not done",
            vec![create(), open("c"), read("a", 0, 1)],
        ),
        (
            "two writes of which one replaced the version",
            vec![create(), guarded("ok", 1, 2), guarded("version", 0, 0)],
        ),
    ]
}

/// Histories that no good server makes.
pub(super) fn bad() -> Vec<Example> {
    vec![
        (
            "a stale read",
            vec![create(), set("b", 1, 2), read("a", 0, 1)],
        ),
        (
            "a lost creation",
            vec![create(), operation("read", "", THIRD, "none", (0, 0))],
        ),
        (
            "a lost write under a later one",
            vec![
                create(),
                set("b", 1, 2),
                operation("set", "c", THIRD, "ok", (1, 3)),
            ],
        ),
        (
            "a write that was done twice",
            vec![create(), set("b", 1, 2), read("b", 2, 3)],
        ),
        (
            "a write of unknown outcome that came and went",
            vec![
                create(),
                open("c"),
                read("c", 1, 2),
                operation("read", "a", FOURTH, "ok", (0, 1)),
            ],
        ),
        (
            "two writes that both replaced one version",
            vec![create(), guarded("ok", 1, 2), guarded("ok", 1, 3)],
        ),
        (
            "a write refused for a version that was there",
            vec![create(), guarded("version", 0, 0)],
        ),
        (
            "a read of another transaction than that of the write",
            vec![create(), set("b", 1, 2), read("b", 1, 9)],
        ),
    ]
}

fn create() -> Operation {
    operation("create", "a", (0, Some(1)), "ok", (0, 1))
}

fn set(value: &str, version: i32, zxid: i64) -> Operation {
    operation("set", value, SECOND, "ok", (version, zxid))
}

fn read(value: &str, version: i32, zxid: i64) -> Operation {
    operation("read", value, THIRD, "ok", (version, zxid))
}

fn open(value: &str) -> Operation {
    operation("set", value, (2, None), "", (0, 0))
}

/// A write that wants version 0 and runs beside others.
fn guarded(result: &'static str, version: i32, zxid: i64) -> Operation {
    Operation {
        expected: 0,
        ..operation("set", "d", (2, Some(9)), result, (version, zxid))
    }
}

fn operation(
    op: &'static str,
    value: &str,
    (call, end): (u64, Option<u64>),
    result: &'static str,
    (version, zxid): (i32, i64),
) -> Operation {
    Operation {
        key: "/example".to_owned(),
        op,
        value: value.to_owned(),
        expected: -1,
        call,
        end,
        result,
        seen: if op == "read" { value } else { "" }.to_owned(),
        version,
        zxid,
        ..Operation::default()
    }
}
