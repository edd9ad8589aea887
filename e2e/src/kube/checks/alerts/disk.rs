//! The disk of a voter fills. Its volume is a small file system of its own, of memory.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::statvfs;
use rustix::mount::{UnmountFlags, unmount};
use serde_json::Value;

use super::{Watch, nothing_lost};
use crate::cluster::foreign_kubeconfig;
use crate::kube::checks::disks;
use crate::kube::checks::restarts::is_ready;
use crate::kube::checks::{Bench, READY_LIMIT};
use crate::kube::load::Load;
use crate::kube::zke::{pod_name, uid};
use crate::peers::wait_for;
use crate::shell;

const WRITERS: usize = 2;

/// Size of the file system.
const SIZE: &str = "1g";

/// Of it stays free: less than 3 %, and enough for the load while that is noticed.
const LEFT_PER_MILLE: u64 = 25;

/// What is written at once.
const STEP_BYTES: usize = 16 << 20;

/// Between two of these.
const STEP_PAUSE: Duration = Duration::from_millis(500);

/// For how long it has to be so.
const FULL_FOR: Duration = Duration::from_secs(60);

/// The critical alert names the pod, and ends when there is room again.
pub(in crate::kube::checks) fn disk_fills(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the volumes of a cluster of somebody else stay as they are");
    }
    let load = Load::start(bench.service()?, "/filled", WRITERS)?;
    let leader = bench.zke.leader_pod()?;
    let pods: Vec<String> = bench.zke.pods()?.iter().map(pod_name).collect();
    let victim = pods.into_iter().find(|pod| *pod != leader);
    let victim = victim.context("no follower")?;
    let small = Small::new(&volume(bench, &victim)?)?;
    replace(bench, &victim)?;
    let watch = Watch::start(bench)?;
    let full = watch.expected(
        "ZkDiskWillFill",
        "critical",
        &[("pod", &victim), ("dir", "data")],
    );
    let ballast = small.fill()?;
    let filled = Instant::now();
    let fired = watch.fires(&full, filled, FULL_FOR)?;
    let emptied = Instant::now();
    fs::remove_file(ballast)?;
    let ended = watch.ends(&full, emptied, Duration::ZERO)?;
    watch.nothing_but(&["ZkDiskWillFill"])?;
    drop(small);
    // What was under the small file system is old by now, and must not come back.
    disks::lose(bench, &load, &victim)?;
    let writes = nothing_lost(bench, load)?;
    Ok(format!(
        "the disk of {victim} was filled: ZkDiskWillFill fired after {:.0} s and ended {:.0} s after there was \
         room; {writes}",
        fired.as_secs_f32(),
        ended.as_secs_f32()
    ))
}

/// Where the volume of a pod is on this machine.
fn volume(bench: &Bench<'_>, pod: &str) -> Result<PathBuf> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    let claim = kubectl.get(namespace, &["pvc", &format!("data-{pod}")])?;
    let name = claim.pointer("/spec/volumeName").and_then(Value::as_str);
    let volume = kubectl.get(
        namespace,
        &["pv", name.context("a claim without a volume")?],
    )?;
    let path = volume.pointer("/spec/local/path").and_then(Value::as_str);
    let path = PathBuf::from(path.context("a volume without a path")?);
    ensure!(
        path.starts_with(bench.layout.volumes()),
        "{} is no volume of the harness",
        path.display()
    );
    Ok(path)
}

/// Deletes a pod, and waits for the one in its place.
fn replace(bench: &Bench<'_>, name: &str) -> Result<()> {
    let before = super::pod(bench, name)?;
    let words = ["delete", "pod", name, "--namespace", bench.zke.namespace];
    bench.zke.kubectl.run(&words)?;
    wait_for("another pod in its place", READY_LIMIT, || {
        let now = super::pod(bench, name).map_err(|error| error.to_string())?;
        (uid(&now) != uid(&before) && is_ready(&now))
            .then_some(())
            .ok_or("not ready yet".to_owned())
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)
}

/// A small file system in the place of a directory, until this is dropped.
struct Small(PathBuf);

impl Small {
    fn new(place: &Path) -> Result<Self> {
        let of = fs::metadata(place)?;
        let options = format!(
            "size={SIZE},mode={:o},uid={},gid={}",
            of.mode() & 0o7777,
            of.uid(),
            of.gid()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "quorate-small"]);
        shell::run(mount.arg(place))?;
        Ok(Self(place.to_owned()))
    }

    /// Fills it step by step, and gives the file that takes the room.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("ballast");
        let mut file = File::create(&path)?;
        let step = vec![1; STEP_BYTES];
        loop {
            let now = statvfs(&self.0)?;
            let left = now.f_blocks * LEFT_PER_MILLE / 1000;
            let room = now.f_bavail.saturating_sub(left) * now.f_frsize;
            if room == 0 {
                return Ok(path);
            }
            let next = step.len().min(usize::try_from(room)?);
            file.write_all(step.get(..next).unwrap_or(&step))?;
            file.flush()?;
            std::thread::sleep(STEP_PAUSE);
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The pod has it still: only the place is what it was.
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}
