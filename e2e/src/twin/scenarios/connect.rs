//! The handshake, renewal, the end of sessions, and four-letter words.

use super::{Scenario, scenario};
use crate::twin::ops::{close, create, exists, get, make, ping, set};
use crate::twin::script::{Hello, Place, Session, Step, hello, open, renew, send};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        handshakes(),
        time_outs(),
        renewals(),
        closing(),
        expiry(),
        words(),
    ]
}

/// A further configuration.
pub(super) fn setups() -> Vec<super::Setup> {
    // Which nodes go is in the transaction, or found by whoever applies it.
    let old = ["closeSessionTxn.enabled=false"];
    vec![
        super::setup("closing as of old", 1, &[], &old).with([closing()]),
        super::setup("closing as of old, three", 3, &[], &old).with([closing()]),
    ]
}

/// Connect requests of all kinds; those from the seventh on are refused.
fn kinds() -> [Hello; 12] {
    let plain = Hello::default;
    let cut = |cut| Hello {
        cut: Some(cut),
        ..plain()
    };
    let password = |password| Hello {
        password,
        ..plain()
    };
    let read_only = |read_only| Hello {
        read_only,
        ..plain()
    };
    let seen = |seen| Hello {
        seen: Some(seen),
        ..plain()
    };
    let stranger = Session::Stranger(0x7700_0000_0000);
    [
        Hello {
            version: 7,
            ..plain()
        },
        password(None),
        password(Some(0)),
        password(Some(40)),
        read_only(None),
        read_only(Some(true)),
        seen(0),
        seen(1000),
        cut(0),
        cut(3),
        cut(43),
        Hello {
            session: stranger,
            ..plain()
        },
    ]
}

fn handshakes() -> Scenario {
    let mut lines = lines![];
    for (conn, kind) in (0..).zip(kinds()) {
        lines.push(hello(conn, Place::Leader, kind).into());
    }
    let without_end = Hello {
        cut: Some(44),
        ..Hello::default()
    };
    lines.push(hello(12, Place::Leader, without_end).into());
    lines.push(send(0, [make("@", b"", 0), ping(), ping().xid(55)]).into());
    lines.push(send(4, [get("@", false), close()]).into());
    scenario("connect requests of all kinds", lines)
}

fn time_outs() -> Scenario {
    let wants = |timeout| Hello {
        timeout,
        ..Hello::default()
    };
    let at = Place::Leader;
    scenario(
        "time-outs are kept within the limits",
        lines![
            hello(0, at, wants(0)),
            hello(1, at, wants(-5)),
            hello(2, at, wants(1)),
            hello(3, at, wants(1999)),
            hello(4, at, wants(2001)),
            hello(5, at, wants(59_999)),
            hello(6, at, wants(1_000_000)),
            hello(7, at, wants(i32::MAX)),
            hello(
                6,
                at,
                Hello {
                    session: Session::Of(6),
                    ..wants(2500)
                }
            ),
        ],
    )
}

fn renewals() -> Scenario {
    let forged = Hello {
        session: Session::Forged(0),
        ..Hello::default()
    };
    scenario(
        "a session is renewed, its watches are not",
        lines![
            open(0),
            send(0, [make("@", b"", 0), make("@/e", b"", 1), get("@", true)]),
            Step::Drop(0),
            renew(0, Place::Leader, 0),
            open(1),
            send(1, [set("@", b"2", -1), exists("@/e", false)]),
            send(0, [get("@/e", false)]),
            Step::Drop(0),
            hello(2, Place::Leader, forged),
            renew(0, Place::Leader, 0),
            // The connection that is there is closed for the one that comes.
            renew(3, Place::Leader, 0),
            send(3, [close()]),
            renew(0, Place::Leader, 0),
            send(1, [exists("@/e", false)]),
        ],
    )
}

fn closing() -> Scenario {
    scenario(
        "closing a session takes its nodes along",
        lines![
            open(0),
            open(1),
            send(
                0,
                [make("@", b"", 0), make("@/e", b"", 1), make("@/f", b"", 3)]
            ),
            send(1, [exists("@/e", true), get("@", true)]),
            send(0, [exists("@/e", true), close()]),
            send(1, [get("@", false), close().and(&[1, 2, 3])]),
            // Whether Apache answers what comes behind a close is chance.
            open(2),
            send(2, [close(), get("@", false)]).differs("", "closed, after"),
        ],
    )
}

fn expiry() -> Scenario {
    let short = Hello {
        timeout: 2000,
        ..Hello::default()
    };
    scenario(
        "a silent session expires",
        lines![
            open(0),
            hello(1, Place::Leader, short),
            send(1, [make("@", b"", 0), make("@/e", b"", 1)]),
            send(0, [exists("@/e", true)]),
            Step::Drop(1),
            Step::Until(0, exists("@/e", false), -101),
            renew(1, Place::Leader, 1),
            send(0, [get("@", false)]),
        ],
    )
}

fn words() -> Scenario {
    let word = |text: &str| Step::Word(Place::Leader, text.as_bytes().to_vec());
    scenario(
        "four-letter words before a session, none after",
        lines![
            word("ruok"),
            word("isro"),
            word("ruok and more"),
            word("GET / HTTP/1.1\r\n\r\n"),
            open(0),
            send(0, [create("@", b"", "31 world:anyone", 0)]),
            Step::Raw(0, b"ruok".to_vec()),
        ],
    )
}
