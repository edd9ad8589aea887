//! How far behind the leader finds its learners.

use zk_core::Mono;
use zk_core::status::LearnerStatus;

use crate::asks::create;
use crate::cluster::Cluster;

const OBSERVED: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n\
    server.4=d:2888:3888:observer";

/// Learners that are behind in any way.
fn behind(c: &Cluster) -> Vec<LearnerStatus> {
    let learners = c.status(3).learners.into_iter();
    let is_behind =
        |l: &LearnerStatus| !l.synced || l.lag_txns > 0 || l.lag_ms(Mono::from_ms(u64::MAX)) > 0;
    learners.filter(is_behind).collect()
}

#[test]
fn who_is_level_shows_no_lag_at_rest_and_under_writes() {
    let mut c = Cluster::new(OBSERVED);
    for sid in 1..=4 {
        c.start(sid);
    }
    c.run(3000);
    assert_eq!(c.leader(), Some(3));
    assert_eq!(c.status(3).learners.len(), 3);
    for _ in 0..40 {
        c.run(70);
        assert_eq!(behind(&c), []);
    }
    let (client, _) = c.connect(1, None);
    for n in 0..40 {
        c.send(1, client, n + 1, create(&format!("/n{n}"), 0));
        c.run(70);
        assert_eq!(behind(&c), []);
    }
}

#[test]
fn who_comes_late_is_level_when_it_is_synchronized() {
    let mut c = Cluster::new(OBSERVED);
    for sid in 1..=3 {
        c.start(sid);
    }
    c.run(3000);
    let (client, _) = c.connect(3, None);
    for n in 0..20 {
        c.send(3, client, n + 1, create(&format!("/n{n}"), 0));
    }
    c.start(4);
    c.run(3000);
    assert_eq!(c.status(3).learners.len(), 3);
    assert_eq!(behind(&c), []);
}
