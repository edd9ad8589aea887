//! The operator ends at each failpoint of each operation, early and late, or gets an error there.

use super::World;
use super::story::{OPERATIONS, Operation, Reached, outcome, tell};
use crate::failpoints::{Action, Site, Switch};

/// An operation that nobody disturbs, and how often it reaches each failpoint.
async fn undisturbed(operation: &Operation) -> (World, Reached) {
    let world = World::new(operation.prepare().await);
    let reached = tell(&world, |_| Vec::new()).await.unwrap();
    (world, reached)
}

/// The first operator ends when it first comes to the failpoint, the next two in the middle of what there
/// is to do.
fn kills(site: Site, often: u32, number: u32) -> Vec<Switch> {
    let nth = match number {
        1 => 1,
        2 => often / 2 + 1,
        3 => often / 3 + 1,
        _ => return Vec::new(),
    };
    let action = Action::Unwind;
    vec![Switch { site, nth, action }]
}

/// The first operator gets an error at the failpoint, early, and in the middle.
fn errors(site: Site, often: u32, number: u32) -> Vec<Switch> {
    let times = [1, 2, often / 2 + 1, often / 2 + 2];
    let switch = |nth| Switch {
        site,
        nth,
        action: Action::Error,
    };
    let first = number == 1;
    times.into_iter().filter(|_| first).map(switch).collect()
}

/// Runs the operation once for each failpoint that it reaches.
async fn disturb(operation: &Operation, how: impl Fn(Site, u32, u32) -> Vec<Switch>) {
    let (world, reached) = undisturbed(operation).await;
    let expected = outcome(&world);
    let start = operation.prepare().await;
    for (site, often) in reached {
        let world = World::new(start.clone());
        let told = tell(&world, |number| how(site, often, number)).await;
        let told = told.map_err(|why| format!("{} at {site}: {why}", operation.name));
        assert_eq!(told.err(), None);
        assert_eq!(outcome(&world), expected, "{} at {site}", operation.name);
    }
}

#[tokio::test]
async fn formation_goes_on_where_an_operator_ended() {
    disturb(&OPERATIONS[0], kills).await;
}

#[tokio::test]
async fn restarts_go_on_where_an_operator_ended() {
    disturb(&OPERATIONS[1], kills).await;
}

#[tokio::test]
async fn scaling_goes_on_where_an_operator_ended() {
    disturb(&OPERATIONS[2], kills).await;
}

#[tokio::test]
async fn observers_go_on_where_an_operator_ended() {
    disturb(&OPERATIONS[3], kills).await;
}

#[tokio::test]
async fn growth_of_volumes_goes_on_where_an_operator_ended() {
    disturb(&OPERATIONS[4], kills).await;
}

#[tokio::test]
async fn certificates_come_where_an_operator_ended() {
    disturb(&OPERATIONS[5], kills).await;
}

#[tokio::test]
async fn settings_come_where_an_operator_ended() {
    disturb(&OPERATIONS[6], kills).await;
}

#[tokio::test]
async fn voters_outlive_an_error_of_every_call() {
    for operation in &OPERATIONS[..3] {
        disturb(operation, errors).await;
    }
}

#[tokio::test]
async fn all_else_outlives_an_error_of_every_call() {
    for operation in &OPERATIONS[3..] {
        disturb(operation, errors).await;
    }
}
