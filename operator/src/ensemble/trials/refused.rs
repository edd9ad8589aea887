//! The API server answers with refusals, cuts connections and goes away, at random.

use super::World;
use super::answers::Answers;
use super::story::{OPERATIONS, outcome, tell};

/// Seeds for each operation; `QUORATE_SEED` chooses another one alone.
const SEEDS: u64 = 4;

/// Of a hundred requests so many go wrong.
const PERCENT: u64 = 4;

fn seeds() -> Vec<u64> {
    let asked = std::env::var("QUORATE_SEED").ok();
    asked.map_or((1..=SEEDS).collect(), |text| {
        vec![text.parse().expect("QUORATE_SEED is a number")]
    })
}

#[tokio::test]
async fn every_operation_outlives_an_api_server_on_its_bad_days() {
    for operation in &OPERATIONS {
        let start = operation.prepare().await;
        let world = World::new(start.clone());
        tell(&world, |_| Vec::new()).await.unwrap();
        let expected = outcome(&world);
        for seed in seeds() {
            let world = World::new(start.clone());
            world.cluster().answers = Some(Answers::new(seed, PERCENT));
            let told = tell(&world, |_| Vec::new()).await;
            let told = told.map_err(|why| format!("{}, seed {seed}: {why}", operation.name));
            assert_eq!(told.err(), None);
            assert_eq!(outcome(&world), expected, "{}, seed {seed}", operation.name);
        }
    }
}
