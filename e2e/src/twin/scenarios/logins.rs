//! SASL with DIGEST-MD5.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{auth, create, get, get_acl, make, sasl, who_am_i};
use crate::twin::script::{Login, Place, Step, open, open_at, renew, send};

/// The users that both servers know.
const JAAS: &str = concat!(
    "java.security.auth.login.config=",
    env!("CARGO_MANIFEST_DIR"),
    "/src/twin/scenarios/jaas.conf"
);

const PROVIDER: &str = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";

/// With and without a demand for it.
pub(super) fn setups() -> Vec<Setup> {
    let properties = [JAAS, "zookeeper.fips-mode=false"];
    let demanded = [PROVIDER, "sessionRequireClientSASLAuth=true"];
    let names = [
        PROVIDER,
        "superUser.1=bob",
        "letAnySaslUserDoX=anybody",
        "SASLAuthenticationProvider.superPassword=another",
    ];
    let allowed = [PROVIDER, "allowSaslFailedClients=true"];
    vec![
        setup("SASL", 1, &[PROVIDER], &properties).with([good(), bad(), acls()]),
        setup("SASL at three", 3, &[PROVIDER], &properties).with([good()]),
        setup("SASL demanded", 1, &demanded, &properties).with([demand()]),
        setup("SASL names", 1, &names, &properties).with([special()]),
        setup("SASL may fail", 1, &allowed, &properties).with([failing()]),
    ]
}

fn login(conn: u8, user: &str, password: &str) -> Step {
    Step::Login(conn, Login::of(user, password))
}

fn good() -> Scenario {
    scenario(
        "a negotiation that succeeds",
        lines![
            open_at(0, Place::Follower),
            send(0, [who_am_i(), make("@", b"", 0)]),
            login(0, "bob", "bobsecret"),
            send(
                0,
                [
                    who_am_i(),
                    create("@/mine", b"", "31 auth:", 0),
                    get_acl("@/mine")
                ]
            ),
            // Once is enough.
            send(0, [sasl(b"")]),
            renew(0, Place::Leader, 0),
            send(0, [who_am_i(), get("@/mine", false)]),
            login(0, "bob", "bobsecret"),
            send(0, [get("@/mine", false)]),
        ],
    )
}

fn bad() -> Scenario {
    let wrong_realm = Login {
        realm: Some("elsewhere".to_owned()),
        ..Login::of("bob", "bobsecret")
    };
    let no_realm = Login {
        realm: Some(String::new()),
        ..Login::of("bob", "bobsecret")
    };
    let wrong_service = Login {
        uri: Some("zookeeper/elsewhere".to_owned()),
        ..Login::of("bob", "bobsecret")
    };
    scenario(
        "negotiations that fail",
        lines![
            open(0),
            login(0, "bob", "wrong"),
            renew(0, Place::Leader, 0),
            login(0, "nobody", "bobsecret"),
            renew(0, Place::Leader, 0),
            Step::Login(0, wrong_realm),
            renew(0, Place::Leader, 0),
            Step::Login(0, no_realm),
            renew(0, Place::Leader, 0),
            Step::Login(0, wrong_service),
            renew(0, Place::Leader, 0),
            send(0, [sasl(())]),
            renew(0, Place::Leader, 0),
            send(0, [auth("sasl", b"bob")]),
        ],
    )
}

fn acls() -> Scenario {
    let mut lines = lines![open(0), open(1), login(0, "bob", "bobsecret")];
    lines.push(send(0, [make("@", b"", 0)]).into());
    for acl in [
        "31 sasl:bob",
        "31 sasl:bob/host",
        "31 sasl:bob@REALM",
        "31 sasl:bob/host@REALM",
        "31 sasl:",
        "31 sasl:~",
        "31 sasl:a@b@c",
        "31 sasl:a/b/c@d",
        "31 sasl:@",
        "31 sasl:super",
        "31 sasl:alice",
    ] {
        lines.push(
            send(
                1,
                [
                    create("@/n", b"", acl, 2),
                    get_acl("@/n0000000000"),
                    who_am_i(),
                ],
            )
            .into(),
        );
    }
    lines.push(
        send(
            0,
            [get("@/n0000000000", false), get("@/n0000000001", false)],
        )
        .into(),
    );
    lines.push(
        send(
            1,
            [get("@/n0000000000", false), get("@/n0000000009", false)],
        )
        .into(),
    );
    lines.push(login(1, "super", "adminsecret").into());
    lines.push(send(1, [who_am_i(), get("@/n0000000000", false)]).into());
    scenario("ACLs with names", lines)
}

fn special() -> Scenario {
    scenario(
        "names that mean more",
        lines![
            open(0),
            open(1),
            open(2),
            send(2, [make("@", b"", 0)]),
            send(2, [create("@/any", b"", "31 sasl:anybody", 0)]),
            send(2, [create("@/mine", b"", "31 sasl:alice", 0)]),
            send(2, [get("@/any", false), get("@/mine", false)]),
            login(0, "bob", "bobsecret"),
            send(0, [who_am_i(), get("@/any", false), get("@/mine", false)]),
            send(0, [create("@/a", b"", "31 auth:", 0), get_acl("@/a")]),
            login(1, "super", "another"),
            send(1, [who_am_i(), get("@/any", false), get("@/mine", false)]),
            send(1, [create("@/b", b"", "31 auth:", 0), get_acl("@/b")]),
            login(2, "super", "adminsecret"),
        ],
    )
}

fn demand() -> Scenario {
    scenario(
        "nothing without a negotiation",
        lines![
            open(0),
            login(0, "bob", "bobsecret"),
            send(0, [make("@", b"", 0), get("@", false)]),
            open(1),
            Step::Raw(1, vec![0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]),
            open(1),
            login(1, "bob", "wrong"),
        ],
    )
}

fn failing() -> Scenario {
    scenario(
        "a failure is only told",
        lines![
            open(0),
            login(0, "bob", "wrong"),
            send(0, [who_am_i(), make("@", b"", 0)]),
            open(1),
            login(1, "bob", "bobsecret"),
            send(1, [who_am_i()]),
        ],
    )
}
