//! Calls that fail, on one file of one server at a time: the server stops, or goes on where it may, and
//! says which file and what to do; the others serve on; on the mended disk it comes back with all.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::bad_disk::{BadDisk, Call, Failure, Fault};
use super::place::{self, VICTIM};
use super::sweep::REMEDIES;
use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Ensemble, Kind, Settings, wait_for};
use crate::progress::Progress;

/// Threads that write.
const WRITERS: usize = 3;

/// How long a server may take to notice.
const LIMIT: Duration = Duration::from_secs(30);

/// Writes that the others must take meanwhile.
const MEANWHILE: u64 = 50;

/// What makes the server use the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Clients write.
    Load,
    /// Another epoch begins.
    Election,
    /// The server starts.
    Start,
    /// The server starts, and the file is not there yet.
    FirstStart,
    /// The members change.
    Reconfiguration,
}

/// Every file with every call, when it is used.
const CASES: [(&str, Occasion, &[Call]); 9] = [
    ("log.", Occasion::Load, &[Call::Write, Call::Sync]),
    ("snapshot.", Occasion::Load, &[Call::Write, Call::Sync]),
    (
        "acceptedEpoch",
        Occasion::Election,
        &[Call::Write, Call::Sync],
    ),
    (
        "currentEpoch",
        Occasion::Election,
        &[Call::Write, Call::Sync],
    ),
    ("identity", Occasion::FirstStart, &[Call::Write, Call::Sync]),
    (
        ".dynamic.",
        Occasion::Reconfiguration,
        &[Call::Write, Call::Sync],
    ),
    ("log.", Occasion::Start, &[Call::Read]),
    ("acceptedEpoch", Occasion::Start, &[Call::Read]),
    ("myid", Occasion::Start, &[Call::Read]),
];

/// More reads at a start, for the long form.
const MORE_READS: [&str; 4] = ["snapshot.", "currentEpoch", "identity", ".dynamic."];

/// Runs all cases, or those of a short form; returns how many there were.
///
/// # Errors
/// When a server neither stops nor says what to do, or something is lost.
pub(super) fn run(progress: &Progress, short: bool) -> Result<usize> {
    let settings = Settings {
        extra: [
            "snapCount=150",
            "preAllocSize=16",
            "quorate.ensembleId=disks",
            "reconfigEnabled=true",
            "skipACL=yes",
        ]
        .map(str::to_owned)
        .into(),
        ..Settings::default()
    };
    let mut ensemble = Ensemble::configured(&[Kind::Quorate; 3], &settings)?;
    let server = ensemble.server(VICTIM)?;
    let data = server.data_directory();
    let disk = BadDisk::mounted_at(data.parent().context("no directory")?)?;
    fs::create_dir(&data)?;
    ensemble.configure()?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    place::reconfigure(&mut ensemble)?;
    let load = Load::start(&ensemble.addresses(), WRITERS)?;
    let mut story = Story {
        ensemble,
        disk,
        load,
    };
    let mut done = 0;
    for (name, occasion, call, failure) in all(short) {
        let fault = Fault {
            call,
            name,
            failure,
        };
        story
            .fail(fault, occasion)
            .with_context(|| format!("{failure:?} at {call:?} of {name}: {}", story.said()))?;
        done += 1;
    }
    progress.say(format!("{done} kinds of failing calls"));
    // A server's end must not be held up by its disk.
    let acknowledged = story.load.stop()?;
    kill_loop::check(&mut story.ensemble, &acknowledged)?;
    for server in &mut story.ensemble.servers {
        server.kill()?;
    }
    Ok(done)
}

fn all(short: bool) -> Vec<(&'static str, Occasion, Call, Failure)> {
    let mut all = Vec::new();
    for (name, occasion, calls) in CASES {
        for call in calls {
            all.push((name, occasion, *call, Failure::Eio));
            if *call == Call::Write && !(short && occasion == Occasion::Election) {
                all.push((name, occasion, *call, Failure::Enospc));
            }
        }
    }
    if !short {
        let more = MORE_READS.map(|name| (name, Occasion::Start, Call::Read, Failure::Eio));
        all.extend(more);
    }
    all
}

struct Story {
    ensemble: Ensemble,
    disk: BadDisk,
    load: Load,
}

impl Story {
    fn fail(&mut self, fault: Fault, occasion: Occasion) -> Result<()> {
        let log = self.ensemble.server(VICTIM)?.log_path();
        if matches!(occasion, Occasion::Start | Occasion::FirstStart) {
            self.ensemble.server(VICTIM)?.terminate()?;
        }
        // The server that runs keeps its place in the file.
        fs::OpenOptions::new().write(true).open(&log)?.set_len(0)?;
        if occasion == Occasion::FirstStart {
            let data = self.ensemble.server(VICTIM)?.data_directory();
            fs::remove_file(data.join("quorate.identity"))?;
        }
        self.disk.set(Some(fault));
        match occasion {
            Occasion::Load => {}
            Occasion::Election => {
                let leader = self.ensemble.leader()?;
                self.ensemble.server(leader)?.kill()?;
                self.ensemble.start_all()?;
            }
            Occasion::Start | Occasion::FirstStart => self.ensemble.start_all()?,
            Occasion::Reconfiguration => place::reconfigure(&mut self.ensemble)?,
        }
        let disk = &self.disk;
        wait_for("a call that fails", LIMIT, || match disk.hits() {
            0 => Err("none did".into()),
            _ => Ok(()),
        })?;
        if occasion != Occasion::Reconfiguration {
            self.ended()?;
        }
        self.named(fault)?;
        self.load
            .wait_progress(MEANWHILE, START_LIMIT)
            .context("the others")?;
        self.disk.set(None);
        self.ensemble.start_all()?;
        self.ensemble.wait_serving()
    }

    /// The server stops by itself.
    fn ended(&mut self) -> Result<()> {
        let server = self.ensemble.server(VICTIM)?;
        let status = server.process()?.wait(LIMIT)?;
        ensure!(!status.success(), "it ended with {status}");
        server.kill()
    }

    /// It says which file, and what to do.
    fn named(&mut self, fault: Fault) -> Result<()> {
        let server = self.ensemble.server(VICTIM)?;
        let directory = server.config_path();
        let directory = directory.parent().context("no directory")?;
        let directory = directory.display().to_string();
        let said = wait_for("what the server says", LIMIT, || {
            let said = self.said();
            let line = said.lines().find(|line| {
                line.contains(&directory) && line.contains(fault.name) && line.contains("os error")
            });
            line.map(str::to_owned).ok_or("nothing".into())
        })?;
        ensure!(
            REMEDIES.iter().any(|remedy| said.contains(remedy)),
            "it names no remedy: {said}"
        );
        Ok(())
    }

    fn said(&self) -> String {
        let server = self.ensemble.servers.iter().find(|s| s.id == VICTIM);
        let log = server.map(|server| server.log_path()).unwrap_or_default();
        fs::read_to_string(log).unwrap_or_default()
    }
}
