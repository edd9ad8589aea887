//! A disk that is full: the server says which file, ends, and loses nothing that it acknowledged.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::faults::load::Load;
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::alone;

/// How long it may take to fill the disk, and to notice.
const LIMIT: Duration = Duration::from_secs(60);

/// A small disk in memory; needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mounted_at(path: &Path) -> Result<Self> {
        mount(
            "tmpfs",
            path,
            "tmpfs",
            MountFlags::empty(),
            Some(c"size=1m"),
        )
        .context("cannot mount a small disk (only root can)")?;
        Ok(Self(path.to_owned()))
    }

    fn enlarge(&self) -> Result<()> {
        mount_remount(&self.0, MountFlags::empty(), c"size=64m")?;
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached, it goes as soon as nobody uses it; there is no one to tell of a failure.
        unmount(&self.0, UnmountFlags::DETACH).ok();
    }
}

#[test]
fn a_full_disk_ends_the_server_and_no_acknowledged_write() -> Result<()> {
    let _alone = alone();
    // Logs grow in small steps, so that the disk fills with transactions.
    let settings = Settings {
        extra: vec!["preAllocSize=64".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::configured(&[Kind::Quorate], &settings)?;
    let directory = ensemble.server(1)?.data_directory();
    let disk = SmallDisk::mounted_at(&directory)?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;

    let load = Load::start(&ensemble.addresses(), 2)?;
    let server = ensemble.server(1)?;
    let status = server.process()?.wait(LIMIT)?;
    let said = fs::read_to_string(server.log_path())?;
    let acknowledged = load.stop()?;
    ensure!(!status.success(), "it ended with {status}");
    ensure!(
        said.contains(&directory.display().to_string()),
        "it names no file: {said}"
    );
    ensure!(
        acknowledged.nodes() > 100,
        "only {} writes fitted",
        acknowledged.nodes()
    );
    server.kill()?;

    disk.enlarge()?;
    server.start()?;
    ensemble.wait_serving()?;
    acknowledged.check(ensemble.server(1)?.client_address())
}

#[test]
fn a_disk_that_is_full_from_the_start_takes_no_write() -> Result<()> {
    let _alone = alone();
    let mut ensemble = Ensemble::configured(&[Kind::Quorate], &Settings::default())?;
    let server = ensemble.server(1)?;
    let directory = server.data_directory();
    let _disk = SmallDisk::mounted_at(&directory)?;
    let mut filler = File::create(directory.join("filler"))?;
    while filler.write(&[0; 4096]).is_ok_and(|len| len > 0) {}
    server.start()?;
    // Opening a session is a write; the server may also find out before it serves anyone.
    let session = server.wait_serving(LIMIT).is_ok()
        && Client::connect(server.client_address(), LIMIT).is_ok();
    ensure!(!session, "a session on a full disk");
    let status = server.process()?.wait(LIMIT)?;
    let said = fs::read_to_string(server.log_path())?;
    ensure!(!status.success(), "it ended with {status}");
    ensure!(
        said.contains(&directory.display().to_string()),
        "it names no file: {said}"
    );
    Ok(())
}
