//! Whose directory this is: `quorate.identity` beside `version-2`.
//!
//! A directory mounted at the wrong server would make two members vote with one memory, or bring
//! the past of one ensemble into another; both are refused before anything is touched.

use std::path::{Path, PathBuf};

use zk_wire::Sid;

use crate::durable;
use crate::error::StorageError;
use crate::fs::Fs;

const FILE: &str = "quorate.identity";
const LEN_MAX: u64 = 4096;
/// The id of this server, in the same directory.
const MY_ID: &str = "myid";
/// What to do about a file that says nothing.
const REMEDY: &str = "write the lines ensemble=<id> and server=<id> as they were, or remove the file \
                      if this directory is certainly this server's";

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    ensemble: Option<String>,
    server: Option<Sid>,
}

impl Identity {
    /// What the configuration says.
    pub(crate) fn configured(
        ensemble: Option<&str>,
        server: Option<Sid>,
    ) -> Result<Self, StorageError> {
        if let Some(id) = ensemble
            && (id.trim().is_empty() || id.trim() != id || id.contains(char::is_control))
        {
            return Err(StorageError::Config(format!(
                "the ensemble id {id:?} is not one word"
            )));
        }
        Ok(Self {
            ensemble: ensemble.map(str::to_owned),
            server,
        })
    }

    /// Compares with the file; true when there is none. Changes nothing.
    pub(crate) fn check<F: Fs>(&self, fs: &F, data_dir: &Path) -> Result<bool, StorageError> {
        let file = path(data_dir);
        let found = durable::read_small(fs, &file, LEN_MAX)
            .and_then(|text| text.map(|text| Self::parse(&file, &text)).transpose())
            .map_err(with_remedy)?;
        let Some(found) = found else {
            return Ok(true);
        };
        if let (Some(found), Some(configured)) = (&found.ensemble, &self.ensemble)
            && found != configured
        {
            return Err(StorageError::Identity {
                file,
                what: "ensemble",
                found: found.clone(),
                configured: configured.clone(),
            });
        }
        if let (Some(found), Some(configured)) = (found.server, self.server)
            && found != configured
        {
            return Err(StorageError::Identity {
                file,
                what: "server",
                found: found.to_string(),
                configured: format!("{configured} ({})", data_dir.join(MY_ID).display()),
            });
        }
        Ok(false)
    }

    /// Writes the file, when there is an ensemble id to write.
    pub(crate) fn write<F: Fs>(&self, fs: &F, data_dir: &Path) -> Result<(), StorageError> {
        let Some(ensemble) = &self.ensemble else {
            return Ok(());
        };
        let mut text = format!("ensemble={ensemble}\n");
        if let Some(server) = self.server {
            text.push_str(&format!("server={server}\n"));
        }
        durable::replace(fs, &path(data_dir), text.as_bytes())
    }

    fn parse(file: &Path, text: &str) -> Result<Self, StorageError> {
        let mut out = Self::default();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let bad = |why: &str| StorageError::corrupt(file, offset, why);
            match line.trim().split_once('=') {
                Some(("ensemble", id)) => out.ensemble = Some(id.to_owned()),
                Some(("server", id)) => {
                    let id = id.parse().map_err(|_| bad("the server id is no number"))?;
                    out.server = Some(Sid(id));
                }
                // Lines of later versions.
                Some(_) => {}
                None if line.trim().is_empty() => {}
                None => return Err(bad("a line is not key=value")),
            }
            offset += line.len() as u64;
        }
        if out.ensemble.is_none() {
            return Err(StorageError::corrupt(file, 0, "no line ensemble=<id>"));
        }
        Ok(out)
    }
}

fn with_remedy(mut error: StorageError) -> StorageError {
    if let StorageError::Corrupt { why, .. } = &mut error {
        why.push_str("; ");
        why.push_str(REMEDY);
    }
    error
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}
