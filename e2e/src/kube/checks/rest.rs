//! An ensemble that is as wished is left alone: the operator looks, and writes nothing.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Bench, READY_LIMIT};

/// More than two looks of the operator at an ensemble at rest.
const WATCHED: Duration = Duration::from_secs(65);

/// What the operator writes but its Lease.
const KINDS: [&str; 7] = [
    "configmaps",
    "services",
    "statefulsets",
    "poddisruptionbudgets",
    "networkpolicies",
    "persistentvolumeclaims",
    "zkensembles",
];

/// Verbs by which objects change, as the API server counts them.
const VERBS: [&str; 5] = ["APPLY", "PATCH", "POST", "PUT", "DELETE"];

/// A long rest.
const LONG: Duration = Duration::from_secs(600);

/// Counts, at the API server, what is written while nothing has to be.
pub(super) fn nothing_is_written_at_rest(bench: &Bench<'_>) -> Result<String> {
    watch(bench, WATCHED)
}

/// The same for ten minutes.
pub(super) fn nothing_in_ten_minutes(bench: &Bench<'_>) -> Result<String> {
    watch(bench, LONG)
}

fn watch(bench: &Bench<'_>, watched: Duration) -> Result<String> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let before = writes(bench)?;
    ensure!(before > 0, "the API server counts nothing by these names");
    std::thread::sleep(watched);
    let after = writes(bench)?;
    ensure!(
        before == after,
        "{} writes in {} s",
        after - before,
        watched.as_secs()
    );
    Ok(format!("no write in {} s", watched.as_secs()))
}

fn writes(bench: &Bench<'_>) -> Result<u64> {
    let text = bench.zke.kubectl.run(&["get", "--raw", "/metrics"])?;
    let lines = text
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"));
    let counted = lines.filter(|line| {
        let has = |label: &str, values: &[&str]| {
            let mut values = values.iter();
            values.any(|value| line.contains(&format!("{label}=\"{value}\"")))
        };
        has("resource", &KINDS) && has("verb", &VERBS)
    });
    let counts = counted.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    Ok(counts.sum())
}
