//! Starting detached processes, and finding and killing them later.
//!
//! A pid alone does not name a process: the kernel hands it out again. With its start time it does.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::cluster::cgroups;
use crate::cluster::layout::Layout;

/// How long killed processes may take to disappear.
const KILL_LIMIT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Where the daemons find the programs that they call themselves.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process, beyond reuse of its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
}

impl Identity {
    /// Reads the identity of a process that is alive now. `None` when there is none, or only the
    /// remains that its parent has not collected yet.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may itself hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    /// Says whether the process is still there.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    fn kill(self) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.pid).context("pid 0")?;
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => bail!("cannot kill process {pid:?}: {error}"),
        }
    }
}

/// A process to be started.
#[derive(Debug)]
pub struct Daemon {
    /// What to run.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<String>,
    /// In which network namespace; `None` is the host's.
    pub namespace: Option<PathBuf>,
    /// A directory to look for programs in first.
    pub path: Option<PathBuf>,
    /// Where its output goes.
    pub log: PathBuf,
}

impl Daemon {
    /// Starts the process in a session of its own, so that it outlives ours and our terminal.
    ///
    /// # Errors
    /// When it cannot be started or is gone at once.
    pub fn start(self) -> Result<Identity> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        // Neither nsenter nor setsid forks here: the pid stays that of the program.
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net={}", namespace.display()))
                    .arg("setsid");
                command
            }
            None => Command::new("setsid"),
        };
        let path = match &self.path {
            Some(first) => format!("{}:{SYSTEM_PATH}", first.display()),
            None => SYSTEM_PATH.to_owned(),
        };
        let child = command
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOME", "/")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = i32::try_from(child.id())?;
        Identity::of(pid).with_context(|| {
            format!(
                "{} ended at once; see {}",
                self.program.display(),
                self.log.display()
            )
        })
    }
}

/// Kills processes without asking, and waits until all are gone.
///
/// # Errors
/// When one survives.
pub fn kill(identities: &[Identity]) -> Result<()> {
    for identity in identities {
        identity.kill()?;
    }
    if gone_within(identities, KILL_LIMIT) {
        return Ok(());
    }
    let left: Vec<_> = identities
        .iter()
        .filter(|identity| identity.is_alive())
        .collect();
    bail!("processes survive SIGKILL: {left:?}");
}

fn gone_within(identities: &[Identity], limit: Duration) -> bool {
    let began = Instant::now();
    while identities.iter().any(|identity| identity.is_alive()) {
        if began.elapsed() > limit {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

/// Finds every process of a cluster without its state file: those in its cgroups, those in its
/// network namespaces, and those that run one of our programs on its directories.
pub fn discover(layout: &Layout) -> BTreeSet<Identity> {
    let mut pids: BTreeSet<i32> = BTreeSet::new();
    for node in layout.nodes() {
        pids.extend(cgroups::processes(&node.cgroup()));
    }
    let namespaces: Vec<PathBuf> = layout
        .nodes()
        .iter()
        .filter_map(|node| namespace_of(&node.namespace_path()))
        .collect();
    let own = i32::try_from(process::id()).unwrap_or(0);
    for pid in all_pids().into_iter().filter(|pid| *pid != own) {
        let inside = fs::read_link(format!("/proc/{pid}/ns/net"))
            .is_ok_and(|namespace| namespaces.contains(&namespace));
        if inside || serves(layout, pid) {
            pids.insert(pid);
        }
    }
    pids.into_iter().filter_map(Identity::of).collect()
}

/// Returns what a process was started as, for a message.
pub fn describe(identity: Identity) -> String {
    let command = fs::read(format!("/proc/{}/cmdline", identity.pid)).unwrap_or_default();
    let text = String::from_utf8_lossy(&command).replace('\0', " ");
    let short: String = text.chars().take(120).collect();
    format!("process {} ({})", identity.pid, short.trim())
}

fn serves(layout: &Layout, pid: i32) -> bool {
    let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) else {
        return false;
    };
    if !layout
        .programs()
        .iter()
        .any(|directory| program.starts_with(directory))
    {
        return false;
    }
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments);
    [layout.state(), layout.run()].iter().any(|directory| {
        let directory = format!("{}/", directory.display());
        arguments.contains(&directory)
    })
}

/// Returns the namespace that a file holds, in the form in which `/proc/PID/ns/net` shows it.
fn namespace_of(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let inode = fs::metadata(path).ok()?.ino();
    Some(PathBuf::from(format!("net:[{inode}]")))
}

fn all_pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_alive_and_another_start_time_is_not() {
        let own = Identity::of(i32::try_from(process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(
            !Identity {
                started: own.started + 1,
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn daemon_is_alive_until_killed() {
        let directory = tempfile::tempdir().unwrap();
        let daemon = Daemon {
            program: "sleep".into(),
            arguments: vec!["1000".into()],
            namespace: None,
            path: None,
            log: directory.path().join("log"),
        };
        let identity = daemon.start().unwrap();
        assert!(identity.is_alive());
        kill(&[identity]).unwrap();
        assert!(!identity.is_alive());
    }
}
