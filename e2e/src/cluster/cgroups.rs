//! A cgroup per node. Kubelets that share one take each other's pods for orphans and kill them.
//!
//! Both layouts of Linux are served: one tree per controller (version 1), one for all (version 2).

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const MOUNT: &str = "/sys/fs/cgroup";

/// Where a machine of version 1 mounts the unified tree beside the others. It has no controllers
/// and we make nothing there, but runc does.
const MIXED_UNIFIED: &str = "unified";

/// How long the kernel may take to let go of a cgroup whose processes are gone.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// Says whether the machine has the one unified tree.
pub(super) fn is_unified() -> bool {
    Path::new(MOUNT).join("cgroup.controllers").exists()
}

/// Makes the cgroup `name` in every hierarchy.
///
/// # Errors
/// When a hierarchy does not let us.
pub(super) fn create(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        if is_unified() {
            // A child has only those controllers that its parent hands down.
            let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers"))?;
            let handed: Vec<_> = controllers
                .split_whitespace()
                .map(|c| format!("+{c}"))
                .collect();
            fs::write(hierarchy.join("cgroup.subtree_control"), handed.join(" "))
                .context("cannot hand down cgroup controllers")?;
        }
        fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))?;
        // A new cpuset of version 1 is empty and would take no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let from = hierarchy.join(file);
            if from.exists() && !is_unified() {
                fs::write(group.join(file), fs::read_to_string(from)?.trim())?;
            }
        }
    }
    Ok(())
}

/// Returns the pids of all processes in the cgroup `name` and below it.
pub(super) fn processes(name: &str) -> BTreeSet<i32> {
    let mut pids = BTreeSet::new();
    for group in existing(name) {
        for directory in tree(&group) {
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    pids
}

/// Returns the directories that make up the cgroup `name`.
pub(super) fn existing(name: &str) -> Vec<PathBuf> {
    let beside = Path::new(MOUNT).join(MIXED_UNIFIED);
    hierarchies()
        .into_iter()
        .chain([beside])
        .map(|root| root.join(name))
        .filter(|group| group.exists())
        .collect()
}

/// Removes the cgroup `name` with everything below it. Its processes must be gone.
///
/// # Errors
/// When the kernel still holds on to it after ten seconds.
pub(super) fn remove(name: &str) -> Result<()> {
    let began = Instant::now();
    for group in existing(name) {
        for directory in tree(&group).into_iter().rev() {
            loop {
                match fs::remove_dir(&directory) {
                    Ok(()) => break,
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(error) if began.elapsed() > REMOVAL_LIMIT => {
                        bail!("cannot remove {}: {error}", directory.display())
                    }
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        }
    }
    Ok(())
}

fn hierarchies() -> Vec<PathBuf> {
    if is_unified() {
        return vec![PathBuf::from(MOUNT)];
    }
    let Ok(entries) = fs::read_dir(MOUNT) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        // The unified tree has no such file.
        .filter(|path| path.join("tasks").exists())
        .collect();
    found.sort();
    found
}

/// Returns `group` and every cgroup below it, parents first.
fn tree(group: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![group.to_owned()];
    while let Some(next) = waiting.pop() {
        if let Ok(entries) = fs::read_dir(&next) {
            let below = entries.filter_map(Result::ok);
            waiting.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        found.push(next);
    }
    found
}
