//! Ensembles form on somebody's word, and servers that are in no list join without a vote, whatever is
//! on their disks.

use zk_core::Trust;
use zk_wire::client::Request;
use zk_wire::client::request::ReconfigRequest;
use zk_wire::election::ServerState;
use zk_wire::membership::{Membership, Role};

use crate::asks::create;
use crate::cluster::Cluster;

/// Longer than several elections.
const LONG_MS: u64 = 10_000;

fn line(sid: i64) -> String {
    format!("server.{sid}=h{sid}:2888:3888:participant;0.0.0.0:2181")
}

fn list(sids: &[i64], version: i64) -> String {
    let lines: Vec<String> = sids.iter().map(|sid| line(*sid)).collect();
    format!("{}\nversion={version:x}", lines.join("\n"))
}

/// `sids` with empty disks, none of which gives a vote by itself.
fn empty(sids: &[i64]) -> Cluster {
    let mut c = Cluster::new(&list(sids, 0));
    c.auth.skip_acl = true;
    c.autocreate = false;
    c.reconfig.standalone_enabled = false;
    for sid in sids {
        c.start(*sid);
    }
    c.run(LONG_MS);
    assert_eq!(c.leader(), None, "nobody vouched for them");
    c
}

fn formed(sids: &[i64]) -> Cluster {
    let mut c = empty(sids);
    for sid in sids {
        c.form(*sid);
    }
    c.run(LONG_MS);
    assert!(c.leader().is_some());
    c
}

fn change(joining: &[i64], leaving: &[i64]) -> Request {
    let joining: Vec<String> = joining.iter().map(|sid| line(*sid)).collect();
    let leaving: Vec<String> = leaving.iter().map(ToString::to_string).collect();
    Request::Reconfig(ReconfigRequest {
        joining: Some(joining.join(",")),
        leaving: Some(leaving.join(",")),
        new_members: None,
        from_config: -1,
    })
}

/// Changes the members through the leader; gives the new config.
fn reconfig(c: &mut Cluster, joining: &[i64], leaving: &[i64]) -> Membership {
    let leader = c.leader().unwrap();
    let (conn, _) = c.connect(leader, None);
    c.send(leader, conn, 1, change(joining, leaving));
    c.run(1000);
    assert_eq!(c.headers(conn).first(), Some(&(1, 0)));
    c.status(leader).configs.unwrap().committed
}

fn stop(c: &mut Cluster, sids: &[i64]) {
    for sid in sids {
        c.kill(*sid);
    }
}

fn said(c: &Cluster, sid: i64, what: &str) -> bool {
    let start = format!("{sid}: ");
    let mut lines = c.story.iter();
    lines.any(|line| line.starts_with(&start) && line.contains(what))
}

#[test]
fn an_ensemble_forms_on_somebodys_word() {
    let mut c = empty(&[1, 2, 3]);
    assert_eq!(c.status(1).history, Trust::Lost);
    c.form(1);
    c.run(LONG_MS);
    assert!(said(&c, 1, "Formed") && c.status(1).has_vote);
    assert_eq!(c.leader(), None, "one of three");
    c.form(2);
    c.run(LONG_MS);
    assert_eq!(c.leader(), Some(2));
    // The third is brought level, which is as good, and to ask again does no harm.
    assert!(c.status(3).has_vote && c.status(3).serving);
    for sid in [1, 2, 3] {
        c.form(sid);
    }
    assert!(said(&c, 3, "Formed") && !c.story.iter().any(|s| s.contains("FormRefused")));
    assert_eq!(c.leader(), Some(2), "nobody is disturbed");
    // The word outlives a restart, until there is something to lose.
    stop(&mut c, &[1, 2, 3]);
    for sid in [1, 2] {
        c.start(sid);
    }
    c.run(LONG_MS);
    assert_eq!(c.leader(), Some(2));
}

#[test]
fn nobody_vouches_for_who_had_a_history_or_is_no_member() {
    let mut c = formed(&[1, 2, 3]);
    let (conn, _) = c.connect(3, None);
    c.run(100);
    c.take(conn);
    stop(&mut c, &[1, 2, 3]);
    c.wipe(1);
    c.start(1);
    assert_eq!(c.status(1).history, Trust::Lost);
    c.start(2);
    c.run(LONG_MS);
    assert_eq!(c.leader(), None, "one that lost everything does not help");
    c.start(3);
    c.run(LONG_MS);
    assert!(c.leader().is_some());
    assert_eq!(c.status(1).history, Trust::Whole, "brought level");

    stop(&mut c, &[1, 2, 3]);
    c.join(4, &list(&[1, 2, 3], 0));
    c.form(4);
    assert!(said(&c, 4, "in no list of members"));
}

#[test]
fn a_server_in_no_list_joins_and_one_becomes_two() {
    let mut c = formed(&[1]);
    c.join(2, &list(&[1], 0));
    c.run(LONG_MS);
    assert!(c.status(2).joining && c.status(2).serving && !c.status(2).has_vote);
    let two = reconfig(&mut c, &[2], &[]);
    assert_eq!(two.voters().count(), 2);
    assert!(!c.status(2).joining && c.status(2).has_vote);
    c.kill(2);
    c.run(LONG_MS);
    assert_eq!(c.leader(), None, "one of two");
    c.start(2);
    c.run(LONG_MS);
    assert!(c.leader().is_some() && c.status(2).has_vote);
}

#[test]
fn an_observer_in_no_list_observes_whatever_becomes_of_the_members() {
    let mut c = formed(&[1]);
    c.outside = Role::Observer;
    c.join(5, &list(&[1], 0));
    c.run(LONG_MS);
    let observes = |c: &Cluster| {
        let five = c.status(5);
        (five.state, five.serving, five.has_vote) == (ServerState::Observing, true, false)
    };
    assert!(observes(&c), "with an empty disk");
    assert!(c.status(1).learners.iter().all(|l| l.synced && !l.voter));
    c.outside = Role::Participant;
    c.join(2, &list(&[1], 0));
    c.run(LONG_MS);
    let (conn, _) = c.connect(5, None);
    reconfig(&mut c, &[2], &[]);
    assert!(observes(&c));
    assert_eq!(c.status(5).configs.unwrap().committed.voters().count(), 2);
    c.send(5, conn, 1, create("/a", 0));
    c.run(100);
    assert_eq!(c.headers(conn), [(1, 0)], "on the same connection");
    stop(&mut c, &[1, 2]);
    c.run(LONG_MS);
    assert!(!c.status(5).serving);
    c.start(1);
    c.start(2);
    c.run(LONG_MS);
    assert!(observes(&c) && c.leader().is_some());
}

/// 2 and 3 come back as they were while they were the majority of three.
#[test]
fn retired_disks_do_not_form_an_ensemble_of_their_own() {
    let mut c = formed(&[1, 2, 3]);
    let (two, three) = (c.disk(2), c.disk(3));
    let one = reconfig(&mut c, &[], &[2, 3]);
    assert_eq!(one.voters().count(), 1);
    c.run(LONG_MS);
    assert_eq!(c.leader(), Some(1));
    stop(&mut c, &[1, 2, 3]);
    c.put_disk(2, two.clone());
    c.put_disk(3, three.clone());
    c.set_file(&list(&[1], one.version));
    for sid in [2, 3] {
        c.start(sid);
        assert_eq!(c.status(sid).history, Trust::Whole, "the disk is trusted");
    }
    c.run(LONG_MS);
    assert_eq!(c.leader(), None, "neither elects the other");
    c.start(1);
    c.run(LONG_MS);
    assert_eq!(c.leader(), Some(1));
    for sid in [2, 3] {
        assert!(c.status(sid).joining && !c.status(sid).has_vote && c.status(sid).serving);
    }

    // Two disks of then and one list of then: what the other one has of the members is believed.
    stop(&mut c, &[1, 2, 3]);
    c.put_disk(2, two);
    c.put_disk(3, three);
    c.start(3);
    c.set_file(&list(&[1, 2, 3], 0));
    c.start(2);
    c.run(LONG_MS);
    assert_eq!(c.leader(), None, "the older list is not enough");
    assert!(c.status(2).joining);
}

/// The config that has 2 is proposed, 2 loses its disk, and nobody who knows the config names it.
#[test]
fn a_joiner_that_lost_its_disk_does_not_help_to_elect() {
    let mut c = formed(&[1]);
    c.join(2, &list(&[1], 0));
    c.run(LONG_MS);
    let (conn, _) = c.connect(1, None);
    c.send_until(1, conn, (1, change(&[2], &[])), "1 says PROPOSAL");
    stop(&mut c, &[1, 2]);
    let two = c.disk(2);
    c.wipe(2);
    c.start(1);
    let proposed = c.status(1).configs.unwrap().proposed;
    assert!(proposed.is_some(), "from its log");
    c.set_file(&list(&[1], 0));
    let before = c.story.len();
    c.start(2);
    c.run(LONG_MS);
    assert!(c.status(2).joining);
    let story = c.story[before..].join("\n");
    assert!(
        !story.contains("Leading"),
        "it may have acknowledged something: {story}"
    );
    c.kill(2);
    c.put_disk(2, two);
    c.start(2);
    c.run(LONG_MS);
    assert!(c.leader().is_some(), "with its disk it helps");
    assert!(c.status(2).has_vote, "and the change is carried out");
}
