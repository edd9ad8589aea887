//! Which lists pass, what they become, and whom they let in.

use super::*;

fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl {
        perms,
        id: Id::new(scheme, id),
    }
}

fn null_name(scheme: &str) -> Acl {
    Acl {
        perms: 31,
        id: Id {
            scheme: Some(scheme.into()),
            id: None,
        },
    }
}

fn all_schemes() -> AuthSettings {
    AuthSettings {
        schemes: ["digest", "ip", "x509", "sasl"].map(str::to_owned).into(),
        ..AuthSettings::default()
    }
}

#[test]
fn who_may() {
    let settings = AuthSettings::default();
    let me = [Id::new("ip", "10.1.2.3")];
    let may = |acl: Option<&[Acl]>, wanted, ids: &[Id]| permits(acl, wanted, ids, &settings);
    let check = |entry: Acl, wanted| may(Some(&[entry]), wanted, &me);
    assert!(may(None, 1, &me) && may(Some(&[]), 1, &me));
    assert!(check(acl(31, "world", "anyone"), 4));
    assert!(!check(acl(1, "world", "anyone"), 4));
    assert!(check(acl(31, "ip", "10.1.0.0/16"), 1));
    assert!(check(acl(31, "ip", "0.0.0.0/0"), 1));
    assert!(!check(acl(31, "ip", "10.2.0.0/16"), 1));
    assert!(!check(acl(31, "digest", "u:h"), 1));
    let root = [Id::new("super", "")];
    assert!(may(Some(&[acl(0, "world", "x")]), 1, &root));
    let user = [Id::new("digest", "u:h")];
    assert!(may(Some(&[acl(1, "digest", "u:h")]), 1 | 16, &user));
    let off = AuthSettings {
        schemes: ["ip".to_owned()].into(),
        ..AuthSettings::default()
    };
    assert!(!permits(Some(&[acl(1, "digest", "u:h")]), 1, &user, &off));
    let skip = AuthSettings {
        skip_acl: true,
        ..AuthSettings::default()
    };
    assert!(permits(Some(&[acl(0, "ip", "1.1.1.1")]), 1, &me, &skip));
}

#[test]
fn sasl_and_x509_have_users_of_their_own_who_pass() {
    let settings = AuthSettings {
        any_sasl_user: Some("everyone".into()),
        x509_super_user: Some("CN=root".into()),
        ..all_schemes()
    };
    let may =
        |entry: Acl, scheme, name| permits(Some(&[entry]), 1, &[Id::new(scheme, name)], &settings);
    assert!(may(acl(1, "sasl", "bob"), "sasl", "bob"));
    assert!(!may(acl(1, "sasl", "bob"), "sasl", "eve"));
    assert!(may(acl(1, "sasl", "bob"), "sasl", "super"));
    assert!(may(acl(1, "sasl", "everyone"), "sasl", "eve"));
    assert!(!may(acl(2, "sasl", "everyone"), "sasl", "eve"));
    assert!(may(acl(1, "x509", "CN=a"), "x509", "CN=a"));
    assert!(!may(acl(1, "x509", "CN=a"), "x509", "CN=b"));
    assert!(may(acl(1, "x509", "CN=a"), "x509", "CN=root"));
    assert!(!may(acl(1, "digest", "a:b"), "x509", "CN=root"));
}

#[test]
fn lists_that_clients_send() {
    let settings = AuthSettings::default();
    let fix = |list: &[Acl]| fix_up(Some(list), &[], &settings);
    assert!(fix(&[acl(0, "world", "anyone")]).is_ok());
    for (scheme, id) in [
        ("world", "someone"),
        ("super", ""),
        ("auth", ""),
        ("sasl", "bob"),
        ("x509", "CN=a"),
        ("digest", "nocolon"),
        ("ip", "host"),
    ] {
        let found = fix(&[acl(31, scheme, id)]);
        assert_eq!(found, Err(ErrorCode::InvalidAcl), "{scheme}:{id}");
    }
    assert_eq!(fix(&[]), Err(ErrorCode::InvalidAcl));
    assert_eq!(fix_up(None, &[], &settings), Err(ErrorCode::InvalidAcl));
    let twice = [Acl::world(31), Acl::world(31), Acl::world(1)];
    assert_eq!(fix(&twice).unwrap(), [Acl::world(31), Acl::world(1)]);
    for scheme in ["world", "digest", "ip"] {
        let found = fix(&[null_name(scheme)]);
        assert_eq!(found, Err(ErrorCode::MarshallingError), "{scheme}");
    }
    assert_eq!(fix(&[null_name("x509")]), Err(ErrorCode::InvalidAcl));
    let no_scheme = Acl {
        perms: 31,
        id: Id {
            scheme: None,
            id: Some("a".into()),
        },
    };
    assert_eq!(
        fix(std::slice::from_ref(&no_scheme)),
        Err(ErrorCode::InvalidAcl)
    );
    assert_eq!(
        fix(&[Acl::world(31), no_scheme]),
        Err(ErrorCode::MarshallingError)
    );
    let hidden = redact(&[acl(1, "digest", "u:secret")]);
    assert_eq!(hidden[0].id.id.as_deref(), Some("u:x"));
}

#[test]
fn auth_stands_for_what_the_caller_has_proved() {
    let me = [
        Id::new("ip", "1.2.3.4"),
        Id::new("super", ""),
        Id::new("digest", "a:h"),
        Id::new("digest", "b:h"),
        Id::new("sasl", "s"),
    ];
    let settings = AuthSettings::default();
    let list = [acl(3, "auth", "ignored"), acl(1, "digest", "a:h")];
    let fixed = fix_up(Some(&list), &me, &settings).unwrap();
    let expected = [
        acl(3, "digest", "a:h"),
        acl(3, "digest", "b:h"),
        acl(1, "digest", "a:h"),
    ];
    assert_eq!(fixed, expected);
    let null = fix_up(Some(&[null_name("auth")]), &me, &all_schemes()).unwrap();
    assert_eq!(null.len(), 3);
    let nobody = &me[..2];
    let found = fix_up(Some(&list), nobody, &settings);
    assert_eq!(found, Err(ErrorCode::InvalidAcl));
}
