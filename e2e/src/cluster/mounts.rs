//! File systems that a cluster mounted: of its pods, its volumes and etcd.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{UnmountFlags, unmount};

/// Returns every mount point below the directories, in the order of mounting.
///
/// # Errors
/// When the kernel's list cannot be read.
pub(super) fn below(directories: &[&Path]) -> Result<Vec<PathBuf>> {
    let list = fs::read_to_string("/proc/self/mountinfo").context("cannot list mounts")?;
    Ok(list
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescaped(field)))
        .filter(|mount| {
            directories
                .iter()
                .any(|directory| mount.starts_with(directory))
        })
        .collect())
}

/// Unmounts everything below the directories, the latest first.
///
/// # Errors
/// When a mount stays.
pub(super) fn unmount_below(directories: &[&Path]) -> Result<()> {
    for mount in below(directories)?.into_iter().rev() {
        unmount(&mount, UnmountFlags::DETACH)
            .with_context(|| format!("cannot unmount {}", mount.display()))?;
    }
    Ok(())
}

/// Undoes the kernel's octal escapes of blanks and backslashes.
fn unescaped(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (escape, plain)| {
        text.replace(escape, plain)
    })
}
