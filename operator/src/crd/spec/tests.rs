//! The CEL rules, run as the API server would run them.

use kube::core::cel::{validate_cel, validate_cel_update};

use super::*;
use crate::crd::{ClientTlsMode, IssuerRef, Listener, ListenerTls, ListenerType, PeerTlsMode};
use crate::fixtures::{ensemble, issuer, listener, tls};

#[track_caller]
fn check_create(change: impl FnOnce(&mut ZkEnsemble), expected: Option<&str>) {
    let mut object = ensemble(3);
    change(&mut object);
    check(
        validate_cel(&object).map_err(|errors| errors.to_string()),
        expected,
    );
}

#[track_caller]
fn check_update(change: impl FnOnce(&mut ZkEnsemble), expected: Option<&str>) {
    let mut old = ensemble(3);
    old.spec.voters.storage.storage_class_name = Some("fast".to_owned());
    let mut new = old.clone();
    change(&mut new);
    check(
        validate_cel_update(&new, &old).map_err(|errors| errors.to_string()),
        expected,
    );
}

#[track_caller]
fn check(found: Result<(), String>, expected: Option<&str>) {
    match (found, expected) {
        (Ok(()), None) => {}
        (Err(text), Some(part)) => assert!(text.contains(part), "{part:?} is not in {text:?}"),
        (found, expected) => panic!("expected {expected:?}, found {found:?}"),
    }
}

#[test]
fn creation_is_refused_with_what_to_do() {
    check_create(|_| {}, None);
    for replicas in [1, 5, 7] {
        check_create(|o| o.spec.voters.replicas = replicas, None);
    }
    for replicas in [-1, 0, 2, 4, 6, 8, 9] {
        check_create(
            |o| o.spec.voters.replicas = replicas,
            Some("must be 1, 3, 5 or 7"),
        );
    }
    check_create(|o| o.metadata.name = Some("a".repeat(30)), None);
    check_create(
        |o| o.metadata.name = Some("a".repeat(31)),
        Some("under a shorter name"),
    );
    check_create(
        |o| o.metadata.name = Some("1st".to_owned()),
        Some("must start with a letter"),
    );
    check_create(
        |o| o.metadata.name = Some("a.b".to_owned()),
        Some("must start with a letter"),
    );
    check_create(
        |o| o.spec.voters.storage.size = "big".to_owned(),
        Some("such as 10Gi"),
    );
    check_create(
        |o| o.spec.voters.storage.size = "0".to_owned(),
        Some("more than zero"),
    );
    check_create(|o| o.spec.voters.storage.size = "1.5Ti".to_owned(), None);
}

#[test]
fn settings_of_the_operator_are_refused() {
    let with = |key: &str, value: &str| {
        let (key, value) = (key.to_owned(), value.to_owned());
        move |object: &mut ZkEnsemble| drop(object.spec.config.insert(key, value))
    };
    check_create(with("maxClientCnxns", "200"), None);
    check_create(with("4lw.commands.whitelist", "*"), None);
    for key in OWNED_KEYS {
        check_create(with(key, "x"), Some("remove"));
    }
    for prefix in GIVEN_PREFIXES {
        check_create(with(&format!("{prefix}x"), "x"), None);
    }
    for prefix in OWNED_PREFIXES {
        check_create(with(&format!("{prefix}1"), "x"), Some("remove"));
    }
    check_create(
        with("a", "1\nserver.9=evil:1:1"),
        Some("remove the line breaks"),
    );
    check_create(with("a", "1\rb"), Some("remove the line breaks"));
}

#[test]
fn labels_by_which_the_operator_finds_pods_are_refused() {
    let with = |key: &str| {
        let key = key.to_owned();
        move |object: &mut ZkEnsemble| {
            let template = object.spec.voters.template.get_or_insert_default();
            template.labels.insert(key.clone(), "x".to_owned());
            template.annotations.insert(key, "x".to_owned());
        }
    };
    check_create(with("example.com/team"), None);
    for key in ["quorate.dev/role", "app.kubernetes.io/name"] {
        check_create(with(key), Some("use another prefix"));
    }
}

#[test]
fn update_is_refused_with_what_to_do() {
    check_update(|_| {}, None);
    check_update(
        |o| drop(o.spec.config.insert("tickTime".into(), "1000".into())),
        None,
    );
    check_update(|o| o.spec.image = Some("other".to_owned()), None);
    check_update(|o| o.spec.voters.replicas = 5, None);
    check_update(|o| o.spec.voters.replicas = 1, None);
    check_update(|o| o.spec.suspend = true, None);
    check_update(|o| o.spec.voters.replicas = 2, Some("must be 1, 3, 5 or 7"));
    let size =
        |size: &'static str| move |o: &mut ZkEnsemble| o.spec.voters.storage.size = size.to_owned();
    check_update(size("1024Mi"), None);
    check_update(size("512Mi"), Some("cannot shrink"));
    check_update(size("1023Mi"), Some("cannot shrink"));
    check_update(size("2Gi"), None);
    check_update(size("1Ti"), None);
    let class = |class: Option<&'static str>| {
        move |o: &mut ZkEnsemble| {
            o.spec.voters.storage.storage_class_name = class.map(str::to_owned);
        }
    };
    check_update(
        class(Some("slow")),
        Some("storageClassName cannot be changed"),
    );
    check_update(class(None), Some("storageClassName cannot be changed"));
}

#[test]
fn observers_that_cannot_be_are_refused() {
    let observers = |replicas: i32, zones: Vec<(&str, i32)>| {
        let zone = |(name, min_replicas): (&str, i32)| crate::crd::ObserverZone {
            name: name.to_owned(),
            min_replicas,
        };
        Some(Observers {
            replicas,
            zones: zones.into_iter().map(zone).collect(),
            resources: None,
            template: None,
            storage: None,
        })
    };
    let create = |observers: Option<Observers>, expected| {
        check_create(|object| object.spec.observers = observers, expected);
    };
    create(observers(6, vec![("eu-1a", 1), ("eu-1b", 1)]), None);
    create(observers(0, vec![("eu-1a", 0)]), None);
    create(observers(32, vec![("eu-1a", 0)]), Some("add a zone"));
    create(
        observers(3, vec![("eu-1a", 2), ("eu-1b", 2)]),
        Some("raise replicas or lower minReplicas"),
    );
    create(
        observers(3, vec![("EU_1a", 0)]),
        Some("only a-z, 0-9 and '-'"),
    );
    let long = "z".repeat(39);
    create(observers(3, vec![(&long, 0)]), Some("longer than 42"));
    let fits = "z".repeat(38);
    create(observers(3, vec![(&fits, 0)]), None);
    check_update(
        |object| object.spec.observers = observers(40, vec![("eu-1a", 0)]),
        Some("add a zone"),
    );
    let limited = |limit: &str| {
        let mut limited = observers(1, vec![("eu-1a", 0)]);
        let ephemeral = crate::crd::Ephemeral {
            size_limit: Some(Quantity(limit.to_owned())),
        };
        let storage = crate::crd::ObserverStorage { ephemeral };
        limited
            .iter_mut()
            .for_each(|o| o.storage = Some(storage.clone()));
        limited
    };
    create(limited("8Gi"), None);
    create(limited("much"), Some("write a number with a unit"));
}

#[test]
fn a_time_after_which_voters_are_replaced_is_more_than_a_restart() {
    let after = |text: &str| {
        let text = text.to_owned();
        move |object: &mut ZkEnsemble| object.spec.voters.replace_unavailable_after = Some(text)
    };
    for good in ["1m", "90s", "15m", "1h30m", "720h"] {
        check_create(after(good), None);
    }
    for bad in ["59s", "1s", "721h"] {
        check_create(after(bad), Some("from 1m to 720h"));
    }
}

#[test]
fn peers_that_no_policy_can_have_are_refused() {
    use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
    let with = |peer: serde_json::Value| {
        let peer: NetworkPolicyPeer = serde_json::from_value(peer).unwrap();
        move |object: &mut ZkEnsemble| {
            object.spec.network_policy = Some(NetworkAccess {
                enabled: true,
                client_from: vec![peer.clone()],
                metrics_from: vec![peer],
            });
        }
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    for good in [
        r#"{"namespaceSelector": {}}"#,
        r#"{"podSelector": {"matchLabels": {"app": "shop"}}}"#,
        r#"{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "shop"}}}"#,
        r#"{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}}"#,
        r#"{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}"#,
        r#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}"#,
        r#"{"ipBlock": {"cidr": "fd00::/8"}}"#,
    ] {
        check_create(with(json(good)), None);
    }
    for (bad, expected) in [
        (r#"{}"#, "a peer must say who"),
        (
            r#"{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}"#,
            "make it two peers",
        ),
        (
            r#"{"ipBlock": {"cidr": "10.0.0.0"}}"#,
            "write for example 10.0.0.0/8",
        ),
        (
            r#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}"#,
            "parts of ipBlock.cidr",
        ),
        (
            r#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}"#,
            "parts of ipBlock.cidr",
        ),
        (
            r#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["all"]}}"#,
            "parts of ipBlock.cidr",
        ),
        (
            r#"{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}"#,
            "must have values",
        ),
        (
            r#"{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}}"#,
            "must have values",
        ),
    ] {
        check_create(with(json(bad)), Some(expected));
    }
}

#[test]
fn tls_that_cannot_be_is_refused() {
    let create = |client, peer, secret: Option<&str>, expected| {
        check_create(|o| o.spec.tls = Some(tls(client, peer, secret)), expected);
    };
    use {ClientTlsMode as Client, PeerTlsMode as Peer};
    create(Client::Disabled, Peer::Disabled, None, None);
    create(Client::Allow, Peer::Require, None, None);
    create(
        Client::Require,
        Peer::Disabled,
        Some("from.cert-manager"),
        None,
    );
    create(Client::Disabled, Peer::Require, Some("given"), None);
    let without_effect = Some("have no effect while client.mode and peer.mode are Disabled");
    create(
        Client::Disabled,
        Peer::Disabled,
        Some("given"),
        without_effect,
    );
    for own in ["demo-tls", "demo-ca"] {
        create(
            Client::Allow,
            Peer::Disabled,
            Some(own),
            Some("another name"),
        );
    }
    for bad in ["Given", "-given", "a/b"] {
        let expected = Some("only a-z, 0-9, '-' and '.'");
        create(Client::Allow, Peer::Disabled, Some(bad), expected);
    }
}

#[test]
fn tls_between_servers_stays_as_it_began() {
    use {ClientTlsMode as Client, PeerTlsMode as Peer};
    let update = |old: Option<Tls>, new: Option<Tls>, expected| {
        let object = |tls| {
            let mut object = ensemble(3);
            object.spec.tls = tls;
            object
        };
        let found = validate_cel_update(&object(new), &object(old));
        check(found.map_err(|errors| errors.to_string()), expected);
    };
    let with = |client, peer, secret: Option<&str>| Some(tls(client, peer, secret));
    let allow = || with(Client::Allow, Peer::Disabled, None);
    update(None, allow(), None);
    update(
        allow(),
        with(Client::Require, Peer::Disabled, Some("given")),
        None,
    );
    update(allow(), None, None);
    let peers = || with(Client::Disabled, Peer::Require, None);
    update(peers(), with(Client::Require, Peer::Require, None), None);
    let fixed = Some("tls.peer.mode cannot be changed");
    update(None, peers(), fixed);
    update(peers(), None, fixed);
    update(peers(), allow(), fixed);
    let given = |secret| with(Client::Disabled, Peer::Require, Some(secret));
    let kept =
        Some("tls.secretName and tls.issuerRef cannot be changed while peer.mode is Require");
    update(given("a"), given("a"), None);
    update(given("a"), given("b"), kept);
    update(peers(), given("a"), kept);
    update(given("a"), peers(), kept);
    let signed = |name: &str| {
        peers().map(|tls| Tls {
            issuer_ref: Some(named_issuer(name)),
            ..tls
        })
    };
    update(signed("a"), signed("a"), None);
    update(signed("a"), signed("b"), kept);
    update(signed("a"), peers(), kept);
    update(given("a"), signed("a"), kept);
}

fn named_issuer(name: &str) -> IssuerRef {
    IssuerRef {
        name: name.to_owned(),
        ..issuer()
    }
}

#[test]
fn issuers_that_nothing_comes_of_are_refused() {
    let with = |client, secret, issuer: Option<IssuerRef>| {
        let tls = tls(client, PeerTlsMode::Disabled, secret);
        move |object: &mut ZkEnsemble| {
            object.spec.tls = Some(Tls {
                issuer_ref: issuer,
                ..tls
            })
        }
    };
    let (on, off) = (ClientTlsMode::Allow, ClientTlsMode::Disabled);
    check_create(with(on, None, Some(issuer())), None);
    check_create(with(off, None, Some(issuer())), Some("have no effect"));
    check_create(
        with(on, Some("a"), Some(issuer())),
        Some("remove the other"),
    );
    for name in ["-a", "A", "a/b"] {
        check_create(
            with(on, None, Some(named_issuer(name))),
            Some("name of an issuer"),
        );
    }
    check_create(
        with(on, Some("demo-tls-issued"), None),
        Some("the operator uses itself"),
    );
}

#[test]
fn listeners_that_nothing_comes_of_are_refused() {
    let with = |change: fn(&mut Listener), client: Option<ClientTlsMode>| {
        move |object: &mut ZkEnsemble| {
            let mut one = listener();
            change(&mut one);
            object.spec.listeners = vec![one];
            object.spec.tls = client.map(|mode| tls(mode, PeerTlsMode::Disabled, None));
        }
    };
    check_create(with(|_| {}, None), None);
    for name in ["1st", "Edge", "a-"] {
        let change = move |object: &mut ZkEnsemble| {
            object.spec.listeners = vec![Listener {
                name: name.to_owned(),
                ..listener()
            }];
        };
        check_create(change, Some("like 'edge'"));
    }
    let closed: fn(&mut Listener) = |one| one.tls = ListenerTls::Require;
    check_create(with(closed, Some(ClientTlsMode::Require)), None);
    check_create(
        with(closed, Some(ClientTlsMode::Disabled)),
        Some("have no port"),
    );
    check_create(with(closed, None), Some("have no port"));
    let ranges: fn(&mut Listener) = |one| one.source_ranges.push("10.0.0.0/8".to_owned());
    check_create(with(ranges, None), Some("LoadBalancer only"));
    let balanced: fn(&mut Listener) = |one| {
        one.kind = ListenerType::LoadBalancer;
        one.source_ranges.push("10.0.0.0/8".to_owned());
        one.host_names = vec!["zk.example.com".to_owned(), "*.zk.example.com".to_owned()];
    };
    check_create(with(balanced, None), None);
    let unreadable: fn(&mut Listener) = |one| {
        one.kind = ListenerType::LoadBalancer;
        one.source_ranges.push("ten".to_owned());
    };
    check_create(with(unreadable, None), Some("ranges of addresses"));
    let no_host: fn(&mut Listener) = |one| one.host_names.push("zk_1.example.com".to_owned());
    check_create(with(no_host, None), Some("hostNames must be DNS names"));
}

#[test]
fn windows_that_are_none_are_refused() {
    use crate::crd::{Day, Updates, Window};
    let with = |start: &str, duration: &str| {
        let window = Window {
            days: vec![Day::Monday],
            start: start.to_owned(),
            duration: duration.to_owned(),
        };
        move |object: &mut ZkEnsemble| {
            object.spec.updates = Some(Updates {
                paused: false,
                windows: vec![window],
            });
        }
    };
    for (start, duration) in [("00:00", "10m"), ("23:59", "24h"), ("02:30", "1h30m")] {
        check_create(with(start, duration), None);
    }
    for start in ["24:00", "2:30", "02:60", "night"] {
        check_create(with(start, "1h"), Some("from 00:00 to 23:59 UTC"));
    }
    for duration in ["9m", "25h", "30s"] {
        check_create(with("02:30", duration), Some("from 10m to 24h"));
    }
}
