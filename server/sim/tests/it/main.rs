//! Seeds that must end well, the same seed twice, and the known mistakes.

use zk_core::Bugs;
use zk_sim::{RunConfig, run_seed};

fn config(seed: u64, servers: u8) -> RunConfig {
    RunConfig {
        seed,
        servers: Some(servers),
        reconfigs: Some(false),
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
        "quorate-sim --seed {} --servers {} --reconfigs {} --steps {}",
        config.seed,
        config.servers.unwrap_or(3),
        config.reconfigs.unwrap_or_default(),
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

#[test]
fn seeds_with_reconfigurations_end_well() {
    for (seed, servers) in [(1, 3), (2, 3), (3, 5), (4, 3), (5, 5), (6, 3)] {
        check(&RunConfig {
            reconfigs: Some(true),
            ..config(seed, servers)
        });
    }
}

/// Seeds that once failed, each with what it had found.
#[test]
fn pinned_seeds_end_well() {
    for (seed, story) in [
        (
            31,
            "power failed in a batch of which the disk kept a later sector and not the first",
        ),
        (
            43,
            "a voter promised an epoch that nobody established, and could follow no lower one",
        ),
        (675, "the same with five servers"),
        (
            287,
            "a server that had been elected and then lost its history was led to lead by its followers",
        ),
    ] {
        println!("{story}");
        check(&RunConfig {
            servers: None,
            steps: 15_000,
            ..config(seed, 3)
        });
    }
}

#[test]
fn known_mistakes_of_reconfigurations_break_the_invariant_that_names_them() {
    for (bug, invariant) in [
        ("ignores_proposed_config", "durability"),
        ("reconfig_commits_without_new_quorum", "durability"),
        ("adopts_config_of_joiner", "configs"),
    ] {
        let bugs = Bugs::named(bug).unwrap();
        let run = |seed| {
            run_seed(&RunConfig {
                bugs,
                reconfigs: Some(true),
                ..config(seed, 3)
            })
            .violation
        };
        let found = (1..=20).find_map(run);
        assert_eq!(found.map(|v| v.invariant), Some(invariant), "{bug}");
    }
}

/// The mistakes that nearly every seed finds; `quorate-sim bugs` looks for all of them.
#[test]
fn known_mistakes_break_the_invariant_that_names_them() {
    for (bug, invariant) in [
        ("ack_before_durable", "durability"),
        ("commit_without_quorum", "durability"),
        ("current_epoch_too_late", "epochs"),
        ("expire_during_election", "session expiry"),
    ] {
        let bugs = Bugs::named(bug).unwrap();
        let run = |seed| {
            run_seed(&RunConfig {
                bugs,
                ..config(seed, 3)
            })
            .violation
        };
        let found = (1..=20).find_map(run);
        assert_eq!(found.map(|v| v.invariant), Some(invariant), "{bug}");
    }
}
