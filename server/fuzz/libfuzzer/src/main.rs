//! Searches for inputs that break a target, by coverage. `QUORATE_FUZZ_TARGET` names the target;
//! `fuzz.sh` beside this package builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use zk_fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("QUORATE_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = zk_fuzz::target(&name) else {
        let names: Vec<_> = zk_fuzz::TARGETS.iter().map(|t| t.name).collect();
        eprintln!(
            "QUORATE_FUZZ_TARGET={name:?} is none of {}",
            names.join(", ")
        );
        std::process::exit(2);
    };
    target
});

/// Writes the target's seeds and ends, when that is all that was asked for. Before the search is set
/// up: libFuzzer takes the end of the process for a finding later on.
fn write_seeds() {
    let Ok(dir) = std::env::var("QUORATE_FUZZ_SEEDS") else {
        return;
    };
    for (number, seed) in (TARGET.seeds)().iter().enumerate() {
        let file = std::path::Path::new(&dir).join(format!("seed-{number}"));
        if let Err(why) = std::fs::write(&file, seed) {
            eprintln!("{}: {why}", file.display());
            std::process::exit(2);
        }
    }
    std::process::exit(0);
}

fuzz_target!(init: write_seeds(), |data: &[u8]| (TARGET.run)(data));
