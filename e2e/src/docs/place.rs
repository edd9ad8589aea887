//! Where blocks are run: a directory of their own with what people find in a checkout, and the programs that they
//! have on their PATH.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use super::blocks::{Block, Place, Treatment};
use super::root;
use crate::peers::wait_for;

/// Directories of the checkout that commands name.
const OF_CHECKOUT: [&str; 3] = ["charts", "deploy", "examples"];

/// The longest that a block may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The longest for one that may take long.
const LONG_LIMIT: Duration = Duration::from_secs(600);

/// Where blocks are run, one after the other.
#[derive(Debug)]
pub struct Workplace {
    directory: tempfile::TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Workplace {
    /// A place with these programs by their names, before those that are on the PATH.
    ///
    /// # Errors
    /// When the directory cannot be filled.
    pub fn new(programs: &[(&str, &Path)]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let bin = directory.path().join("bin");
        fs::create_dir(&bin)?;
        for name in OF_CHECKOUT {
            symlink(root().join(name), directory.path().join(name))?;
        }
        for (name, program) in programs {
            symlink(program, bin.join(name))
                .with_context(|| format!("cannot put {} on the PATH", program.display()))?;
        }
        let mut path = bin.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Ok(Self {
            directory,
            variables: vec![("PATH", path)],
        })
    }

    /// The directory in which blocks are run.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sets a variable for all blocks.
    pub fn set(&mut self, name: &'static str, value: impl AsRef<OsStr>) {
        self.variables.push((name, value.as_ref().to_owned()));
    }

    /// Runs a block to its end, or until it has printed what it is stopped for, with the words of a reader in place
    /// of `placeholders`.
    ///
    /// # Errors
    /// When one of its commands fails, or it takes too long; the text has what it printed.
    pub fn run(&self, block: &Block, placeholders: &[(&str, &str)]) -> Result<()> {
        let Treatment::Run { place, until } = &block.treatment else {
            bail!("{} is not to be run", block.at());
        };
        let limit = match place {
            Place::Here | Place::Cluster => LIMIT,
            Place::ClusterLong => LONG_LIMIT,
        };
        let text = filled_in(&block.text, placeholders);
        let log = self.directory.path().join(".output");
        let mut group = Group(self.start(&text, &log)?);
        let printed = || String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
        let ended = wait_for("the block", limit, || {
            let shown = until
                .as_ref()
                .is_some_and(|until| printed().contains(until));
            match group.0.try_wait() {
                Ok(status) if shown || status.is_some() => Ok(status),
                Ok(_) => Err("it is running".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
        let ended = ended.with_context(|| format!("{}:\n{text}\n{}", block.at(), printed()))?;
        let printed = printed();
        let good = match until {
            Some(until) => printed.contains(until),
            None => ended.is_some_and(|status| status.success()),
        };
        let why = until.as_ref().map_or_else(
            || "a command failed".to_owned(),
            |until| format!("{until:?} was not printed"),
        );
        ensure!(good, "{}: {why}:\n{text}\n{printed}", block.at());
        Ok(())
    }

    fn start(&self, text: &str, log: &Path) -> Result<Child> {
        let file = File::create(log)?;
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", text])
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.spawn().context("cannot start bash")
    }
}

/// A block with all that it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Mostly nothing is left of it, which is what an error says.
        kill_process_group(Pid::from_child(&self.0), Signal::KILL).ok();
        self.0.wait().ok();
    }
}

/// The text with each placeholder that stands as a word replaced.
fn filled_in(text: &str, placeholders: &[(&str, &str)]) -> String {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let mut filled = String::new();
    for piece in text.split_inclusive(|c| !in_word(c)) {
        let word = piece.trim_end_matches(|c| !in_word(c));
        let (_, behind) = piece.split_at(word.len());
        let found = placeholders.iter().find(|(name, _)| *name == word);
        filled.push_str(found.map_or(word, |(_, value)| value));
        filled.push_str(behind);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_filled_in() {
        let pairs = [("NAME", "orders"), ("MY-NAME", "me"), ("ZONE", "a")];
        let text = "x NAME -l e=NAME,z=ZONE MY-NAME NAMES .NAME 'NAME'\n";
        let wanted = "x orders -l e=orders,z=a me NAMES .NAME 'orders'\n";
        assert_eq!(filled_in(text, &pairs), wanted);
    }
}
