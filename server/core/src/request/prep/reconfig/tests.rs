//! Which check of a reconfig wins.

use super::*;

const NOBODY_NEW: Option<&str> = None;

fn current() -> Membership {
    let line = |n: u8| format!("server.{n}=10.0.0.{n}:2888:3888;2181\n");
    Membership::parse(&(line(1) + &line(2) + &line(3))).unwrap()
}

#[track_caller]
fn joins(joining: Option<&str>, leaving: Option<&str>, expected: Result<usize, ErrorCode>) {
    let request = ReconfigRequest {
        joining: joining.map(str::to_owned),
        leaving: leaving.map(str::to_owned),
        new_members: None,
        from_config: -1,
    };
    let found = changed(&current(), &request).map(|m| m.servers.len());
    assert_eq!(found, expected, "{joining:?} {leaving:?}");
}

#[test]
fn lists_of_those_who_come_and_go() {
    joins(NOBODY_NEW, None, Ok(3));
    joins(Some(""), Some(" , "), Ok(3));
    joins(
        Some("server.4=10.0.0.4:2888:3888;2181"),
        Some("1, 9"),
        Ok(3),
    );
    joins(
        Some("server.3=10.0.0.3:2888:3888:observer;2182"),
        None,
        Ok(3),
    );
    let refused = Err(ErrorCode::BadArguments);
    for bad in [
        "server.4",
        "server.4=a=b",
        "server.4=10.0.0.4:2888:3888",
        "server.4=10.0.0.4:2888;2181",
        "server.4=10.0.0.3:2888:4888;4181",
        "server.4=10.0.0.4:2888:3888;10.0.0.1:2888",
    ] {
        joins(Some(bad), None, refused);
    }
    joins(
        Some("server.x=10.0.0.4:2888:3888;2181"),
        None,
        Err(ErrorCode::MarshallingError),
    );
    joins(None, Some("one"), Err(ErrorCode::MarshallingError));
}

#[track_caller]
fn replaces(text: &str, expected: Result<usize, ErrorCode>) {
    let found = replacement(text, true).map(|m| m.servers.len());
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn whole_memberships() {
    replaces("", Ok(0));
    replaces("server.1=a:1:2;3,server.2=b:1:2;3", Ok(2));
    replaces(
        "# note\nserver.1 a:1:2;3\nserver.2: b:1:2;3\nversion=1f",
        Ok(2),
    );
    replaces("server.1=a:1:2", Ok(1));
    replaces("server.1=a:1", Err(ErrorCode::BadArguments));
    replaces("tickTime=5", Err(ErrorCode::BadArguments));
    replaces("server.x=a:1:2;3", Err(ErrorCode::MarshallingError));
    replaces("server.1=a:1:2:observer", Err(ErrorCode::MarshallingError));
}
