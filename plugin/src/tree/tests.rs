//! Drawings of made-up ensembles, compared with the files in `tree/golden/`. `QUORATE_BLESS=1` writes
//! these anew; read them before they are committed.

use super::draw;
use crate::view::made_up::{MadeUp, healthy};

fn check(name: &str, made: &MadeUp, width: Option<usize>) {
    let styled = draw(&made.view(), width);
    let drawn = anstream::adapter::strip_str(&styled).to_string();
    if let Some(width) = width {
        for line in drawn.lines() {
            assert!(
                line.chars().count() <= width,
                "{name}: longer than {width}: {line}"
            );
        }
    }
    let file = format!("{}/src/tree/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("QUORATE_BLESS").is_some() {
        std::fs::write(&file, &drawn).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        golden == drawn,
        "{file} is otherwise than what is drawn now:\n{drawn}"
    );
}

#[test]
fn all_is_well() {
    check("healthy", &healthy(), None);
}

#[test]
fn observers_follow_and_lag() {
    let made = healthy()
        .observers()
        .says(1, |said| said.zxid_applied = "0x500000010".into());
    let made = made.says(2, |said| {
        said.learners[1].lag_txns = Some(3);
        said.learners[1].lag_ms = Some(40);
    });
    check("observers", &made, None);
}

#[test]
fn a_narrow_terminal_gets_fewer_columns_and_shorter_lines() {
    let made = healthy().observers().condition(
        "Degraded",
        "True",
        "ObserversUnavailable",
        "orders-observer-a-1 has not served for ten minutes, which is longer than an observer takes \
         to be brought level",
    );
    check("narrow", &made, Some(60));
    assert_eq!(draw(&made.view(), Some(1)), draw(&made.view(), Some(60)));
}

#[test]
fn the_leader_is_lost() {
    let made = healthy().looking(&[1, 3]).silent(&[2]).condition(
        "QuorumAvailable",
        "False",
        "NoLeader",
        "nobody leads",
    );
    check("leader-lost", &made, Some(100));
}

#[test]
fn a_zone_is_lost() {
    let made = healthy()
        .silent(&[3])
        .condition(
            "Ready",
            "False",
            "VotersNotServing",
            "orders-voter-2 does not answer",
        )
        .condition(
            "Degraded",
            "True",
            "VotersUnavailable",
            "orders-voter-2 does not answer",
        );
    check("zone-lost", &made, Some(100));
}

#[test]
fn a_quorum_is_lost() {
    let made = healthy()
        .looking(&[1])
        .crashing(2, "starts\n/data is full\n")
        .without_pod(3)
        .condition(
            "QuorumAvailable",
            "False",
            "VotersMissing",
            "1 of 3 voters answers, 2 are needed",
        )
        .condition(
            "Degraded",
            "True",
            "QuorumLost",
            "1 of 3 voters answers, 2 are needed",
        );
    check("quorum-lost", &made, Some(100));
}

#[test]
fn a_server_joins() {
    let made = healthy()
        .says(3, |said| {
            said.joining = true;
            said.role = "observer".into();
            said.zxid_applied = "0x0".into();
            said.history = "lost".into();
        })
        .operation(
            "ScalingUp",
            "waits until orders-voter-2 is level with the leader",
        )
        .condition(
            "Progressing",
            "True",
            "ScalingUp",
            "waits until orders-voter-2 is level",
        );
    check("joining", &made, Some(100));
}

#[test]
fn the_operator_is_suspended() {
    check("suspended", &healthy().suspended(), Some(100));
}

#[test]
fn nobody_has_looked_at_it() {
    check("unseen", &healthy().unseen(), Some(100));
}

#[test]
fn who_may_not_ask_the_servers_sees_what_the_operator_noted() {
    let made = healthy().not_asked().remark(
        "roles are those that the operator noted: not allowed: ask for the verb create on \
         pods/portforward in namespace \"shop\"",
    );
    check("not-asked", &made, Some(100));
}

#[test]
fn one_that_was_cut_off_does_not_lead() {
    let cut_off = healthy().says(1, |said| {
        said.role = "leader".into();
        said.epoch = 4;
    });
    let view = cut_off.view();
    assert_eq!(view.leader, Some(2));
    assert_eq!(view.members[0].role, crate::view::Role::Looking);
}

#[test]
fn words_from_outside_cannot_rewrite_the_terminal() {
    let made = healthy().condition("Ready", "False", "X", "a\u{1b}[2Jb\r\nc");
    let drawn = draw(&made.crashing(1, "x\u{7}\u{1b}[1A").view(), None);
    let plain = anstream::adapter::strip_str(&drawn).to_string();
    assert!(!plain.contains('\u{7}') && !plain.contains('\r'));
    assert!(!drawn.contains("\u{1b}[2J") && !drawn.contains("\u{1b}[1A"));
    assert!(drawn.contains("\u{1b}["), "styles are there for a terminal");
}
