//! Clients whose server loses its leader and finds another, and leads that are passed on.

use zk_core::ConnId;
use zk_wire::client::Request;

use crate::asks::{THREE, create, exists};
use crate::cluster::{Cluster, Got};

/// Three members that elected the third, and a client of each.
fn three() -> (Cluster, [ConnId; 3]) {
    let mut c = Cluster::new(THREE);
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    assert_eq!(c.leader(), Some(3));
    let conns = [1, 2, 3].map(|sid| c.connect(sid, None).0);
    (c, conns)
}

#[test]
fn a_client_stays_connected_while_its_server_looks_for_a_leader() {
    let (mut c, [one, ..]) = three();
    c.send(1, one, 1, exists("/w", true));
    assert_eq!(c.headers(one), [(1, -101)]);
    c.kill(2);
    c.kill(3);
    c.send(1, one, -2, Request::Ping);
    assert_eq!(c.headers(one), [(-2, 0)], "pings are answered");
    c.send(1, one, 2, create("/w", 0));
    c.send(1, one, 3, exists("/w", false));
    assert_eq!(c.take(one), [], "the rest is held");
    c.start(2);
    c.run(2000);
    assert_eq!(c.headers(one), [(-1, 0), (2, 0), (3, 0)]);
    assert_eq!(c.status(1).connections, 1);
}

#[test]
fn a_leader_that_stood_still_answers_no_sync_before_it_heard_the_others() {
    let (mut c, [.., three]) = three();
    let sync = || Request::Sync {
        path: Some("/".to_owned()),
    };
    c.send(3, three, 1, sync());
    assert_eq!(c.headers(three), [(1, 0)]);
    c.stall(60_000);
    c.send(3, three, 2, sync());
    assert_eq!(c.headers(three), [], "others may lead and write by now");
    assert!(!c.status(3).serving);
}

#[test]
fn a_write_that_the_dead_leader_never_saw_is_asked_again() {
    let (mut c, [one, ..]) = three();
    c.send_until(1, one, (1, create("/a", 0)), "1 says REQUEST");
    c.kill(3);
    c.run(2000);
    assert_eq!(c.full_headers(one), [(1, 0x2_0000_0001, 0)]);
}

#[test]
fn a_write_that_came_to_be_is_answered_from_the_history() {
    let (mut c, [one, ..]) = three();
    c.send(1, one, 1, exists("/a", true));
    c.take(one);
    c.kill(2);
    let before = c.status(1).zxid_applied.as_u64();
    c.send_until(1, one, (2, create("/a", 0)), "1 says Ack");
    assert_eq!(c.status(1).zxid_applied.as_u64(), before);
    c.kill(3);
    assert_eq!(c.take(one), [], "nobody can know yet that it is committed");
    c.start(2);
    c.run(2000);
    assert_eq!(
        c.full_headers(one),
        [(-1, before + 1, 0), (2, before + 1, 0)]
    );
}

#[test]
fn the_requests_of_clients_that_left_make_room_for_others() {
    let mut c = Cluster::new(THREE);
    c.hold.requests_max = 2;
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    let [first, second] = [(); 2].map(|()| c.connect(1, None).0);
    c.kill(2);
    c.kill(3);
    for xid in [1, 2] {
        c.send(1, first, xid, exists("/w", false));
    }
    c.leave(1, first);
    for xid in [1, 2] {
        c.send(1, second, xid, exists("/w", false));
    }
    assert_eq!(c.take(second), [], "two are held, as many as may be");
    c.send(1, second, 3, exists("/w", false));
    let closed = Got::Closed("too many requests are held");
    assert_eq!(c.take(second), [closed]);
}

#[test]
fn a_client_is_not_held_for_longer_than_half_of_its_time() {
    let (mut c, [one, ..]) = three();
    for sid in [2, 3] {
        c.kill(sid);
    }
    c.run(2900);
    assert_eq!(c.take(one), []);
    c.run(200);
    let closed = Got::Closed("without a leader for too long");
    assert_eq!(c.take(one), [closed]);
}

#[test]
fn writes_under_way_when_a_leader_fell_silent_close_their_connection_only() {
    let (mut c, [one, two, three]) = three();
    // Alone, the old leader goes on for a while, and its proposal is cut in the end.
    c.kill(1);
    c.kill(2);
    c.send(3, three, 1, create("/lost", 0));
    c.start(1);
    c.start(2);
    c.run(4000);
    assert!(c.leader().is_some());
    let got = c.headers(three);
    assert!(got == [(1, 0)], "{got:?}");
    let _ = (one, two);
}

#[test]
fn the_lead_is_passed_on_without_an_election() {
    let (mut c, conns) = three();
    c.story.clear();
    c.hand_over(3, None);
    assert_eq!(c.leader(), Some(2), "{}", c.story.join("\n"));
    for (sid, conn) in (1..).zip(conns) {
        c.send(sid, conn, 1, create(&format!("/n{sid}"), 0));
        assert_eq!(c.headers(conn), [(1, 0)]);
    }
    c.hand_over(2, Some(1));
    assert_eq!(c.leader(), Some(1));
    assert!(c.story.iter().all(|s| !s.contains("Looking")));
    assert_eq!(c.status(3).epoch.0, 3);
    c.hand_over(2, Some(3));
    let refused = "HandOverRefused { why: \"this server does not lead\" }";
    assert!(c.story.iter().any(|s| s.contains(refused)));
}

#[test]
fn the_lead_is_passed_on_before_the_first_write_of_an_epoch_to_one_with_a_snapshot() {
    let (mut c, [.., three]) = three();
    c.send(3, three, 1, create("/a", 0));
    c.kill(1);
    c.wipe(1);
    c.hand_over(3, Some(2));
    c.start(1);
    c.run(200);
    assert!(c.status(1).serving, "{}", c.story.join("\n"));
    let status = c.status(2);
    assert_eq!((status.zxid_logged.epoch().0, status.epoch.0), (1, 2));
    c.hand_over(2, Some(1));
    assert_eq!(c.leader(), Some(1), "{}", c.story.join("\n"));
    c.run(200);
    let (conn, _) = c.connect(3, None);
    c.send(3, conn, 1, create("/b", 0));
    assert_eq!(c.headers(conn), [(1, 0)]);
}

#[test]
fn a_leader_that_passed_on_the_lead_is_let_go_when_a_quorum_follows_without_it() {
    let (mut c, _) = three();
    c.kill(1);
    c.hand_over(3, None);
    assert_eq!(c.leader(), Some(2));
    c.ask_to_leave(3);
    let may_leave = |c: &Cluster| c.story.iter().any(|s| s.contains("3: MayLeave"));
    assert!(!may_leave(&c), "server 2 alone is no quorum");
    c.start(1);
    c.run(3000);
    assert!(may_leave(&c), "{}", c.story.join("\n"));
}

#[test]
fn a_lead_that_nobody_can_take_is_kept() {
    let (mut c, [.., three]) = three();
    c.kill(1);
    c.hand_over(3, Some(1));
    assert_eq!(c.leader(), Some(3));
    let refused = "server 1 is no voter that is level";
    assert!(c.story.iter().any(|s| s.contains(refused)));
    c.send(3, three, 1, create("/a", 0));
    assert_eq!(c.headers(three), [(1, 0)]);
}

#[test]
fn a_new_epoch_begins_in_place_when_the_zxids_of_one_are_used_up() {
    let mut c = Cluster::new(THREE);
    c.roll_over_at = 8;
    for sid in [1, 2, 3] {
        c.start(sid);
    }
    c.run(3000);
    c.story.clear();
    let (conn, _) = c.connect(1, None);
    for xid in 1..=20 {
        c.send(1, conn, xid, create(&format!("/n{xid}"), 0));
        assert_eq!(c.headers(conn), [(xid, 0)]);
    }
    let status = c.status(1);
    assert_eq!((status.epoch.0, status.leader.map(|s| s.0)), (3, Some(3)));
    assert!(c.story.iter().all(|s| !s.contains("Looking")));
}
