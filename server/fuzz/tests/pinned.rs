//! What once broke a decoder breaks it no more, and some thousand damaged inputs do not either.

use std::path::Path;

use zk_fuzz::{Noise, TARGETS};

/// Damaged inputs per target; a target that opens a directory for each takes some 0.1 ms for one.
const ROUNDS: usize = 3000;

#[test]
fn pinned_inputs_are_taken() {
    for target in TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("pinned")
            .join(target.name);
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            println!("{} {:?}", target.name, entry.file_name());
            (target.run)(&std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn seeds_are_well_formed_and_noise_is_taken() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} starts from something", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        let mut noise = Noise::new(1, seeds);
        for _ in 0..ROUNDS {
            (target.run)(&noise.input());
        }
    }
}
