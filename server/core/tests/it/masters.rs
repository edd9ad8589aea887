//! Observers that follow a follower.

use crate::asks::{create, exists};
use crate::cluster::Cluster;

const OBSERVED: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n\
    server.4=d:2888:3888:observer\nserver.5=e:2888:3888:observer";

/// Three voters, of whom the third leads, and two observers behind the first.
fn observed() -> Cluster {
    let mut c = Cluster::new(OBSERVED);
    c.observer_masters = true;
    for sid in 1..=5 {
        c.start(sid);
    }
    c.run(3000);
    assert_eq!(c.leader(), Some(3));
    c
}

#[test]
fn observers_are_served_by_a_follower_and_their_clients_write() {
    let mut c = observed();
    let learners = |c: &Cluster, sid| -> Vec<i64> {
        let status = c.status(sid);
        let mut sids: Vec<i64> = status.learners.iter().map(|l| l.sid.0).collect();
        sids.sort_unstable();
        sids
    };
    assert_eq!(
        learners(&c, 3),
        [1, 2],
        "the leader has nothing to do with them"
    );
    assert_eq!(learners(&c, 1), [4, 5]);
    let [four, five] = [4, 5].map(|sid| c.connect(sid, None).0);
    c.send(5, five, 1, exists("/a", true));
    c.send(4, four, 1, create("/a", 0));
    assert_eq!(c.headers(four), [(1, 0)]);
    assert_eq!(c.headers(five), [(1, -101), (-1, 0)]);
    c.kill(1);
    c.run(3000);
    assert_eq!(learners(&c, 2), [4, 5], "another one takes them");
    let (again, _) = c.connect(4, None);
    c.send(4, again, 1, create("/b", 0));
    assert_eq!(c.headers(again), [(1, 0)]);
}

#[test]
fn nothing_comes_through_an_observer_that_a_session_has_left() {
    let mut c = observed();
    let (old, session) = c.connect(4, None);
    let (new, renewed) = c.connect(5, Some(&session));
    assert_eq!(renewed.session, session.session);
    c.send(4, old, 1, create("/late", 0));
    assert_eq!(c.headers(old), [], "its client is elsewhere");
    c.send(5, new, 1, exists("/late", false));
    c.send(5, new, 2, create("/a", 0));
    assert_eq!(c.headers(new), [(1, -101), (2, 0)]);
    // Back again: now it is the other one through which nothing comes.
    let (back, _) = c.connect(4, Some(&session));
    c.send(5, new, 3, create("/later", 0));
    c.send(4, back, 1, exists("/later", false));
    c.send(4, back, 2, create("/b", 0));
    assert_eq!(c.headers(back), [(1, -101), (2, 0)]);
}

#[test]
fn an_observer_that_missed_an_epoch_is_brought_level_by_a_follower() {
    let mut c = observed();
    c.kill(5);
    c.kill(3);
    c.run(3000);
    c.start(3);
    c.start(5);
    c.run(3000);
    assert!(c.status(5).serving);
    assert_eq!(c.status(5).epoch, c.status(3).epoch);
}
