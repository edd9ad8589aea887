//! Watches of all kinds: what fires them, catch-up after a reconnect, removal, the filter by ACL.

use super::{Scenario, scenario};
use crate::twin::ops::{
    OPEN, add_watch, auth, check_watches, children, children2, close, create, delete, exists, get,
    make, remove_watches, set, set_acl, set_watches, set_watches2,
};
use crate::twin::request::Text;
use crate::twin::script::{Place, Step, open, open_at, renew, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        one_shot(Place::Leader),
        persistent(Place::Leader),
        recursive(Place::Leader),
        removal(),
        types_apart(),
        catch_up(),
        events_up_to_null(),
        watches_up_to_null(),
        filter(),
    ]
}

/// The same with the watcher at a follower.
pub(super) fn at_followers() -> Vec<Scenario> {
    vec![
        one_shot(Place::Follower),
        persistent(Place::OtherFollower),
        recursive(Place::Follower),
    ]
}

fn one_shot(place: Place) -> Scenario {
    scenario(
        "one-shot watches",
        lines![
            open(0),
            open_at(1, place),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [
                    exists("@/n", true),
                    exists("@/n", true),
                    get("@/a", true),
                    exists("@/a", true),
                    children("@/a", true),
                    children2("@", true),
                    get("@/no", true),
                    children("@/no", true),
                ]
            ),
            send(
                0,
                [
                    set_acl("@/a", OPEN, -1),
                    set("@/a", b"", 9),
                    make("@/n", b"", 0)
                ]
            ),
            send(
                0,
                [set("@/n", b"", -1), delete("@/n", -1), make("@/no", b"", 0)]
            ),
            send(0, [set("@/a", b"x", -1), set("@/a", b"x", -1)]),
            send(
                1,
                [get("@/a", true), children("@/a", true), children("@", true)]
            ),
            send(0, [make("@/a/b", b"", 1)]),
            send(1, [children("@/a", true)]),
            send(
                0,
                [delete("@/a/b", -1), delete("@/a", -1), make("@/a", b"", 0)]
            ),
            send(
                1,
                [
                    exists("@/a", true),
                    get("@/a", true),
                    set("@/a", b"own", -1),
                    get("@/a", true)
                ]
            ),
            send(0, [close()]),
        ],
    )
}

fn persistent(place: Place) -> Scenario {
    scenario(
        "persistent watches",
        lines![
            open(0),
            open_at(1, place),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [
                    add_watch("@/a", 0),
                    add_watch("@/a", 0),
                    add_watch("@/a", 2),
                    add_watch("@/a", -1),
                    add_watch("@/n", 0),
                    get("@/a", true),
                ]
            ),
            send(
                0,
                [
                    set("@/a", b"1", -1),
                    set("@/a", b"2", -1),
                    make("@/a/b", b"", 0)
                ]
            ),
            send(
                0,
                [
                    set("@/a/b", b"1", -1),
                    delete("@/a/b", -1),
                    delete("@/a", -1)
                ]
            ),
            send(
                0,
                [
                    make("@/a", b"", 0),
                    set("@/a", b"1", -1),
                    make("@/n", b"", 0)
                ]
            ),
            send(
                1,
                [
                    children("@/a", true),
                    make("@/a/own", b"", 0),
                    delete("@/a/own", -1)
                ]
            ),
            Step::Drop(1),
            renew(1, place, 1),
            send(0, [set("@/a", b"1", -1)]),
        ],
    )
}

fn recursive(place: Place) -> Scenario {
    scenario(
        "persistent recursive watches",
        lines![
            open(0),
            open_at(1, place),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [
                    add_watch("@/a", 1),
                    add_watch("@", 1),
                    children("@/a", true)
                ]
            ),
            send(
                0,
                [
                    make("@/a/b", b"", 0),
                    make("@/a/b/c", b"", 0),
                    set("@/a/b/c", b"", -1)
                ]
            ),
            send(
                0,
                [
                    make("@/ab", b"", 0),
                    set("@/a", b"", -1),
                    delete("@/a/b/c", -1)
                ]
            ),
            send(
                1,
                [
                    remove_watches("@", 5),
                    get("@/a", true),
                    add_watch("@/a", 0)
                ]
            ),
            send(
                0,
                [
                    set("@/ab", b"", -1),
                    set("@/a", b"", -1),
                    delete("@/a/b", -1)
                ]
            ),
            send(0, [delete("@/a", -1), make("@/a", b"", 1)]),
            send(1, [remove_watches("@/a", 3)]),
            send(0, [set("@/a", b"", -1), close()]),
        ],
    )
}

fn removal() -> Scenario {
    let mut lines = lines![open(0), send(0, [make("@", b"", 0), make("@/a", b"", 0)])];
    for kind in 0..7 {
        lines.push(
            send(
                0,
                [
                    get("@/a", true),
                    children("@/a", true),
                    add_watch("@/a", 0),
                    check_watches("@/a", kind),
                    remove_watches("@/a", kind),
                    check_watches("@/a", kind),
                    check_watches("@/a", 1),
                    check_watches("@/a", 2),
                    check_watches("@/a", 3),
                    check_watches("@/a", 4),
                    check_watches("@/a", 5),
                    set("@/a", b"", -1),
                ],
            )
            .into(),
        );
        lines.push(send(0, [make("@/a/x", b"", 0), delete("@/a/x", -1)]).into());
        lines.push(send(0, [remove_watches("@/a", 3), remove_watches("@/a", 3)]).into());
    }
    scenario("removal of watches", lines)
}

fn types_apart() -> Scenario {
    scenario(
        "kinds of watches are apart",
        lines![
            open(0),
            open(1),
            send(
                0,
                [make("@", b"", 0), make("@/a", b"", 0), exists("@/a", true)]
            ),
            send(1, [check_watches("@/a", 2), remove_watches("@/a", 3)]),
            send(
                0,
                [
                    check_watches("@/a", 1),
                    check_watches("@/a", 2),
                    add_watch("@/a", 1),
                    remove_watches("@/a", 4),
                    remove_watches("@/a", 1),
                    remove_watches("@/a", 5),
                    remove_watches("@/a", 2),
                    remove_watches("@/a", 3),
                    check_watches("@/a", 3),
                ]
            ),
            send(
                0,
                [add_watch("@/a", 0), add_watch("@/a", 1), get("@/a", true)]
            ),
            send(
                0,
                [
                    set("@/a", b"", -1),
                    check_watches("@/a", 2),
                    make("@/a/b", b"", 0)
                ]
            ),
        ],
    )
}

fn catch_up() -> Scenario {
    let lists = |zxid| {
        set_watches(
            zxid,
            ["@/a", "@/gone", "@/b"],
            ["@/a", "@/gone"],
            ["@/a", "@/gone", "@/b"],
        )
    };
    scenario(
        "catch-up by setWatches",
        lines![
            open(0),
            open(1),
            send(
                0,
                [
                    make("@", b"", 0),
                    make("@/a", b"", 0),
                    make("@/b", b"", 0),
                    set("@/b", b"", -1)
                ]
            ),
            send(1, [lists(0)]),
            send(1, [lists(5), lists(6), lists(1000)]),
            send(
                0,
                [
                    set("@/a", b"", -1),
                    make("@/b/x", b"", 0),
                    make("@/gone", b"", 0)
                ]
            ),
            send(
                1,
                [set_watches2(
                    8,
                    ["@/a"],
                    ["@/b"],
                    ["@/b"],
                    ["@/a", "@/p"],
                    ["@/b"]
                )]
            ),
            send(
                0,
                [
                    set("@/a", b"", -1),
                    set("@/b/x", b"", -1),
                    make("@/p", b"", 0)
                ]
            ),
            send(0, [create("@/w", b"", "30 world:anyone", 0)]),
            send(
                1,
                [
                    set_watches(0, ["@/w"], ["@/w"], ["@/w"]),
                    set_watches(-1, [], [], [])
                ]
            ),
            send(1, [set_watches(1000, ["@/w", ""], ["foo"], ["/"])]),
            send(0, [set("@/w", b"", -1)]),
        ],
    )
}

/// Paths with a null among them.
fn with_null(before: &[&str], behind: &[&str]) -> Vec<Text> {
    let some = |texts: &[&str]| -> Vec<Text> { texts.iter().map(|text| (*text).into()).collect() };
    [some(before), vec![().into()], some(behind)].concat()
}

/// Nulls are met when the events for what stands before them have been sent.
fn events_up_to_null() -> Scenario {
    scenario(
        "catch-up up to a null",
        lines![
            open(0),
            open(1),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(1, [set_watches(0, (), ["@"], ["@"])]),
            send(1, [set_watches(0, ["@"], (), ["@"])]),
            send(1, [set_watches(0, ["@/gone"], ["@"], ())]),
            send(
                1,
                [set_watches(0, with_null(&["@"], &["@/a"]), ["@"], ["@"])]
            ),
            send(1, [set_watches(0, ["@"], with_null(&["@/a"], &[]), ["@"])]),
            send(
                1,
                [set_watches(0, ["@"], ["@"], with_null(&["@/a"], &["@"]))]
            ),
            send(1, [set_watches2(0, ["@"], ["@/a"], ["@"], (), ["@"])]),
            // What does not decode is no request at all.
            send(1, [set_watches(0, ["@"], (), ["@"]).cut(30)]),
        ],
    )
}

/// What stands before a null is watched.
fn watches_up_to_null() -> Scenario {
    scenario(
        "watches up to a null",
        lines![
            open(0),
            open(1),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [set_watches2(1000, ["@"], ["@/gone"], ["@/a"], ["@/a"], ())]
            ),
            send(
                1,
                [
                    check_watches("@", 2),
                    check_watches("@/gone", 2),
                    check_watches("@/a", 1),
                    check_watches("@/a", 4)
                ]
            ),
            send(
                0,
                [
                    set("@", b"", -1),
                    make("@/gone", b"", 0),
                    make("@/a/x", b"", 0)
                ]
            ),
            send(
                1,
                [set_watches2(
                    1000,
                    ["@"],
                    [],
                    [],
                    with_null(&["@/p"], &["@/q"]),
                    ["@/r"]
                )]
            ),
            send(
                1,
                [set_watches2(1000, [], [], [], [], with_null(&[], &["@/v"]))]
            ),
            send(
                0,
                [
                    set("@", b"", -1),
                    make("@/p", b"", 0),
                    make("@/q", b"", 0),
                    make("@/r", b"", 0),
                    make("@/v", b"", 0)
                ]
            ),
        ],
    )
}

fn filter() -> Scenario {
    let own = "31 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
    scenario(
        "events are kept from whoever may not read",
        lines![
            open(0),
            open(1),
            open(2),
            send(0, [auth("digest", b"u:p")]),
            send(2, [auth("digest", b"u:p")]),
            send(0, [make("@", b"", 0), make("@/a", b"", 0)]),
            send(
                1,
                [
                    get("@/a", true),
                    children("@/a", true),
                    children("@", true),
                    exists("@/s", true)
                ]
            ),
            send(
                2,
                [get("@/a", true), exists("@/s", true), add_watch("@", 1)]
            ),
            send(0, [set_acl("@/a", own, -1), set("@/a", b"1", -1)]),
            send(0, [set_acl("@/a", OPEN, -1), set("@/a", b"1", -1)]),
            send(0, [create("@/s", b"", own, 0), set("@/s", b"", -1)]),
            send(
                1,
                [children("@", true), exists("@/s", true), add_watch("@", 1)]
            ),
            send(
                0,
                [
                    make("@/s/x", b"", 0),
                    delete("@/s/x", -1),
                    delete("@/s", -1)
                ]
            ),
            send(1, [children("@", true)]),
            send(0, [set_acl("@", own, -1), make("@/q", b"", 0)]),
            send(0, [set_acl("@", OPEN, -1), make("@/r", b"", 0)]),
        ],
    )
}
