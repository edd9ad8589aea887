//! What `up` writes down so that `down` can undo it from another process.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cluster::layout::Layout;
use crate::cluster::processes::Identity;

/// A started process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    /// Its name, which is its log's name too.
    pub name: String,
    /// Which process it is.
    #[serde(flatten)]
    pub identity: Identity,
}

/// A kernel setting that was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// The file below `/proc/sys`.
    pub path: PathBuf,
    /// What it held before.
    pub before: String,
}

/// The content of `state.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Every process, in the order of starting.
    pub processes: Vec<Started>,
    /// Settings to be put back.
    pub settings: Vec<Setting>,
    /// Directories of the machine that upstream's programs will make, at fixed paths, and that were
    /// not there before.
    pub new_directories: Vec<PathBuf>,
}

impl State {
    /// Reads the state; a cluster that was never started has an empty one.
    ///
    /// # Errors
    /// When the file is there but cannot be read or understood.
    pub fn load(layout: &Layout) -> Result<Self> {
        let path = layout.state().join("state.json");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a cluster's state", path.display()))
    }

    /// Writes the state in one step, so that no reader finds half of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        let path = layout.state().join("state.json");
        let partial = path.with_extension("partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&partial, &path)?;
        Ok(())
    }
}
