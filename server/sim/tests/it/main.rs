//! Seeds that must end well, the same seed twice, and the known mistakes.

use zk_core::Bugs;
use zk_sim::{RunConfig, run_seed};

fn config(seed: u64, servers: u8) -> RunConfig {
    RunConfig {
        seed,
        servers: Some(servers),
        steps: 6_000,
        bugs: Bugs::default(),
        trace: false,
        effects_only: false,
    }
}

/// Runs one seed; the failure names the command that repeats it.
#[track_caller]
fn check(config: &RunConfig) {
    let command = format!(
        "quorate-sim --seed {} --servers {} --steps {}",
        config.seed,
        config.servers.unwrap_or(3),
        config.steps
    );
    println!("{command}");
    let report = run_seed(config);
    if let Some(violation) = report.violation {
        panic!("{violation}\nreplay: {command} --trace");
    }
    assert!(report.counts.writes > 0, "no write succeeded: {report:?}");
}

#[test]
fn one_seed_twice_gives_one_trace() {
    let config = config(8731, 3);
    let (first, second) = (run_seed(&config), run_seed(&config));
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(first.virtual_us, second.virtual_us);
    let other = run_seed(&RunConfig {
        seed: 8732,
        ..config
    });
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn seeds_of_three_servers_end_well() {
    for seed in 1..=6 {
        check(&config(seed, 3));
    }
}

#[test]
fn seeds_of_five_servers_end_well() {
    for seed in 1..=3 {
        check(&config(seed, 5));
    }
}

/// Each known mistake with a seed that found it, and the invariant that broke.
#[test]
fn known_mistakes_are_found_by_their_seeds() {
    for (bug, seed, invariant) in [
        ("ack_before_durable", 1, "durability"),
        ("commit_without_quorum", 1, "durability"),
        ("current_epoch_too_late", 1, "epochs"),
        ("expire_during_election", 2, "session expiry"),
    ] {
        let config = RunConfig {
            bugs: Bugs::named(bug).unwrap(),
            ..config(seed, 3)
        };
        println!("quorate-sim --seed {seed} --servers 3 --steps 6000 --bug {bug}");
        let violation = run_seed(&config).violation;
        assert_eq!(violation.map(|v| v.invariant), Some(invariant), "{bug}");
    }
}
