//! Who is who.

use super::*;

fn settings() -> AuthSettings {
    AuthSettings {
        schemes: ["digest", "ip", "x509", "sasl", "ensemble"]
            .map(str::to_owned)
            .into(),
        super_digests: vec!["super:0bX78nEegDzJM3ju0iLBEJdWzjg=".into()],
        super_users: ["admin".to_owned()].into(),
        x509_super_user: Some("CN=root".into()),
        ensemble_name: Some("one,two".into()),
        ..AuthSettings::default()
    }
}

fn packet(scheme: &str, data: &str) -> Result<Vec<Id>, Refused> {
    let me = [Id::new("ip", "10.0.0.1")];
    add(&settings(), Some(scheme), Some(data.as_bytes()), &me)
}

#[test]
fn digests_are_never_wrong() {
    let u = Id::new("digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
    assert_eq!(packet("digest", "u:p"), Ok(vec![u]));
    let ids = packet("digest", "super:pw").unwrap();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], Id::new("super", ""));
    assert!(packet("digest", "").is_ok() && packet("digest", "nocolon").is_ok());
    let null = add(&settings(), Some("digest"), None, &[]);
    assert_eq!(null, Err(Refused::Told));
}

#[test]
fn schemes_that_take_no_packet_end_the_connection() {
    for scheme in ["world", "auth", "super", "sasl", "x509", "", "nonsense"] {
        assert_eq!(packet(scheme, "x"), Err(Refused::Told), "{scheme}");
    }
    assert_eq!(add(&settings(), None, Some(b"x"), &[]), Err(Refused::Told));
    let without = AuthSettings {
        schemes: Default::default(),
        ..AuthSettings::default()
    };
    let digest = add(&without, Some("digest"), Some(b"u:p"), &[]);
    assert_eq!(digest, Err(Refused::Told));
}

#[test]
fn what_the_transport_proved_can_be_asked_for_again() {
    assert_eq!(packet("ip", "ignored"), Ok(vec![]));
    let ids = at_connect(&settings(), "10.0.0.1", vec![Id::new("x509", "CN=root")]);
    let schemes: Vec<_> = ids.iter().filter_map(|id| id.scheme.as_deref()).collect();
    assert_eq!(schemes, ["ip", "super", "x509"]);
    assert_eq!(add(&settings(), Some("x509"), None, &ids), Ok(vec![]));
    let other = at_connect(&settings(), "10.0.0.1", vec![Id::new("x509", "CN=bob")]);
    assert_eq!(other.len(), 2);
}

#[test]
fn another_ensembles_clients_are_sent_away() {
    assert_eq!(packet("ensemble", "two"), Ok(vec![]));
    assert_eq!(packet("ensemble", ""), Ok(vec![]));
    assert_eq!(packet("ensemble", "three"), Err(Refused::Untold));
}

#[test]
fn sasl_users_may_be_super() {
    assert_eq!(of_sasl_user(&settings(), "bob"), [Id::new("sasl", "bob")]);
    assert_eq!(
        of_sasl_user(&settings(), "admin"),
        [Id::new("sasl", "admin"), Id::new("super", "")]
    );
}

#[test]
fn one_required_scheme_is_enough() {
    let mut settings = settings();
    let me = [Id::new("ip", "10.0.0.1")];
    assert!(is_enough(&settings, &me));
    settings.enforced_schemes = ["sasl".to_owned(), "digest".to_owned()].into();
    assert!(!is_enough(&settings, &me));
    assert!(is_enough(&settings, &[Id::new("digest", "u:h")]));
}

#[test]
fn who_am_i() {
    let ids = [
        Id::new("ip", "10.0.0.1"),
        Id::new("digest", "u:h"),
        Id::new("super", "x"),
    ];
    let shown = shown(&settings(), &ids);
    let users: Vec<_> = shown.iter().map(|info| info.user.as_str()).collect();
    assert_eq!(users, ["10.0.0.1", "u", ""]);
}
