//! The stories.

use zk_wire::client::Request;

use crate::asks::{THREE, create, exists};
use crate::cluster::{Cluster, Got, NO_SESSION};

/// Three members that elected the third.
fn three() -> Cluster {
    let mut c = Cluster::new(THREE);
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    c
}

#[test]
fn three_members_elect_the_largest_id_of_equal_histories() {
    let mut c = Cluster::new(THREE);
    c.start(1);
    c.start(2);
    c.run(150);
    assert_eq!(
        c.leader(),
        None,
        "the third may still come with a better vote"
    );
    c.run(2000);
    assert_eq!(c.leader(), Some(2));
    c.start(3);
    c.run(2000);
    assert_eq!(c.leader(), Some(2), "who comes later follows");
    assert_eq!(c.status(3).leader.map(|s| s.0), Some(2));
    for sid in [1, 2, 3] {
        let status = c.status(sid);
        assert!(status.serving, "{sid}");
        assert_eq!(
            (status.epoch.0, status.zxid_applied.as_u64()),
            (1, 0x1_0000_0000)
        );
    }
}

#[test]
fn the_first_leader_is_established_in_this_order() {
    let mut c = Cluster::new("server.1=a:2888:3888\nserver.2=b:2888:3888");
    c.start(1);
    c.start(2);
    c.run(250);
    let story: Vec<&str> = c
        .story
        .iter()
        .map(String::as_str)
        .filter(|s| !s.contains("Ping"))
        .collect();
    assert_eq!(
        story,
        [
            "1 is Looking, election, leader nobody",
            "2 is Looking, election, leader nobody",
            "1 is Following, discovery, leader 2",
            "2 is Leading, discovery, leader 2",
            "1 says FollowerInfo(LearnerInfo { accepted_epoch: Epoch(0), sid: Sid(1), config_version: 0, hands_over: true })",
            "2 says LeaderInfo(Epoch(1))",
            "1 says AckEpoch { last_zxid: 0x0, current_epoch: Some(Epoch(0)) }",
            "1 is Following, synchronization, leader 2",
            "2 says Diff(0x0)",
            "2 says NEWLEADER 0x100000000",
            "1 says Ack(0x100000000)",
            "2 says UpToDate",
            "2 is Leading, broadcast, leader 2",
            "1 says Ack(0x100000000)",
            "1 is Following, broadcast, leader 2",
        ]
    );
}

#[test]
fn a_write_through_a_follower_is_seen_on_all() {
    let mut c = three();
    let leader = c.leader().unwrap();
    let follower = if leader == 1 { 2 } else { 1 };
    let (conn, session) = c.connect(follower, None);
    assert_eq!(session.timeout_ms, 6000);
    c.send(follower, conn, 1, create("/a", 0));
    c.send(follower, conn, 2, create("/a", 0));
    c.send(follower, conn, 3, exists("/a", false));
    c.send(
        follower,
        conn,
        4,
        Request::Sync {
            path: Some("/".into()),
        },
    );
    assert_eq!(c.headers(conn), [(1, 0), (2, -110), (3, 0), (4, 0)]);
    let digests: Vec<u64> = [1, 2, 3].map(|sid| c.status(sid).digest).to_vec();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(c.status(3).zxid_applied.counter(), 3);
}

#[test]
fn events_come_before_the_reply_that_could_reveal_the_change() {
    let mut c = three();
    let (watcher, _) = c.connect(1, None);
    c.send(1, watcher, 1, exists("/w", true));
    assert_eq!(c.headers(watcher), [(1, -101)]);
    c.send(1, watcher, 2, create("/w", 0));
    c.send(
        1,
        watcher,
        3,
        Request::SetData {
            path: "/w".into(),
            data: None,
            version: -1,
        },
    );
    assert_eq!(c.headers(watcher), [(-1, 0), (2, 0), (3, 0)]);
}

#[test]
fn the_ephemerals_of_a_silent_session_go_and_those_of_a_pinging_one_stay() {
    let mut c = three();
    let follower = if c.leader() == Some(1) { 2 } else { 1 };
    let (silent, _) = c.connect(follower, None);
    let (pinging, _) = c.connect(follower, None);
    c.send(follower, silent, 1, create("/silent", 1));
    c.send(follower, pinging, 1, create("/pinging", 1));
    for _ in 0..10 {
        c.run(1000);
        c.send(follower, pinging, -2, Request::Ping);
    }
    assert_eq!(
        c.take(silent).last(),
        Some(&Got::Closed("the session ended"))
    );
    c.take(pinging);
    c.send(follower, pinging, 5, exists("/silent", false));
    c.send(follower, pinging, 6, exists("/pinging", false));
    assert_eq!(c.headers(pinging), [(5, -101), (6, 0)]);
}

#[test]
fn a_session_moves_to_another_server_and_ends_with_close() {
    let mut c = three();
    let (first, session) = c.connect(1, None);
    c.send(1, first, 1, create("/e", 1));
    let (second, again) = c.connect(2, Some(&session));
    assert_eq!(again.session, session.session);
    c.take(first);
    c.send(1, first, 2, create("/f", 0));
    assert_eq!(
        c.take(first).last(),
        Some(&Got::Closed("the session moved"))
    );
    c.send(2, second, 3, Request::CloseSession);
    assert_eq!(c.headers(second), [(3, 0), (i32::MIN, 0)]);
    let (_, refused) = c.connect(3, Some(&session));
    assert_eq!((refused.timeout_ms, refused.session), (0, NO_SESSION));
    assert_eq!(c.status(3).ephemerals, 0);
}

#[test]
fn the_death_of_the_leader_loses_nothing_acknowledged() {
    let mut c = three();
    let leader = c.leader().unwrap();
    let (conn, _) = c.connect(leader, None);
    for xid in 1..=20 {
        c.send(leader, conn, xid, create(&format!("/n{xid}"), 0));
    }
    assert!(c.headers(conn).iter().all(|(_, err)| *err == 0));
    c.kill(leader);
    c.run(3000);
    let next = c.leader().unwrap();
    assert_ne!(next, leader);
    assert_eq!(c.status(next).epoch.0, 2);
    let (conn, _) = c.connect(next, None);
    c.send(next, conn, 1, create("/after", 0));
    assert_eq!(c.headers(conn), [(1, 0)]);
    c.start(leader);
    c.run(3000);
    let (a, b) = (c.status(leader), c.status(next));
    assert_eq!((a.zxid_applied, a.digest), (b.zxid_applied, b.digest));
    assert!(c.story.iter().any(|s| s.contains("Diff")));
}

#[test]
fn a_member_far_behind_gets_a_snapshot() {
    let mut c = three();
    let leader = c.leader().unwrap();
    let behind = if leader == 1 { 2 } else { 1 };
    c.kill(behind);
    let (conn, _) = c.connect(leader, None);
    for xid in 1..=600 {
        c.send(leader, conn, xid, create(&format!("/n{xid}"), 0));
    }
    c.start(behind);
    c.run(2000);
    let story = c.story.join("\n");
    assert!(story.contains("says SNAP"), "{story}");
    let (a, b) = (c.status(behind), c.status(leader));
    assert_eq!(
        (a.zxid_applied, a.digest, a.serving),
        (b.zxid_applied, b.digest, true)
    );
    c.kill(behind);
    c.start(behind);
    c.run(2000);
    assert_eq!(
        c.status(behind).digest,
        b.digest,
        "and has it after a restart"
    );
}

#[test]
fn what_nobody_acknowledged_is_cut() {
    let mut c = three();
    let leader = c.leader().unwrap();
    let others: Vec<i64> = [1, 2, 3].into_iter().filter(|s| *s != leader).collect();
    let (conn, _) = c.connect(leader, None);
    c.send(leader, conn, 1, create("/kept", 0));
    for sid in &others {
        c.kill(*sid);
    }
    // Alone, the leader logs what it cannot commit, until it notices.
    c.send(leader, conn, 2, create("/lost", 0));
    assert_eq!(c.headers(conn), [(1, 0)]);
    let tail = c.status(leader).zxid_logged;
    c.kill(leader);
    for sid in &others {
        c.start(*sid);
    }
    c.run(3000);
    c.start(leader);
    c.run(3000);
    assert!(
        c.story.iter().any(|s| s.contains("Trunc")),
        "{}",
        c.story.join("\n")
    );
    let status = c.status(leader);
    assert!(status.serving && status.zxid_applied > tail && status.nodes == 6);
    let digests: Vec<u64> = [1, 2, 3].map(|sid| c.status(sid).digest).to_vec();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn an_observer_learns_by_inform_and_serves() {
    let config = format!("{THREE}\nserver.4=d:2888:3888:observer");
    let mut c = Cluster::new(&config);
    for sid in [1, 2, 3, 4] {
        c.start(sid);
    }
    c.run(8000);
    let (conn, _) = c.connect(4, None);
    c.send(4, conn, 1, create("/o", 0));
    c.send(4, conn, 2, exists("/o", false));
    assert_eq!(c.headers(conn), [(1, 0), (2, 0)]);
    assert!(c.story.iter().any(|s| s.contains("INFORM")));
    assert_eq!(c.status(4).digest, c.status(1).digest);
}

#[test]
fn one_voter_elects_itself() {
    let mut c = Cluster::new("server.1=a:2888:3888");
    c.start(1);
    let (conn, session) = c.connect(1, None);
    assert_ne!(session.session, NO_SESSION);
    c.send(1, conn, 1, create("/a", 0));
    assert_eq!(c.headers(conn), [(1, 0)]);
}
