//! A damaged server must not help to elect: of three servers one has missed writes, one lost its files,
//! and only the third has all that was acknowledged. Without it the two others must not serve.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::damage::{Damage, Role};
use super::place::VICTIM;
use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Ensemble, Kind, Settings, four_letter};
use crate::progress::Progress;

/// The server that misses writes.
const BEHIND: u8 = 2;

/// The server that has everything.
const WHOLE: u8 = 1;

/// Threads that write.
const WRITERS: usize = 2;

/// Writes that one server misses.
const MISSED: u64 = 150;

/// A log of so many bytes has several records.
const LOG_LEN_MIN: usize = 1500;

/// Several times what an election takes.
const WATCHED: Duration = Duration::from_secs(4);

/// Files, and the place of a flipped bit in tenths of their content; `None` removes them.
const CASES: [(Role, Option<usize>); 5] = [
    (Role::NewestLog, Some(3)),
    (Role::NewestSnapshot, Some(5)),
    (Role::AcceptedEpoch, None),
    (Role::CurrentEpoch, Some(0)),
    (Role::NewestLog, Some(5)),
];

/// Runs all cases, or the first three; returns how many.
///
/// # Errors
/// When the two serve, or something is lost.
pub(super) fn run(progress: &Progress, short: bool) -> Result<usize> {
    let settings = Settings {
        extra: vec!["snapCount=100".to_owned(), "preAllocSize=16".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(Kind::Quorate, 3, &settings)?;
    let cases = if short {
        CASES.get(..3).unwrap_or_default()
    } else {
        &CASES
    };
    let load = Load::start(&ensemble.addresses(), WRITERS)?;
    for (role, tenths) in cases {
        one(&mut ensemble, &load, *role, *tenths).with_context(|| format!("{role} {tenths:?}"))?;
    }
    let acknowledged = load.stop()?;
    kill_loop::check(&mut ensemble, &acknowledged)?;
    progress.say(format!("{} damaged servers did not vote", cases.len()));
    Ok(cases.len())
}

fn one(ensemble: &mut Ensemble, load: &Load, role: Role, tenths: Option<usize>) -> Result<()> {
    ensemble.server(BEHIND)?.kill()?;
    load.wait_progress(MISSED, START_LIMIT)?;
    let data = ensemble.server(VICTIM)?.data_directory();
    let directory = data.parent().context("no directory")?;
    // In the last record of a log damage cannot be told from a write that a crash tore.
    while written(&Role::NewestLog.file(directory)?)? < LOG_LEN_MIN {
        load.wait_progress(1, START_LIMIT)?;
    }
    ensemble.server(WHOLE)?.kill()?;
    ensemble.server(VICTIM)?.kill()?;
    let file = role.file(directory)?;
    let end = written(&file)?;
    let damage = tenths.map_or(Damage::Missing, |tenths| Damage::Flip {
        at: end * tenths / 10,
        bit: 7,
    });
    damage.inflict(&file)?;
    ensemble.server(BEHIND)?.start()?;
    ensemble.server(VICTIM)?.start()?;
    let began = Instant::now();
    while began.elapsed() < WATCHED {
        for id in [BEHIND, VICTIM] {
            let server = ensemble.server(id)?;
            if let Ok(mode) = four_letter::mode(server.client_address()) {
                bail!(
                    "server {id} is {mode}, though {} is damaged ({damage}) and the other server \
                     misses writes",
                    file.display()
                );
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    load.wait_progress(1, START_LIMIT)
}

/// Bytes of a file without the zeros at its end.
fn written(file: &Path) -> Result<usize> {
    let content = fs::read(file)?;
    Ok(content.iter().rposition(|byte| *byte != 0).unwrap_or(0))
}
