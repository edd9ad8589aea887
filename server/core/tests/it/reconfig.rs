//! Reconfigurations when all goes well, and with the leader lost in between.

use zk_core::ConnId;
use zk_wire::client::request::ReconfigRequest;
use zk_wire::client::{ConnectResponse, Request};
use zk_wire::membership::Membership;
use zk_wire::{Sid, election::ServerState};

use crate::asks::{create, exists};
use crate::cluster::{Cluster, NO_SESSION};

const ADDED: &str = "server.4=d:2888:3888:participant;2181";

fn line(sid: i64) -> String {
    let host = ["a", "b", "c", "d", "e"][usize::try_from(sid - 1).unwrap()];
    format!("server.{sid}={host}:2888:3888;2181")
}

fn lines(sids: &[i64]) -> String {
    let lines: Vec<String> = sids.iter().map(|sid| line(*sid)).collect();
    lines.join("\n")
}

fn change(joining: Option<&str>, leaving: Option<&str>, from_config: i64) -> Request {
    Request::Reconfig(ReconfigRequest {
        joining: joining.map(str::to_owned),
        leaving: leaving.map(str::to_owned),
        new_members: None,
        from_config,
    })
}

fn replace(members: &str) -> Request {
    Request::Reconfig(ReconfigRequest {
        new_members: Some(members.to_owned()),
        from_config: -1,
        ..ReconfigRequest::default()
    })
}

/// Three members that elected the third; clients may do everything.
fn three() -> Cluster {
    let mut c = Cluster::new(&lines(&[1, 2, 3]));
    c.auth.skip_acl = true;
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    assert_eq!(c.leader(), Some(3));
    c
}

fn config(c: &Cluster, sid: i64) -> Membership {
    let configs = c.status(sid).configs.unwrap();
    assert_eq!(configs.proposed, None, "server {sid}");
    configs.committed
}

/// Asks `sid` and gives the code of the answer.
fn ask(c: &mut Cluster, sid: i64, request: Request) -> i32 {
    let (conn, welcome) = c.connect(sid, None);
    assert_ne!(Some(welcome.session), Some(NO_SESSION));
    c.send(sid, conn, 1, request);
    c.run(100);
    let answers = c.headers(conn);
    answers.first().expect("an answer").1
}

fn members(c: &Cluster, sid: i64) -> Vec<i64> {
    config(c, sid).servers.keys().map(|sid| sid.0).collect()
}

#[test]
fn a_server_joins_as_a_follower_without_a_vote_and_gets_one() {
    let mut c = three();
    c.join(4, &lines(&[1, 2, 3, 4]));
    c.run(3000);
    let learners = c.status(3).learners;
    let four = learners.iter().find(|l| l.sid == Sid(4)).unwrap();
    assert!(four.synced && !four.voter);
    assert_eq!(ask(&mut c, 1, change(Some(ADDED), None, -1)), 0);
    assert!(c.story.contains(&"3 says COMMITANDACTIVATE 3".to_owned()));
    let version = config(&c, 3).version;
    for sid in 1..=4 {
        assert_eq!(members(&c, sid), [1, 2, 3, 4]);
        assert_eq!(config(&c, sid).version, version, "server {sid}");
    }
    c.run(3000);
    assert_eq!(c.leader(), Some(3), "nobody loses a leader that stays");
    // Two of four are no quorum, three are.
    c.kill(1);
    c.kill(2);
    c.run(10_000);
    assert_eq!(c.leader(), None);
    c.start(1);
    c.run(5000);
    assert_eq!(c.leader(), Some(4));
    assert_eq!(members(&c, 1), [1, 2, 3, 4], "from what it wrote down");
}

#[test]
fn the_leader_that_is_removed_names_its_successor_and_follows_it() {
    let mut c = three();
    let before = c.story.len();
    assert_eq!(ask(&mut c, 1, change(None, Some("3"), -1)), 0);
    c.run(1000);
    let story = c.story[before..].join("\n");
    assert!(story.contains("3 says COMMITANDACTIVATE 1"), "{story}");
    assert!(!story.contains("Looking"), "no election: {story}");
    assert_eq!(c.leader(), Some(1));
    assert_eq!(c.status(3).state, ServerState::Following);
    assert_eq!((members(&c, 3), members(&c, 1)), (vec![1, 2], vec![1, 2]));
    // Its acknowledgements count for nothing now.
    c.kill(2);
    c.run(5000);
    assert_eq!(c.leader(), None);
}

/// The third is removed, and has just said so; a client of the second, and the one that asked.
fn removed_just_now() -> (Cluster, (ConnId, ConnectResponse), ConnId) {
    let mut c = three();
    let client = c.connect(2, None);
    let (admin, _) = c.connect(1, None);
    let removes = (1, change(None, Some("3"), -1));
    c.send_until(1, admin, removes, "3 says COMMITANDACTIVATE");
    (c, client, admin)
}

#[test]
fn clients_with_writes_under_way_do_not_notice_that_the_leader_is_removed() {
    let (mut c, (conn, _), admin) = removed_just_now();
    let before = c.story.len();
    c.send_all(2, conn, [(1, create("/a", 0)), (2, exists("/a", false))]);
    assert_eq!(c.leader(), Some(1));
    let story = c.story[before..].join("\n");
    let (asked, ended) = (
        story.find("2 says REQUEST"),
        story.find("the members changed"),
    );
    assert!(asked.is_some() && asked < ended, "under way: {story}");
    c.run(100);
    assert_eq!(c.headers(conn), [(1, 0), (2, 0)]);
    assert_eq!(c.headers(admin), [(1, 0)]);
}

#[test]
fn a_leader_that_is_removed_takes_no_client_any_more() {
    let (mut c, (_, session), _) = removed_just_now();
    let before = c.story.len();
    let (conn, welcome) = c.connect(3, Some(&session));
    assert_eq!(welcome.session, session.session);
    c.run(100);
    c.send(3, conn, 1, create("/a", 0));
    assert_eq!(c.headers(conn), [(1, 0)]);
    let story = c.story[before..].join("\n");
    assert!(
        story.contains("3 says Revalidate"),
        "asks the next leader: {story}"
    );
}

#[test]
fn a_leader_that_becomes_an_observer_observes_its_successor_and_may_come_back() {
    let mut c = three();
    let observer = line(3).replace(";", ":observer;");
    assert_eq!(ask(&mut c, 1, change(Some(&observer), None, -1)), 0);
    c.run(1000);
    assert_eq!(c.leader(), Some(1));
    assert_eq!(c.status(3).state, ServerState::Observing);
    assert_eq!(ask(&mut c, 3, change(Some(&line(3)), None, -1)), 0);
    c.run(5000);
    assert_eq!(c.status(3).state, ServerState::Following);
    assert_eq!((c.leader(), members(&c, 3)), (Some(1), vec![1, 2, 3]));
    assert_eq!(c.status(1).learners.iter().filter(|l| l.voter).count(), 2);
}

#[test]
fn an_observer_that_gets_a_vote_keeps_the_clients_whose_writes_are_under_way() {
    let mut c = three();
    let observer = ADDED.replace("participant", "observer");
    let with_observer = format!("{}\n{observer}", lines(&[1, 2, 3]));
    c.join(4, &with_observer);
    c.run(3000);
    assert_eq!(ask(&mut c, 1, change(Some(&observer), None, -1)), 0);
    assert_eq!(c.status(4).state, ServerState::Observing);
    let (conn, _) = c.connect(4, None);
    let (admin, _) = c.connect(1, None);
    let promotes = (1, change(Some(ADDED), None, -1));
    c.send_until(1, admin, promotes, "3 says COMMITANDACTIVATE");
    let before = c.story.len();
    c.send_all(
        4,
        conn,
        [
            (1, create("/under-way", 0)),
            (2, exists("/under-way", false)),
        ],
    );
    let story = c.story[before..].join("\n");
    let (asked, turned) = (
        story.find("4 says REQUEST"),
        story.find("the members changed"),
    );
    assert!(
        asked.is_some() && asked < turned,
        "the write was under way: {story}"
    );
    c.run(3000);
    assert_eq!(c.status(4).state, ServerState::Following);
    assert_eq!(c.headers(conn), [(1, 0), (2, 0)]);
    c.send(4, conn, 3, create("/afterwards", 0));
    c.run(100);
    assert_eq!(c.headers(conn), [(3, 0)], "on the same connection");
}

#[test]
fn addresses_weights_and_whole_configs() {
    let mut c = three();
    // A client port changes nobody's role.
    let moved = line(2).replace("2181", "2182");
    assert_eq!(ask(&mut c, 2, change(Some(&moved), None, 0)), 0);
    assert_eq!(
        (c.leader(), c.status(2).state),
        (Some(3), ServerState::Following)
    );
    let version = config(&c, 1).version;
    assert_eq!(ask(&mut c, 2, change(Some(&moved), None, 0)), -103);
    // The leader's quorum port does.
    let moved = line(3).replace("2888", "2889");
    assert_eq!(ask(&mut c, 2, change(Some(&moved), None, version)), 0);
    c.run(3000);
    assert!(matches!(c.leader(), Some(1 | 2)), "{:?}", c.leader());
    assert_eq!(c.status(3).state, ServerState::Following);
    let groups = format!(
        "{}\ngroup.1=1:2:3\nweight.1=3\nweight.2=1\nweight.3=1",
        lines(&[1, 2, 3])
    );
    assert_eq!(ask(&mut c, 1, replace(&groups)), 0);
    c.run(3000);
    for sid in 1..=3 {
        assert_eq!(config(&c, sid).weights.get(&Sid(1)), Some(&3));
    }
    assert_eq!(
        ask(&mut c, 1, change(None, Some("3"), -1)),
        -8,
        "groups change as a whole"
    );
    let lost = [c.leader().unwrap(), 2, 3];
    c.kill(2);
    c.kill(3);
    c.run(10_000);
    assert_eq!(c.leader(), Some(1), "its weight is a quorum: {lost:?}");
}

#[test]
fn a_whole_config_needs_its_quorum_connected() {
    let mut c = three();
    assert_eq!(ask(&mut c, 1, replace(&lines(&[1, 4, 5]))), -13);
    assert_eq!(ask(&mut c, 1, replace(&lines(&[1]))), -8);
    assert_eq!(ask(&mut c, 1, change(None, Some("1,2"), -1)), -8);
    for sid in [4, 5] {
        c.join(sid, &lines(&[1, 2, 3, sid]));
    }
    c.run(5000);
    assert_eq!(ask(&mut c, 1, replace(&lines(&[1, 4, 5]))), 0);
    c.run(3000);
    assert!(matches!(c.leader(), Some(1 | 4 | 5)), "{:?}", c.leader());
    for sid in 1..=5 {
        assert_eq!(members(&c, sid), [1, 4, 5]);
    }
}

#[test]
fn the_first_leader_names_the_config_if_it_is_told_to() {
    let mut c = Cluster::new(&lines(&[1, 2, 3]));
    c.reconfig.first_version = true;
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    for sid in 1..=3 {
        assert_eq!(config(&c, sid).version, 0x1_0000_0000);
    }
    c.kill(3);
    c.run(3000);
    assert_eq!(config(&c, 1).version, 0x1_0000_0000);
    c.start(3);
    c.run(3000);
    assert_eq!(config(&c, 3).version, 0x1_0000_0000);
}

#[test]
fn who_was_away_hears_of_the_members_before_it_votes() {
    let mut c = three();
    c.kill(1);
    c.join(4, &lines(&[2, 3, 4]));
    c.run(3000);
    assert_eq!(ask(&mut c, 2, change(Some(&line(4)), None, -1)), 0);
    c.start(1);
    c.run(3000);
    assert_eq!(members(&c, 1), [1, 2, 3, 4]);
    assert_eq!(c.status(1).leader, Some(Sid(3)));
}
