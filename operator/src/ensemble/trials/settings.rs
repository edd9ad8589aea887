//! Settings that servers take while they run come to all of them, and nobody is restarted for it, unless the
//! servers take none.

use std::collections::BTreeSet;

use super::World;
use super::story::{OPERATIONS, tell};

/// Changes the settings of an ensemble at rest; returns the uids of its pods before and after.
async fn change(take_settings: bool) -> [BTreeSet<String>; 2] {
    let operation = OPERATIONS.iter().find(|o| o.name == "settings");
    let mut cluster = operation.unwrap().prepare().await;
    cluster.take_settings = take_settings;
    let mut settings = cluster.wishes.split_off(1);
    let world = World::new(cluster);
    tell(&world, |_| Vec::new()).await.unwrap();
    super::story::lease_runs_out(&world);
    let uids = || -> BTreeSet<String> {
        let cluster = world.cluster();
        cluster.pods.values().map(|pod| pod.uid.clone()).collect()
    };
    let before = uids();
    assert_eq!(before.len(), 4);
    world.cluster().wishes.append(&mut settings);
    tell(&world, |_| Vec::new()).await.unwrap();
    let cluster = world.cluster();
    let wanted = cluster.revision_of_settings();
    assert!(wanted.is_some());
    for pod in cluster.pods.values() {
        assert_eq!(pod.settings, wanted, "{}", pod.name);
    }
    drop(cluster);
    [before, uids()]
}

#[tokio::test]
async fn nobody_is_restarted_for_a_setting_that_servers_take() {
    let [before, after] = change(true).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn servers_that_take_none_are_restarted() {
    let [before, after] = change(false).await;
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
}
