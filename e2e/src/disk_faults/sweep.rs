//! Every file of a stopped server is damaged in every way, each time on a good directory: the server
//! must come back with everything that was acknowledged, or stop and name the file and what to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::damage::{Damage, Role};
use super::place::{Place, VICTIM};
use crate::faults::random::Random;
use crate::peers::{four_letter, wait_for};
use crate::progress::Progress;

/// How long a server may take to come back or to stop.
const LIMIT: Duration = Duration::from_secs(30);

/// What a message that names a remedy says.
pub(super) const REMEDIES: [&str; 11] = [
    "copy ",
    "make room",
    "check the ",
    "set the file aside",
    "set the directory aside",
    "restore ",
    "write ",
    "correct ",
    "remove ",
    "give this server ",
    "make the directory writable",
];

/// How often each came out for a kind of file.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Outcomes {
    /// It came back without a word: what was lost it had never promised, or was of no use.
    pub(super) unnoticed: u32,
    /// It said what is damaged, and came back.
    pub(super) healed: u32,
    /// It stopped, naming the file and a remedy.
    pub(super) refused: u32,
}

/// Damages each kind of file `samples` times.
///
/// # Errors
/// When a server does neither; the text says what was damaged how.
pub(super) fn run(
    progress: &Progress,
    place: &mut Place,
    samples: usize,
    seed: u64,
) -> Result<BTreeMap<Role, Outcomes>> {
    let mut random = Random::new(seed);
    let mut all = BTreeMap::new();
    for role in Role::ALL {
        let mut outcomes = Outcomes::default();
        place.restore()?;
        let content = fs::read(role.file(&place.directory()?)?).unwrap_or_default();
        for damage in Damage::choose(&content, samples, &mut random) {
            place.restore()?;
            let file = role.file(&place.directory()?)?;
            damage.inflict(&file)?;
            place.write_late()?;
            let outcome = start(place, &file);
            let counter = match outcome.with_context(|| format!("{}: {damage}", file.display()))? {
                Outcome::Unnoticed => &mut outcomes.unnoticed,
                Outcome::Healed => &mut outcomes.healed,
                Outcome::Refused => &mut outcomes.refused,
            };
            *counter += 1;
        }
        progress.say(format!(
            "{role}: {} times as if nothing was, {} healed, {} refused",
            outcomes.unnoticed, outcomes.healed, outcomes.refused
        ));
        all.insert(role, outcomes);
    }
    place.restore()?;
    place.ensemble.start_all()?;
    place.ensemble.wait_serving()?;
    place.check()?;
    place.check_all()?;
    Ok(all)
}

enum Outcome {
    Unnoticed,
    Healed,
    Refused,
}

fn start(place: &mut Place, file: &Path) -> Result<Outcome> {
    let server = place.ensemble.server(VICTIM)?;
    server.start()?;
    let began = Instant::now();
    let address = server.client_address();
    let process = server.process()?;
    let ended: Option<ExitStatus> = wait_for("a server that serves or stops", LIMIT, || {
        if let Ok(Some(status)) = process.ended() {
            return Ok(Some(status));
        }
        match four_letter::mode(address) {
            Ok(_) => Ok(None),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .with_context(|| said(place))?;
    let outcome = match ended {
        Some(status) => {
            let said = said(place);
            ensure!(!status.success(), "it ended with {status}: {said}");
            let name = file.display().to_string();
            ensure!(said.contains(&name), "it does not name the file: {said}");
            ensure!(
                REMEDIES.iter().any(|remedy| said.contains(remedy)),
                "it names no remedy: {said}"
            );
            Outcome::Refused
        }
        None => {
            place.check().with_context(|| said(place))?;
            let said = said(place);
            if said.contains(&file.display().to_string()) {
                Outcome::Healed
            } else {
                Outcome::Unnoticed
            }
        }
    };
    if began.elapsed() > LIMIT {
        bail!("it took {:.1} s", began.elapsed().as_secs_f32());
    }
    place.ensemble.server(VICTIM)?.kill()?;
    Ok(outcome)
}

/// What the victim said since its directory was restored.
fn said(place: &mut Place) -> String {
    let server = place.ensemble.server(VICTIM);
    let log = server.map(|server| server.log_path()).unwrap_or_default();
    fs::read_to_string(log).unwrap_or_default()
}
