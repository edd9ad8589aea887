//! Takes a cluster down and proves that nothing of it is left.
//!
//! It needs the state file for nothing but the right order: what is found running, mounted or made
//! under the cluster's names goes, whoever started it and however it ended.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cluster::layout::Layout;
use crate::cluster::processes::{self, Identity};
use crate::cluster::state::State;
use crate::cluster::{cgroups, containerd, kernel, mounts, network};
use crate::progress::Progress;

/// How many times to look for processes that were started while others were being killed.
const ROUNDS_MAX: usize = 5;

/// Where containerd's shims listen, and where the CNI library keeps results: fixed paths upstream.
const SHIM_SOCKETS: &str = "/run/containerd/s";
const CNI_RESULTS: &str = "/var/lib/cni/results";

/// Where kubelets link the logs of containers: a fixed path upstream.
const CONTAINER_LOGS: &str = "/var/log/containers";

/// Where iproute2 keeps named network namespaces; it mounts the directory on itself.
const NAMESPACES: &str = "/run/netns";

/// The directories at fixed paths that upstream's programs make: the kubelet's device plugins, the
/// ones above and containerd's own.
const FIXED_DIRECTORIES: [&str; 5] = [
    NAMESPACES,
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    CONTAINER_LOGS,
];

/// Returns those directories that a cluster would bring to this machine, and `down` may remove.
pub(super) fn absent_directories() -> Vec<PathBuf> {
    FIXED_DIRECTORIES
        .iter()
        .map(PathBuf::from)
        .filter(|path| !path.exists())
        .collect()
}

/// Stops and removes everything of the cluster.
///
/// # Errors
/// When something cannot be removed. Another call goes on from there.
pub(super) fn down(progress: &Progress, layout: &Layout) -> Result<()> {
    // A broken state file must not keep the rest from being removed.
    let state = State::load(layout).unwrap_or_else(|error| {
        progress.say(format!("{error:#}; going by what is found"));
        State::default()
    });
    progress.say("stopping the cluster's processes");
    // Nothing here has data that outlives it, so nothing is asked to end in order. But kubelets go
    // first, so that nobody starts again what ends now; then the containers.
    let recorded = |prefix: &str| -> Vec<Identity> {
        let chosen = state
            .processes
            .iter()
            .filter(|process| process.name.starts_with(prefix));
        chosen.map(|process| process.identity).collect()
    };
    processes::kill(&recorded("kubelet"))?;
    for node in layout.nodes() {
        let inside = cgroups::processes(&node.cgroup());
        processes::kill(
            &inside
                .into_iter()
                .filter_map(Identity::of)
                .collect::<Vec<_>>(),
        )?;
    }
    processes::kill(&recorded(""))?;
    for _ in 0..ROUNDS_MAX {
        let found: Vec<_> = processes::discover(layout).into_iter().collect();
        if found.is_empty() {
            break;
        }
        processes::kill(&found)?;
    }
    progress.say("removing mounts, cgroups and the network");
    mounts::unmount_below(&[layout.state(), layout.run()])?;
    for node in layout.nodes() {
        cgroups::remove(&node.cgroup())?;
    }
    network::remove(layout)?;
    kernel::restore(&state.settings)?;
    remove_traces(layout)?;
    for directory in &state.new_directories {
        remove_fixed(directory)?;
    }
    // The state file is in the last one, so that a failure before leaves it for another call.
    for directory in [layout.run(), layout.state()] {
        remove_directory(directory)?;
    }
    if let Some(parent) = layout.run().parent() {
        // Another cluster's files may be there.
        fs::remove_dir(parent).or_else(|error| {
            let expected = [ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty];
            if expected.contains(&error.kind()) {
                Ok(())
            } else {
                Err(error)
            }
        })?;
    }
    Ok(())
}

/// Returns everything of the cluster that is still there.
///
/// # Errors
/// When the machine's lists cannot be read.
pub(super) fn leftovers(layout: &Layout) -> Result<Vec<String>> {
    let mut found: Vec<String> = processes::discover(layout)
        .into_iter()
        .map(processes::describe)
        .collect();
    let directories = [layout.state(), layout.run()];
    found.extend(
        mounts::below(&directories)?
            .iter()
            .map(|m| format!("mount {}", m.display())),
    );
    for node in layout.nodes() {
        let groups = cgroups::existing(&node.cgroup());
        found.extend(
            groups
                .iter()
                .map(|group| format!("cgroup {}", group.display())),
        );
    }
    found.extend(network::leftovers(layout));
    let present = directories.iter().filter(|directory| directory.exists());
    found.extend(present.map(|directory| format!("directory {}", directory.display())));
    Ok(found)
}

/// Removes what upstream's programs leave in directories of the machine.
fn remove_traces(layout: &Layout) -> Result<()> {
    // Those of other clusters are there, too, and the kernel lists a socket in its own network namespace only.
    remove_files(SHIM_SOCKETS, |path| {
        UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })?;
    let network = format!("{}-", containerd::cni_network(layout));
    remove_files(CNI_RESULTS, |path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&network))
    })?;
    remove_files(CONTAINER_LOGS, |path| {
        fs::read_link(path).is_ok_and(|target| target.starts_with(layout.state()))
    })
}

fn remove_files(directory: &str, chosen: impl Fn(&Path) -> bool) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if chosen(&path) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn remove_fixed(directory: &Path) -> Result<()> {
    if !FIXED_DIRECTORIES
        .iter()
        .any(|fixed| directory == Path::new(fixed))
    {
        return Ok(());
    }
    if directory == Path::new(NAMESPACES) {
        // Someone else may have made a namespace since.
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Ok(());
        }
        mounts::unmount_below(&[directory])?;
    }
    remove_directory(directory)
}

fn remove_directory(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))
}
