//! When something is made, that what is made is good, and what is said about it.

use std::collections::BTreeSet;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::decide::{self, renewal};
use super::secrets::{Secrets, make};
use super::*;
use crate::crd::Listener;
use crate::ensemble::plan::{Truth, Verdict};
use crate::fixtures::{issuer, listener, now, seconds_ago, valid_with_tls};

const DAY_S: i64 = 86_400;

fn in_days(days: i64) -> Timestamp {
    seconds_ago(-days * DAY_S)
}

/// The Secrets after the operator had all the time that it wanted, beginning with these.
fn settled(of: &ValidatedEnsemble, mut secrets: Secrets, at: Timestamp) -> (Secrets, Vec<Due>) {
    let mut steps = Vec::new();
    while let Some(due) = due(of, Some(&secrets.certificates()), at) {
        let made = make(of, &secrets, due, at).unwrap();
        match due {
            Due::Authority(_) => secrets.authority = Some(made),
            Due::Trust | Due::Certificate(_) => secrets.leaf = Some(made),
            Due::Request => panic!("nobody is to be asked"),
        }
        steps.push(due);
        assert!(steps.len() < 8, "{steps:?}");
    }
    (secrets, steps)
}

fn fresh(of: &ValidatedEnsemble) -> Secrets {
    let none = Secrets {
        authority: None,
        leaf: None,
    };
    settled(of, none, now()).0
}

fn leaf_of(secrets: &Secrets) -> Leaf {
    let seen = secrets.certificates().leaf;
    let Seen::Usable(leaf) = seen else {
        panic!("{seen:?}");
    };
    leaf
}

fn bytes<'a>(secret: Option<&'a Secret>, name: &str) -> &'a [u8] {
    &secret.unwrap().data.as_ref().unwrap()[name].0
}

fn verdict_of(of: &ValidatedEnsemble, seen: &Certificates, at: Timestamp) -> Verdict {
    verdict(of, Some(seen), at).unwrap()
}

/// The Secret of the servers as somebody else would keep it.
fn given(leaf: Option<&Secret>) -> Certificates {
    Certificates::given(leaf)
}

#[test]
fn what_is_made_is_good_and_asks_for_nothing_more() {
    let ensemble = valid_with_tls(None);
    let none = Secrets {
        authority: None,
        leaf: None,
    };
    let (secrets, steps) = settled(&ensemble, none, now());
    assert_eq!(
        steps,
        [
            Due::Authority(Cause::Missing),
            Due::Certificate(Cause::Missing)
        ]
    );
    let leaf = leaf_of(&secrets);
    assert!(leaf.signed && leaf.trusted);
    assert_eq!(leaf.authorities, 1);
    assert_eq!(leaf.certificate.names, names::wanted(&ensemble));
    assert_eq!(leaf.certificate.not_after, in_days(90));
    let Seen::Usable(authority) = secrets.certificates().authority else {
        panic!("no authority");
    };
    assert_eq!(authority.certificate.not_after, in_days(3650));
    // The servers never see the key of the authority.
    let key = bytes(secrets.authority.as_ref(), KEY);
    for (name, value) in secrets.leaf.as_ref().unwrap().data.as_ref().unwrap() {
        assert_ne!(value.0, key, "{name}");
    }
    assert_eq!(
        bytes(secrets.leaf.as_ref(), AUTHORITIES),
        bytes(secrets.authority.as_ref(), CERTIFICATE)
    );
    let owner = &secrets.leaf.as_ref().unwrap().metadata.owner_references;
    assert_eq!(owner.as_ref().unwrap()[0].uid, "uid-of-demo");
}

#[test]
fn certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
    let ensemble = valid_with_tls(None);
    let secrets = fresh(&ensemble);
    let seen = secrets.certificates();
    let at = renewal(&leaf_of(&secrets).certificate);
    let just_before = Timestamp::from_second(at.as_second() - 1).unwrap();
    assert_eq!(due(&ensemble, Some(&seen), just_before), None);
    assert_eq!(
        due(&ensemble, Some(&seen), at),
        Some(Due::Certificate(Cause::Ageing))
    );
    assert!((in_days(59)..in_days(61)).contains(&at), "{at}");
    let (renewed, steps) = settled(&ensemble, secrets, at);
    assert_eq!(steps, [Due::Certificate(Cause::Ageing)]);
    assert!(leaf_of(&renewed).certificate.not_after > in_days(149));
    let mut suspended = ensemble.clone();
    suspended.suspend = true;
    assert_eq!(due(&suspended, Some(&seen), at), None);
}

#[test]
fn damage_and_new_names_lead_to_a_new_certificate() {
    let ensemble = valid_with_tls(None);
    let broken = |name: &str, with: Option<&[u8]>| {
        let mut secrets = fresh(&ensemble);
        let data = secrets.leaf.as_mut().unwrap().data.as_mut().unwrap();
        match with {
            Some(with) => drop(data.insert(name.to_owned(), ByteString(with.to_vec()))),
            None => drop(data.remove(name)),
        }
        settled(&ensemble, secrets, now()).1
    };
    let unusable = [Due::Certificate(Cause::Unusable)];
    assert_eq!(broken(CERTIFICATE, None), unusable);
    assert_eq!(broken(CERTIFICATE, Some(b"no PEM")), unusable);
    assert_eq!(broken(KEY, Some(b"")), unusable);
    let other = fresh(&ensemble);
    assert_eq!(broken(KEY, Some(bytes(other.leaf.as_ref(), KEY))), unusable);
    assert_eq!(broken(AUTHORITIES, None), [Due::Trust]);
    let seen = fresh(&ensemble).certificates();
    let more = BTreeSet::from(["another.name".to_owned()]);
    assert_eq!(
        decide::due(&seen, &more, now()),
        Some(Due::Certificate(Cause::Names))
    );
    let fewer = BTreeSet::from(["localhost".to_owned()]);
    assert_eq!(decide::due(&seen, &fewer, now()), None);
}

/// Strimzi 1372, 3913: an authority was replaced, and who had heard of it and who had not no longer
/// trusted each other.
#[test]
fn new_authority_is_trusted_before_it_signs() {
    let ensemble = valid_with_tls(None);
    let mut secrets = fresh(&ensemble);
    let old = bytes(secrets.authority.as_ref(), CERTIFICATE).to_vec();
    let shown = bytes(secrets.leaf.as_ref(), CERTIFICATE).to_vec();
    secrets.authority = None;
    let (secrets, steps) = settled(&ensemble, secrets, now());
    assert_eq!(steps, [Due::Authority(Cause::Missing), Due::Trust]);
    assert_eq!(bytes(secrets.leaf.as_ref(), CERTIFICATE), shown);
    let leaf = leaf_of(&secrets);
    assert!(leaf.trusted && !leaf.signed);
    assert_eq!(leaf.authorities, 2);
    let soon = seconds_ago(-299);
    assert_eq!(due(&ensemble, Some(&secrets.certificates()), soon), None);
    let (secrets, steps) = settled(&ensemble, secrets, seconds_ago(-300));
    assert_eq!(steps, [Due::Certificate(Cause::Authority)]);
    let bundle = bytes(secrets.leaf.as_ref(), AUTHORITIES);
    assert!(bundle.ends_with(&old), "servers may still show the old one");
    // With the next renewal nobody needs the old one any more.
    let (secrets, _) = settled(&ensemble, secrets, in_days(61));
    assert_eq!(leaf_of(&secrets).authorities, 1);
}

#[test]
fn authority_ages_too_and_no_certificate_outlives_it() {
    let ensemble = valid_with_tls(None);
    let (secrets, steps) = settled(&ensemble, fresh(&ensemble), in_days(2434));
    assert_eq!(
        steps,
        [
            Due::Authority(Cause::Ageing),
            Due::Certificate(Cause::Ended)
        ]
    );
    assert!(leaf_of(&secrets).signed);
    let pair = |life_s: i64| {
        let authority = fresh(&ensemble).authority.unwrap();
        let key = std::str::from_utf8(bytes(Some(&authority), KEY)).unwrap();
        let names = names::wanted(&ensemble);
        let ends = seconds_ago(-life_s);
        let pair = issue::leaf(&ensemble, names, key, ends, now()).unwrap();
        read::end_of(&pair.certificate)
    };
    assert_eq!(pair(DAY_S), Some(in_days(1)));
    assert_eq!(pair(1000 * DAY_S), Some(in_days(90)));
}

#[test]
fn condition_says_when_the_certificate_ends_and_stays_the_same() {
    let ensemble = valid_with_tls(None);
    let secrets = fresh(&ensemble);
    let seen = secrets.certificates();
    let at_first = verdict_of(&ensemble, &seen, now());
    assert_eq!((at_first.truth, at_first.reason), (Truth::True, "Renewed"));
    let ends = in_days(90).to_string();
    assert!(at_first.message.contains(&ends), "{}", at_first.message);
    assert_eq!(verdict_of(&ensemble, &seen, in_days(30)), at_first);
    let late = verdict_of(&ensemble, &seen, in_days(90));
    assert_eq!((late.truth, late.reason), (Truth::False, "Ended"));
    let absent = verdict(&ensemble, None, now()).unwrap();
    assert_eq!((absent.truth, absent.reason), (Truth::False, "Issuing"));
    assert!(!usable(&ensemble, None) && usable(&ensemble, Some(&seen)));
    let plain = crate::fixtures::valid(3);
    assert_eq!(verdict(&plain, None, now()), None);
    assert!(usable(&plain, None));
}

#[test]
fn secret_of_somebody_else_is_named_with_what_it_lacks() {
    let ensemble = valid_with_tls(Some("from-elsewhere"));
    let own = fresh(&valid_with_tls(None)).leaf.unwrap();
    let check = |seen: &Certificates, at, truth, reason, part: &str| {
        let found = verdict_of(&ensemble, seen, at);
        assert_eq!((found.truth, found.reason), (truth, reason));
        assert!(found.message.contains(part), "{}", found.message);
        assert!(
            found.message.contains("from-elsewhere"),
            "{}",
            found.message
        );
        assert_eq!(due(&ensemble, Some(seen), at), None, "it is not ours");
    };
    let no = Truth::False;
    check(&given(None), now(), no, "SecretMissing", "create it");
    let without = |name: &str| {
        let mut secret = own.clone();
        secret.data.as_mut().unwrap().remove(name);
        given(Some(&secret))
    };
    check(&without(KEY), now(), no, "SecretUnusable", "no tls.key");
    check(
        &without(AUTHORITIES),
        now(),
        no,
        "AuthorityMissing",
        "ca.crt",
    );
    check(&given(Some(&own)), now(), Truth::True, "Given", "ends at");
    check(
        &given(Some(&own)),
        in_days(88),
        Truth::True,
        "EndsSoon",
        "why",
    );
    check(&given(Some(&own)), in_days(91), no, "Ended", "renew it");
    let before = seconds_ago(3600);
    check(&given(Some(&own)), before, no, "NotYetValid", "begins");
    let elsewhere = ValidatedEnsemble {
        namespace: "elsewhere".to_owned(),
        ..ensemble.clone()
    };
    let found = verdict_of(&elsewhere, &given(Some(&own)), now());
    assert_eq!(found.reason, "NamesMissing");
    assert!(
        found
            .message
            .contains("*.demo-peers.elsewhere.svc.cluster.local"),
        "{}",
        found.message
    );
}

#[test]
fn names_are_those_of_services_and_pods() {
    let mut ensemble = valid_with_tls(None);
    ensemble.listeners = vec![Listener {
        host_names: vec!["zk.example.com".to_owned()],
        ..listener()
    }];
    let names = names::wanted(&ensemble);
    for host in [
        "zk.example.com",
        "demo-listener-edge.default.svc",
        "demo-client.default.svc.cluster.local",
        "demo-client.default.svc",
        "demo-client",
        "demo-voter-0.demo-peers.default.svc.cluster.local",
        "demo-voter-6.demo-peers.default.svc",
        "localhost",
    ] {
        assert!(names::covers(&names, host), "{host}");
    }
    for host in [
        "other-client.default.svc.cluster.local",
        "a.demo-voter-0.demo-peers.default.svc",
        "default.svc",
        "",
    ] {
        assert!(!names::covers(&names, host), "{host}");
    }
}

#[test]
fn an_issuer_is_asked_once_and_waited_for() {
    let mut ensemble = valid_with_tls(None);
    let own = fresh(&ensemble).leaf.unwrap();
    ensemble.tls.source = CertificateSource::Issuer(issuer());
    let seen = |leaf: Option<&Secret>, request: Requested| Certificates {
        request: Some(request),
        ..given(leaf)
    };
    for request in [Requested::Absent, Requested::Different] {
        let due = due(&ensemble, Some(&seen(Some(&own), request)), now());
        assert_eq!(due, Some(Due::Request));
    }
    let says = Requested::AsWanted(Some("no such issuer".to_owned()));
    for (leaf, request, truth, reason, part) in [
        (
            None,
            Requested::NoKind,
            Truth::False,
            "IssuerMissing",
            "install cert-manager",
        ),
        (None, says, Truth::False, "Issuing", "no such issuer"),
        (
            None,
            Requested::AsWanted(None),
            Truth::False,
            "Issuing",
            "describe certificate",
        ),
        (
            Some(&own),
            Requested::AsWanted(None),
            Truth::True,
            "Issued",
            "cert-manager renews",
        ),
    ] {
        let seen = seen(leaf, request);
        assert_eq!(due(&ensemble, Some(&seen), now()), None, "{reason}");
        let found = verdict_of(&ensemble, &seen, now());
        assert_eq!((found.truth, found.reason), (truth, reason));
        assert!(found.message.contains(part), "{}", found.message);
        assert_eq!(usable(&ensemble, Some(&seen)), truth == Truth::True);
    }
    let suspended = ValidatedEnsemble {
        suspend: true,
        ..ensemble
    };
    assert_eq!(
        due(&suspended, Some(&seen(None, Requested::Absent)), now()),
        None
    );
}
