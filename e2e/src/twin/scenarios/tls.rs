//! TLS on the port of plain clients, and identities from certificates.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{OPEN, auth, close, create, get, get_acl, make, set, set_acl, who_am_i};
use crate::twin::script::{Hello, Place, Session, Step, hello, open, open_at, renew, send};
use crate::twin::tls;

const ALICE: &str = r"CN=alice,OU=Dev,O=Acme\, Inc,C=US";

/// Servers that ask for certificates, and insist on them.
pub(super) fn setups() -> Vec<Setup> {
    let key = format!("ssl.keyStore.location={}", tls::file("server").display());
    let trust = format!(
        "ssl.trustStore.location={}",
        tls::file("authority").display()
    );
    let shared = [
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        "client.portUnification=true",
        "authProvider.1=org.apache.zookeeper.server.auth.X509AuthenticationProvider",
        "X509AuthenticationProvider.superUser=CN=chief",
        key.as_str(),
        trust.as_str(),
    ];
    let with = |more: &'static str| [shared.as_slice(), &[more]].concat();
    vec![
        setup("certificates", 1, &with("ssl.clientAuth=want"), &[])
            .with([identities(Place::Leader)]),
        setup(
            "certificates at three",
            3,
            &with("ssl.clientAuth=want"),
            &[],
        )
        .with([identities(Place::Follower)]),
        setup(
            "certificates demanded",
            1,
            &with("ssl.clientAuth=need"),
            &[],
        )
        .with([demanded()]),
    ]
}

fn shows(name: &'static str) -> Hello {
    Hello {
        tls: Some(name),
        ..Hello::default()
    }
}

fn again(name: &'static str, of: u8) -> Hello {
    Hello {
        session: Session::Of(of),
        ..shows(name)
    }
}

fn identities(at: Place) -> Scenario {
    let alices = format!("31 x509:{ALICE}");
    scenario(
        "who a certificate is",
        lines![
            open_at(0, at),
            hello(1, at, shows("alice")),
            hello(2, at, shows("")),
            hello(3, at, shows("chief")),
            send(0, [who_am_i(), make("@", b"", 0)]),
            send(1, [who_am_i(), create("@/a", b"", "31 auth:", 0)]),
            send(1, [create("@/b", b"", alices.as_str(), 0), get_acl("@/b")]),
            send(1, [get_acl("@/a"), get("@/a", false)]),
            send(2, [who_am_i(), get("@/a", false), get_acl("@/a")]),
            send(
                0,
                [get("@/b", false), create("@/c", b"", alices.as_str(), 0)]
            ),
            send(1, [get("@/c", false), set_acl("@/c", OPEN, -1)]),
            send(
                0,
                [
                    get("@/c", false),
                    create("@/d", b"", "31 x509:nonsense", 0),
                    create("@/d", b"", "31 x509:", 0),
                    create("@/d", b"", "31 x509:CN=a,O=", 0),
                    create("@/e", b"", "31 x509:cn=alice , ou=Dev", 0),
                    create("@/f", b"", "31 x509:CN=chief", 0),
                ]
            ),
            send(3, [who_am_i(), set("@/b", b"x", -1), get_acl("@/b")]),
            send(3, [create("@/g", b"", "31 auth:", 0), get_acl("@/g")]),
            // It may be asked for again where there is one.
            Step::Send(1, vec![auth("x509", b"")]),
            send(1, [who_am_i()]),
            Step::Send(2, vec![auth("x509", b"")]),
            Step::Send(0, vec![auth("x509", b"")]),
            // Another connection of the session is another client.
            renew(0, at, 1),
            send(0, [who_am_i(), get("@/a", false)]),
            hello(1, at, again("alice", 0)),
            send(1, [who_am_i(), get("@/a", false), close()]),
            // Nobody whom the authority does not know.
            hello(4, at, shows("stranger")),
            Step::Word(at, b"ruok".to_vec()),
        ],
    )
}

fn demanded() -> Scenario {
    let at = Place::Leader;
    scenario(
        "nobody without a certificate, but plain clients",
        lines![
            hello(1, at, shows("alice")),
            hello(2, at, shows("")),
            hello(3, at, shows("stranger")),
            open(0),
            send(0, [make("@", b"", 0), who_am_i()]),
            send(1, [get("@", false), who_am_i(), close()]),
        ],
    )
}
