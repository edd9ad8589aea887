//! Two sets of servers with the same configuration, and a script that runs on both.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::heard::{self, Heards};
use super::reply::Known;
use super::script::{Line, Place, Step};
use super::side::Side;
use crate::peers::{Ensemble, Kind, Settings, four_letter, wait_for};

/// How long servers may take to see that they are alone.
const CUT_LIMIT: Duration = Duration::from_secs(60);

/// Where the two sets answered differently.
#[derive(Debug)]
pub struct Difference {
    /// Which step, from 0.
    pub at: usize,
    /// What was heard on both sides, printed.
    pub text: String,
}

/// Two sets of servers.
#[derive(Debug)]
pub struct Pair {
    kinds: [Kind; 2],
    ensembles: [Ensemble; 2],
    sides: [Side; 2],
    scripts: usize,
}

impl Pair {
    /// Starts both sets.
    ///
    /// # Errors
    /// When a server does not come up.
    pub fn start(kinds: [Kind; 2], servers: usize, settings: &Settings) -> Result<Self> {
        Self::start_with(kinds, servers, settings, None)
    }

    /// Starts both sets; each server finds this snapshot.
    ///
    /// # Errors
    /// When a server does not come up.
    pub fn start_with(
        kinds: [Kind; 2],
        servers: usize,
        settings: &Settings,
        snapshot: Option<&[u8]>,
    ) -> Result<Self> {
        let [left, right] = kinds;
        let earliest = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let earliest = i64::try_from(earliest)?;
        let mut ensembles = [
            Ensemble::configured(&vec![left; servers], settings)?,
            Ensemble::configured(&vec![right; servers], settings)?,
        ];
        for ensemble in &mut ensembles {
            for server in ensemble.servers.iter().filter(|_| snapshot.is_some()) {
                let directory = server.data_directory().join("version-2");
                fs::create_dir_all(&directory)?;
                fs::write(directory.join("snapshot.2"), snapshot.unwrap_or_default())?;
            }
            ensemble.start_all()?;
        }
        for ensemble in &mut ensembles {
            ensemble.wait_serving()?;
        }
        let [left, right] = &ensembles;
        let sides = [side_of(left, earliest)?, side_of(right, earliest)?];
        Ok(Self {
            kinds,
            ensembles,
            sides,
            scripts: 0,
        })
    }

    /// Runs a script on both, below a prefix that no script had before; stops at a difference.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub fn run(&mut self, lines: &[Line]) -> Result<Option<Difference>> {
        self.scripts += 1;
        let prefix = format!("/s{:07}", self.scripts);
        for side in &mut self.sides {
            side.start(&prefix)?;
        }
        let mut found = None;
        for (at, line) in lines.iter().enumerate() {
            let heard = self
                .step(&line.step)
                .with_context(|| format!("step {at}: {}", line.step))?;
            if let Some(text) = self.judge(line, &heard) {
                found = Some(Difference { at, text });
                break;
            }
        }
        for side in &mut self.sides {
            let ended = side.end();
            // A script may have killed its servers, or what it shows may have.
            let deadly = |line: &Line| line.step == Step::Cut || line.differs.is_some();
            if found.is_none() && !lines.iter().any(deadly) {
                ended?;
            }
        }
        Ok(found)
    }

    fn step(&mut self, step: &Step) -> Result<[Heards; 2]> {
        if *step == Step::Cut {
            for index in 0..2 {
                self.cut(index)?;
            }
        }
        let [left, right] = &mut self.sides;
        left.begin(step)?;
        right.begin(step)?;
        let mut heard = [left.answer(step)?, right.answer(step)?];
        let [left_heard, right_heard] = &mut heard;
        left.finish(step, left_heard)?;
        right.finish(step, right_heard)?;
        Ok(heard)
    }

    /// Ends all servers of one side but one, and waits until that one serves reads only.
    fn cut(&mut self, index: usize) -> Result<()> {
        let ensemble = self.ensembles.get_mut(index).context("two sides")?;
        let addresses = places(ensemble)?;
        let kept = *addresses.get(&Place::Follower).context("no follower")?;
        for server in &mut ensemble.servers {
            if server.client_address() != kept {
                server.kill()?;
            }
        }
        wait_for(
            "a server that serves reads alone",
            CUT_LIMIT,
            || match four_letter::ask(kept, "isro") {
                Ok(answer) if answer == "ro" => Ok(()),
                Ok(answer) => Err(format!("isro says {answer}")),
                Err(error) => Err(error.to_string()),
            },
        )?;
        let side = self.sides.get_mut(index).context("two sides")?;
        side.relocate(
            [Place::Leader, Place::Follower, Place::OtherFollower]
                .map(|p| (p, kept))
                .into(),
        );
        Ok(())
    }

    /// What is wrong with the answers; nothing when all is as it should be.
    fn judge(&self, line: &Line, [left, right]: &[Heards; 2]) -> Option<String> {
        let [left_kind, right_kind] = self.kinds;
        let Some(differs) = line.differs.filter(|_| left_kind != right_kind) else {
            return (left != right).then(|| compared(self.kinds, left, right));
        };
        let wanted = |kind: Kind| match kind {
            Kind::Apache => differs.apache,
            Kind::Quorate => differs.quorate,
        };
        let has = |heard: &Heards, kind: Kind| print_all(heard).contains(wanted(kind));
        (!has(left, left_kind) || !has(right, right_kind)).then(|| {
            format!(
                "wanted {differs:?}, got\n{}",
                compared(self.kinds, left, right)
            )
        })
    }

    /// Keeps both directories, after a failure.
    #[must_use]
    pub fn keep(self) -> [PathBuf; 2] {
        self.ensembles.map(Ensemble::keep)
    }
}

fn side_of(ensemble: &Ensemble, earliest: i64) -> Result<Side> {
    let mut ports = Vec::new();
    for server in &ensemble.servers {
        for (name, port) in [
            ("client", server.ports.client),
            ("quorum", server.ports.quorum),
            ("election", server.ports.election),
        ] {
            ports.push((format!(":{port}"), format!(":<{name} {}>", server.id)));
        }
    }
    Ok(Side::new(
        places(ensemble)?,
        ensemble.servers.len() > 1,
        Known::new(earliest, ports),
    ))
}

fn places(ensemble: &Ensemble) -> Result<BTreeMap<Place, SocketAddr>> {
    let leader = ensemble.leader()?;
    let mut out = BTreeMap::new();
    for server in &ensemble.servers {
        let address = server.client_address();
        if ensemble.servers.len() == 1 {
            out.insert(Place::Follower, address);
            out.insert(Place::OtherFollower, address);
        }
        if server.id == leader {
            out.insert(Place::Leader, address);
        } else {
            out.entry(Place::Follower).or_insert(address);
            out.insert(Place::OtherFollower, address);
        }
    }
    Ok(out)
}

fn print_all(heard: &Heards) -> String {
    let lines: Vec<String> = heard.iter().map(heard::print).collect();
    lines.join("\n")
}

/// Prints two lists side by side, line by line: equal lines once.
fn compared(kinds: [Kind; 2], left: &Heards, right: &Heards) -> String {
    let [left_name, right_name] = kinds.map(Kind::name);
    let mut out = String::new();
    for index in 0..left.len().max(right.len()) {
        let (a, b) = (left.get(index), right.get(index));
        let print = |item: Option<&(u8, heard::Item)>| item.map_or("nothing".into(), heard::print);
        let line = if a == b {
            format!("  {}\n", print(a))
        } else {
            let (a, b) = (print(a), print(b));
            format!("- {left_name}: {a}\n+ {right_name}: {b}\n")
        };
        out.push_str(&line);
    }
    out
}
