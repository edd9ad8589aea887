//! What is refused before anything is done by it, and what is read from the status.

use super::*;
use crate::fixtures::{defaults, ensemble};

#[track_caller]
fn check(change: impl FnOnce(&mut ZkEnsemble), expected: Result<(), InvalidSpec>) {
    let mut object = ensemble(3);
    change(&mut object);
    assert_eq!(
        validate(&object, &defaults()).unwrap().map(|_| ()),
        expected
    );
}

#[test]
fn usable_specs_pass_and_others_name_the_field() {
    let with = |key: &'static str, value: &'static str| {
        move |object: &mut ZkEnsemble| {
            object.spec.config.insert(key.to_owned(), value.to_owned());
        }
    };
    check(|_| {}, Ok(()));
    check(with("maxClientCnxns", "200"), Ok(()));
    check(
        |o| o.spec.voters.replicas = 2,
        Err(InvalidSpec::Replicas(2)),
    );
    check(
        |o| o.spec.voters.replicas = -1,
        Err(InvalidSpec::Replicas(-1)),
    );
    check(
        |o| o.spec.voters.storage.size = "big".into(),
        Err(InvalidSpec::StorageSize("big".into())),
    );
    let after = |text: &'static str| {
        move |o: &mut ZkEnsemble| o.spec.voters.replace_unavailable_after = Some(text.to_owned())
    };
    check(after("1h30m"), Ok(()));
    for text in ["", "soon", "59s", "-5m", "9999999999999h"] {
        check(after(text), Err(InvalidSpec::ReplaceAfter(text.to_owned())));
    }
    let long = "a".repeat(31);
    check(
        |o| o.metadata.name = Some(long.clone()),
        Err(InvalidSpec::Name(long.clone())),
    );
    check(
        |o| o.metadata.name = Some("a.b".into()),
        Err(InvalidSpec::Name("a.b".into())),
    );
    check(
        with("dataDir", "/x"),
        Err(InvalidSpec::ConfigKeyOwned("dataDir".into())),
    );
    check(
        with("server.9", "x"),
        Err(InvalidSpec::ConfigKeyOwned("server.9".into())),
    );
    check(
        with("quorate.handOver", "false"),
        Err(InvalidSpec::ConfigKeyOwned("quorate.handOver".into())),
    );
    check(with("quorate.log.level", "info"), Ok(()));
    check(with("a b", "1"), Err(InvalidSpec::ConfigKey("a b".into())));
    check(
        with("a", "1\nb=2"),
        Err(InvalidSpec::ConfigValue("a".into())),
    );
}

#[test]
fn ensemble_forms_with_the_number_that_was_recorded_first() {
    let mut object = ensemble(5);
    let fresh = validate(&object, &defaults()).unwrap().unwrap();
    assert_eq!(fresh.founders().voters, BTreeSet::from([1, 2, 3, 4, 5]));
    object.status.as_mut().unwrap().formation = Some(Formation {
        voters: 3,
        complete: false,
    });
    let later = validate(&object, &defaults()).unwrap().unwrap();
    assert_eq!(later.founders().voters, BTreeSet::from([1, 2, 3]));
    assert_eq!(later.wanted().len(), 5);
}

#[test]
fn records_of_the_status_are_not_guessed() {
    let mut object = ensemble(3);
    object.status.as_mut().unwrap().formation = Some(Formation {
        voters: 2,
        complete: true,
    });
    let found = validate(&object, &defaults()).unwrap().map(|_| ());
    assert_eq!(found, Err(InvalidSpec::Record("formation")));
    object.status.as_mut().unwrap().formation = None;
    for (version, voters) in [("x", vec![1]), ("1", vec![]), ("1", vec![1, 32])] {
        let version = version.to_owned();
        object.status.as_mut().unwrap().membership = Some(crate::crd::Membership {
            version,
            voters,
            lines: Vec::new(),
        });
        let found = validate(&object, &defaults()).unwrap().map(|_| ());
        assert_eq!(found, Err(InvalidSpec::Record("membership")));
    }
}

#[test]
fn identity_is_the_uid_until_status_has_latched_another() {
    let mut object = ensemble(3);
    let fresh = validate(&object, &defaults()).unwrap().unwrap();
    assert_eq!(fresh.ensemble_id, "uid-of-demo");
    object.status.as_mut().unwrap().ensemble_id = Some("restored".to_owned());
    assert_eq!(
        validate(&object, &defaults()).unwrap().unwrap().ensemble_id,
        "restored"
    );
}

#[test]
fn secret_of_tls_is_not_one_of_the_operators_own() {
    let with = |name: &'static str| {
        move |object: &mut ZkEnsemble| {
            let (client, peer) = (ClientTlsMode::Allow, PeerTlsMode::Disabled);
            object.spec.tls = Some(crate::fixtures::tls(client, peer, Some(name)));
        }
    };
    check(with("from.elsewhere"), Ok(()));
    for bad in ["demo-tls", "demo-ca", "", "a/b"] {
        check(with(bad), Err(InvalidSpec::SecretName(bad.to_owned())));
    }
}
