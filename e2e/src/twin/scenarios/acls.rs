//! ACLs, their schemes, credentials, and who may see which hash.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{
    OPEN, auth, children, close, create, delete, exists, get, get_acl, make, multi, ping, set,
    set_acl, who_am_i,
};
use crate::twin::script::{Place, Step, open, open_at, renew, send};

const U: &str = "31 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        entries(),
        identities(),
        permissions(),
        redaction(),
        failed_auth(),
    ]
}

/// Further configurations.
pub(super) fn setups() -> Vec<Setup> {
    let super_digest =
        "DigestAuthenticationProvider.superDigest=super:0bX78nEegDzJM3ju0iLBEJdWzjg=";
    let hash = ["DigestAuthenticationProvider.digestAlg=SHA-256"];
    let no_digests = ["DigestAuthenticationProvider.enabled=false"];
    let named = [
        "authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
        "ensembleAuthName=ours,theirs",
    ];
    let enforced = ["enforce.auth.enabled=true", "enforce.auth.schemes=digest"];
    vec![
        setup("super", 1, &[super_digest], &[]).with([superuser()]),
        setup("no ACLs", 1, &["skipACL=yes"], &[]).with([skipped()]),
        setup("enforced", 1, &enforced, &[]).with([enforcing()]),
        setup("another hash", 1, &hash, &[]).with([other_hash()]),
        setup("no digests", 1, &no_digests, &[]).with([without_digests()]),
        setup("named", 1, &named, &[]).with([ensemble_name()]),
        setup("eager", 1, &["enableEagerACLCheck=true"], &[]).with([eager()]),
        setup("eager three", 3, &["enableEagerACLCheck=true"], &[]).with([eager()]),
    ]
}

/// ACLs, right and wrong.
const ENTRIES: [&str; 60] = [
    "31 world:anyone",
    "0 world:anyone",
    "-1 world:anyone",
    "64 world:anyone",
    "31 world:someone",
    "31 world:",
    "31 world:~",
    "31 ~:anyone",
    "31 :anyone",
    "31 auth:",
    "31 auth:~",
    "31 auth:x",
    "31 super:",
    "31 super:x",
    "31 digest:a:b",
    "31 digest::b",
    "31 digest:a:",
    "31 digest:a",
    "31 digest:a:b:c",
    "31 digest::",
    "31 digest:",
    "31 digest:~",
    "31 digest:a:b::",
    "31 ip:1.2.3.4",
    "31 ip:1.2.3.4/24",
    "31 ip:1.2.3.4/0",
    "31 ip:1.2.3.4/32",
    "31 ip:1.2.3.4/33",
    "31 ip:1.2.3.4/-1",
    "31 ip:1.2.3.4/",
    "31 ip:1.2.3.4/x",
    "31 ip:/24",
    "31 ip:1.2.3",
    "31 ip:1.2.3.256",
    "31 ip:1.2.3.4.5",
    "31 ip:01.2.3.4",
    "31 ip:localhost",
    "31 ip:",
    "31 ip:~",
    "31 ip:::1",
    "31 ip:::1/128",
    "31 ip:::1/129",
    "31 ip:::1/0",
    "31 ip:1:2:3:4:5:6:7:8",
    "31 ip:1::2::3",
    "31 ip:::ffff:1.2.3.4",
    "31 ip:fe80::1%eth0",
    "31 ip:12345::",
    "31 ip:1:2:3:4:5:6:7",
    "31 ip:::",
    "31 ip:1.2.3.4/24/8",
    "31 x509:CN=a",
    "31 sasl:bob",
    "31 nobody:x",
    "1 world:anyone; 2 world:anyone",
    "31 world:anyone; 31 world:anyone",
    "31 ip:1.2.3.4; 31 world:anyone; 31 ip:1.2.3.4; 1 ip:1.2.3.4",
    "31 world:anyone; 31 digest:a",
    "31 digest:a; 31 world:~",
    "31 world:~; 31 digest:a",
];

fn entries() -> Scenario {
    let mut lines = lines![open(0), send(0, [make("@", b"", 0)])];
    for acl in ENTRIES {
        lines.push(
            send(
                0,
                [
                    create("@/a", b"", acl, 0),
                    get_acl("@/a"),
                    delete("@/a", -1),
                ],
            )
            .into(),
        );
    }
    scenario("entries of ACLs", lines)
}

fn identities() -> Scenario {
    scenario(
        "identities of a connection",
        lines![
            open(0),
            send(0, [who_am_i()]),
            send(0, [auth("digest", b"u:p")]),
            send(0, [auth("digest", b"u:p")]),
            send(0, [auth("digest", b"v:q").xid(9)]),
            send(0, [auth("ip", b"ignored")]),
            send(0, [auth("digest", b"nocolon")]),
            send(0, [auth("digest", b"")]),
            send(0, [auth("digest", b"a:b:c")]),
            send(0, [who_am_i()]),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/a", b"", "31 auth:", 0),
                    create("@/b", b"", "1 world:anyone; 5 auth:x; 2 digest:z:z", 0),
                    get_acl("@/a"),
                    get_acl("@/b"),
                ]
            ),
            Step::Drop(0),
            renew(0, Place::Leader, 0),
            send(0, [who_am_i(), get("@/a", false), get_acl("@/a")]),
            send(0, [auth("digest", b"u:p")]),
            send(0, [who_am_i(), get("@/a", false), get_acl("@/a")]),
        ],
    )
}

fn permissions() -> Scenario {
    let mut lines = lines![
        open(0),
        open_at(1, Place::Follower),
        send(1, [auth("digest", b"u:p")]),
        send(1, [make("@", b"", 0)]),
    ];
    for perms in [0, 1, 2, 4, 8, 16, 30, 29, 27, 23, 15, 31] {
        let acl = format!("{perms} ip:127.0.0.0/8; 31 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
        lines.push(
            send(
                1,
                [
                    create("@/n", b"", acl.as_str(), 0),
                    make("@/n/c", b"", 0),
                    get_acl("@/n"),
                ],
            )
            .into(),
        );
        lines.push(
            send(
                0,
                [
                    exists("@/n", false),
                    get("@/n", false),
                    children("@/n", false),
                    set("@/n", b"", -1),
                    make("@/n/x", b"", 0),
                    delete("@/n/x", -1),
                    delete("@/n/c", -1),
                    get_acl("@/n"),
                    set_acl("@/n", acl.as_str(), -1),
                    multi(vec![make("@/n/y", b"", 0), delete("@/n/y", -1)]),
                ],
            )
            .into(),
        );
        lines.push(
            send(
                1,
                [delete("@/n/c", -1), delete("@/n/x", -1), delete("@/n", -1)],
            )
            .into(),
        );
    }
    lines.push(
        send(
            0,
            [
                create("@/i", b"", "31 ip:127.0.0.1", 0),
                create("@/j", b"", "31 ip:127.255.255.255/8", 0),
                create("@/k", b"", "31 ip:128.0.0.0/8", 0),
                create("@/l", b"", "31 ip:0.0.0.0/0", 0),
                create("@/m", b"", "31 ip:::/0", 0),
                get("@/i", false),
                get("@/j", false),
                get("@/k", false),
                get("@/l", false),
                get("@/m", false),
            ],
        )
        .into(),
    );
    scenario("permissions", lines)
}

fn redaction() -> Scenario {
    scenario(
        "hashes are for whoever may administer",
        lines![
            open(0),
            open(1),
            send(0, [auth("digest", b"u:p")]),
            send(
                0,
                [
                    make("@", b"", 0),
                    create(
                        "@/a",
                        b"",
                        "1 world:anyone; 31 auth:; 3 digest::h; 3 digest:x:y; 1 ip:1.2.3.4",
                        0
                    ),
                    create("@/b", b"", "17 world:anyone; 31 auth:", 0),
                    create("@/c", b"", "16 world:anyone; 31 auth:", 0),
                    create("@/d", b"", U, 0),
                    get_acl("@/a"),
                ]
            ),
            send(
                1,
                [
                    get_acl("@/a"),
                    get_acl("@/b"),
                    get_acl("@/c"),
                    get_acl("@/d")
                ]
            ),
        ],
    )
}

fn failed_auth() -> Scenario {
    scenario(
        "auth that fails closes the connection, not the session",
        lines![
            open(0),
            open(1),
            send(0, [make("@", b"", 0), make("@/e", b"", 1)]),
            send(
                0,
                [auth("nobody", b"x"), get("@", false), set("@", b"", -1)]
            ),
            send(1, [exists("@/e", false)]),
            renew(0, Place::Leader, 0),
            send(0, [get("@/e", false), close()]),
        ],
    )
}

fn superuser() -> Scenario {
    scenario(
        "super passes every check",
        lines![
            open(0),
            open(1),
            send(0, [auth("digest", b"super:pw")]),
            send(0, [who_am_i()]),
            send(1, [auth("digest", b"super:wrong")]),
            send(
                1,
                [
                    who_am_i(),
                    make("@", b"", 0),
                    create("@/n", b"", "0 world:anyone; 31 digest:x:y", 0),
                    get("@/n", false),
                    get_acl("@/n"),
                    create("@/s", b"", "31 super:", 0),
                ]
            ),
            send(
                0,
                [
                    get("@/n", false),
                    get_acl("@/n"),
                    set("@/n", b"x", -1),
                    make("@/n/c", b"", 0),
                    delete("@/n/c", -1),
                    create("@/a", b"", "31 auth:", 0),
                    get_acl("@/a"),
                    set_acl("@/n", OPEN, -1),
                    set("/zookeeper/config", b"x", -1),
                    get("/zookeeper/config", false),
                    set("/zookeeper/config", b"", -1),
                ]
            ),
        ],
    )
}

fn skipped() -> Scenario {
    scenario(
        "nothing is checked",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/n", b"", "0 world:anyone; 31 digest:x:y", 0),
                    get("@/n", true),
                    get_acl("@/n"),
                    set("@/n", b"x", -1),
                    make("@/n/c", b"", 0),
                    create("@/bad", b"", "", 0),
                    create("@/bad", b"", "31 nobody:x", 0),
                    create("@/auth", b"", "31 auth:", 0),
                    set_acl("@/n", "1 world:anyone", -1),
                    delete("@/n/c", -1),
                ]
            ),
        ],
    )
}

fn enforcing() -> Scenario {
    scenario(
        "nothing is served without the wanted identity",
        lines![
            open(0),
            send(0, [auth("digest", b"u:p")]),
            send(0, [make("@", b"", 0), get("@", false)]),
            Step::Open(1, Place::Leader, crate::twin::script::Hello::default()),
            Step::Raw(1, vec![0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]),
            open(2),
            Step::Raw(
                2,
                vec![0, 0, 0, 14, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 1, b'/', 0]
            ),
            open(3),
            Step::Raw(3, vec![0, 0, 0, 8, 0, 0, 0, 7, 255, 255, 255, 245]),
            send(0, [get("@", false), ping()]),
        ],
    )
}

fn other_hash() -> Scenario {
    scenario(
        "identities with another hash",
        lines![
            open(0),
            open(1),
            send(0, [auth("digest", b"u:p")]),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/a", b"", "31 auth:", 0),
                    create("@/b", b"", U, 0),
                    get_acl("@/a"),
                    get("@/b", false),
                    who_am_i()
                ]
            ),
            send(1, [auth("digest", b"u:p")]),
            send(1, [get("@/a", false), get_acl("@/a"), get_acl("@/b")]),
        ],
    )
}

fn without_digests() -> Scenario {
    scenario(
        "the scheme digest is off",
        lines![
            open(0),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/a", b"", U, 0),
                    create("@/a", b"", "31 auth:", 0),
                    create("@/a", b"", "31 ip:127.0.0.1", 0),
                    get_acl("@/a")
                ]
            ),
            send(0, [auth("ip", b"")]),
            // Nothing is cut off; but it closes the connection, as one that is cut off may.
            send(0, [auth("digest", b"u:p").cut(99)]),
            renew(0, Place::Leader, 0),
            send(0, [who_am_i(), close()]),
        ],
    )
}

fn ensemble_name() -> Scenario {
    let named = |conn, name: &str| Step::Send(conn, vec![auth("ensemble", name)]);
    scenario(
        "the name of the ensemble",
        lines![
            open(0),
            named(0, "ours"),
            named(0, "theirs"),
            named(0, ""),
            send(
                0,
                [
                    make("@", b"", 0),
                    create("@/a", b"", "31 ensemble:ours", 0),
                    create("@/b", b"", "31 auth:", 0),
                    who_am_i()
                ]
            ),
            named(0, "others"),
            renew(0, Place::Leader, 0),
            send(0, [get("@", false), who_am_i(), close()]),
        ],
    )
}

fn eager() -> Scenario {
    scenario(
        "refused before it is proposed",
        lines![
            open(0),
            open_at(1, Place::Follower),
            send(
                0,
                [make("@", b"", 0), create("@/n", b"", "1 world:anyone", 0)]
            ),
            send(0, [set("@/n", b"", -1)]),
            send(0, [make("@/n/x", b"", 0)]),
            send(1, [set("@/n", b"", 7)]),
            send(1, [set_acl("@/n", OPEN, -1)]),
            send(1, [delete("@/n/x", -1)]),
            send(1, [create("@/m", b"", "31 nobody:x", 0)]),
            send(1, [set_acl("@/n", "", -1)]),
            send(0, [create("@/m", b"", "", 0)]),
            send(
                1,
                [
                    set("@/no", b"", -1),
                    make("foo", b"", 0),
                    make("@/ok", b"", 0)
                ]
            ),
            send(0, [multi(vec![set("@/n", b"", -1)])]),
        ],
    )
}
