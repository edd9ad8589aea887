//! Files of a server's directory, and ways to damage one.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::faults::random::Random;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    NewestSnapshot,
    OlderSnapshot,
    NewestLog,
    OlderLog,
    AcceptedEpoch,
    CurrentEpoch,
    /// Apache's servers leave it while they change the epoch.
    UpdatingEpoch,
    MyId,
    Identity,
    DynamicConfig,
}

impl Role {
    pub(super) const ALL: [Self; 10] = [
        Self::NewestSnapshot,
        Self::OlderSnapshot,
        Self::NewestLog,
        Self::OlderLog,
        Self::AcceptedEpoch,
        Self::CurrentEpoch,
        Self::UpdatingEpoch,
        Self::MyId,
        Self::Identity,
        Self::DynamicConfig,
    ];

    /// The file with this role in a server's directory.
    ///
    /// # Errors
    /// When there is none and there must be one.
    pub(super) fn file(self, server: &Path) -> Result<PathBuf> {
        let data = server.join("data");
        let version_2 = data.join("version-2");
        let found = match self {
            Self::NewestSnapshot => numbered(&version_2, "snapshot.")?.pop(),
            Self::OlderSnapshot => numbered(&version_2, "snapshot.")?.into_iter().rev().nth(1),
            Self::NewestLog => numbered(&version_2, "log.")?.pop(),
            Self::OlderLog => numbered(&version_2, "log.")?.into_iter().rev().nth(1),
            Self::AcceptedEpoch => Some(version_2.join("acceptedEpoch")),
            Self::CurrentEpoch => Some(version_2.join("currentEpoch")),
            Self::UpdatingEpoch => Some(version_2.join("updatingEpoch")),
            Self::MyId => Some(data.join("myid")),
            Self::Identity => Some(data.join("quorate.identity")),
            Self::DynamicConfig => numbered(server, "zoo.cfg.dynamic.")?.pop(),
        };
        found.with_context(|| format!("no {self} in {}", server.display()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewestSnapshot => "newest snapshot",
            Self::OlderSnapshot => "older snapshot",
            Self::NewestLog => "newest log",
            Self::OlderLog => "older log",
            Self::AcceptedEpoch => "acceptedEpoch",
            Self::CurrentEpoch => "currentEpoch",
            Self::UpdatingEpoch => "updatingEpoch",
            Self::MyId => "myid",
            Self::Identity => "identity file",
            Self::DynamicConfig => "dynamic config",
        })
    }
}

/// Files whose names end in a hexadecimal number, by that number.
fn numbered(directory: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix(prefix);
        if let Some(number) = number.and_then(|end| u64::from_str_radix(end, 16).ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// One bit of one byte.
    Flip {
        at: usize,
        bit: u8,
    },
    /// Only so many bytes stay.
    Cut {
        to: usize,
    },
    Empty,
    Missing,
    /// Bytes that nobody wrote, in place of all.
    Garbage,
}

impl Damage {
    /// One of each kind, the others of flips and cuts at places that are drawn, `samples` in all.
    pub(super) fn choose(content: &[u8], samples: usize, random: &mut Random) -> Vec<Self> {
        // A log is followed by zeros, which are no part of it.
        let end = content.iter().rposition(|byte| *byte != 0);
        let len = end.map_or(0, |end| end + 1);
        let mut all = vec![Self::Missing, Self::Empty, Self::Garbage];
        while len > 0 && all.len() < samples {
            let at = random.below(len);
            let bit = u8::try_from(random.below(8)).unwrap_or_default();
            all.push(if all.len() % 2 == 0 {
                Self::Cut { to: at }
            } else {
                Self::Flip { at, bit }
            });
        }
        // With few samples, all kinds come to their turn over the files.
        while all.len() > samples {
            all.swap_remove(random.below(all.len()));
        }
        all
    }

    /// Does it.
    ///
    /// # Errors
    /// As the system's.
    pub(super) fn inflict(self, file: &Path) -> Result<()> {
        let mut content = fs::read(file).unwrap_or_default();
        match self {
            Self::Flip { at, bit } => {
                *content.get_mut(at).context("no such byte")? ^= 1 << bit;
            }
            Self::Cut { to } => content.truncate(to),
            Self::Empty => content.clear(),
            Self::Garbage => content = (0..=255).collect(),
            Self::Missing => {
                if file.exists() {
                    fs::remove_file(file)?;
                }
                return Ok(());
            }
        }
        fs::write(file, content)?;
        Ok(())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flip { at, bit } => write!(f, "bit {bit} of byte {at} flipped"),
            Self::Cut { to } => write!(f, "cut to {to} bytes"),
            Self::Empty => f.write_str("emptied"),
            Self::Missing => f.write_str("removed"),
            Self::Garbage => f.write_str("replaced by other bytes"),
        }
    }
}
