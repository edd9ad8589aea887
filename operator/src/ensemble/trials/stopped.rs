//! Two operators at once: a call of the first hangs until its Lease has run out and the second works, and
//! then comes back.

use std::sync::Arc;

use super::World;
use super::life::{End, live};
use super::story::{OPERATIONS, Operation, lease_runs_out, outcome, tell};
use crate::failpoints::{Action, Failpoints, Gate, Site, Switch, When};

/// Reconciles of the second operator while the first one hangs.
const MEANWHILE: u32 = 3;

/// Reconciles of the first operator, if it is not stopped.
const MAX: u32 = 600;

/// A call that only the holder of the Lease may make. On the way it is not asked whether it still is:
/// that it does not arrive late, the time that it may take sees to.
fn is_disruptive(call: &str) -> bool {
    call.starts_with("delete-") || call == "form-server"
}

/// Hangs at this failpoint, and comes back when another operator works.
async fn hang(world: &World, site: Site, nth: u32) {
    let gate = Arc::new(Gate::default());
    let action = Action::Hang(gate.clone());
    let failpoints = Failpoints::new(vec![Switch { site, nth, action }]);
    let first = live(world, "first", &failpoints, MAX);
    tokio::pin!(first);
    tokio::select! {
        end = &mut first => panic!("it does not hang: {end:?}"),
        () = gate.reached.notified() => {}
    }
    lease_runs_out(world);
    let second = live(world, "second", &Failpoints::default(), MEANWHILE).await;
    assert!(matches!(second, End::Exhausted | End::Rests), "{second:?}");
    gate.open.notify_one();
    let end = first.await;
    assert!(matches!(end, End::Lost | End::Rests), "{end:?}");
    lease_runs_out(world);
}

async fn operators_take_turns(operation: &Operation) {
    let start = operation.prepare().await;
    let world = World::new(start.clone());
    let reached = tell(&world, |_| Vec::new()).await.unwrap();
    let expected = outcome(&world);
    let may_hang = |site: &Site| site.when == When::After || !is_disruptive(site.call);
    for (site, often) in reached.into_iter().filter(|(site, _)| may_hang(site)) {
        let world = World::new(start.clone());
        hang(&world, site, often / 2 + 1).await;
        let told = tell(&world, |_| Vec::new()).await;
        let told = told.map_err(|why| format!("{} at {site}: {why}", operation.name));
        assert_eq!(told.err(), None);
        assert_eq!(outcome(&world), expected, "{} at {site}", operation.name);
    }
}

#[tokio::test]
async fn an_operator_that_hung_does_nothing_disruptive_any_more() {
    for operation in &OPERATIONS {
        operators_take_turns(operation).await;
    }
}
