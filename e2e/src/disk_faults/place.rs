//! Three servers with everything on disk that a server can have, and one directory to restore.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use zk_wire::client::Request;
use zk_wire::client::request::ReconfigRequest;

use crate::faults::kill_loop;
use crate::faults::load::{Acknowledged, Load};
use crate::peers::client::flags::PERSISTENT;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Client, Ensemble, Kind, Settings};

/// The server whose files are damaged.
pub(super) const VICTIM: u8 = 3;

/// Time-out of sessions.
const LIMIT: Duration = Duration::from_secs(20);

/// Writes of each part of its history.
const WRITES: u64 = 300;

/// Threads that write.
const WRITERS: usize = 3;

/// The servers, the victim stopped.
pub(super) struct Place {
    pub(super) ensemble: Ensemble,
    /// What was acknowledged before the victim stopped.
    acknowledged: Acknowledged,
    /// Nodes that were written since.
    late: u32,
    /// A copy of the victim's directory.
    good: TempDir,
}

impl Place {
    /// Makes several epochs, snapshots, logs and configs, and stops the victim.
    ///
    /// # Errors
    /// When a server does not come up.
    pub(super) fn prepare() -> Result<Self> {
        // Small files, so that a place in one is seldom in its padding.
        let settings = Settings {
            extra: [
                "snapCount=250",
                "preAllocSize=16",
                "quorate.ensembleId=disks",
                "reconfigEnabled=true",
                "skipACL=yes",
            ]
            .map(str::to_owned)
            .into(),
            ..Settings::default()
        };
        let mut ensemble = Ensemble::start(Kind::Quorate, 3, &settings)?;
        reconfigure(&mut ensemble)?;
        let load = Load::start(&ensemble.addresses(), WRITERS)?;
        for _ in 0..2 {
            load.wait_progress(WRITES, START_LIMIT)?;
            let leader = ensemble.leader()?;
            ensemble.server(leader)?.terminate()?;
            load.wait_progress(1, START_LIMIT)?;
            ensemble.start_all()?;
            ensemble.wait_serving()?;
        }
        load.wait_progress(WRITES, START_LIMIT)?;
        ensemble.server(VICTIM)?.kill()?;
        let acknowledged = load.stop()?;
        let good = TempDir::new()?;
        copy(&directory(&mut ensemble)?, good.path())?;
        Ok(Self {
            ensemble,
            acknowledged,
            late: 0,
            good,
        })
    }

    /// The victim's directory.
    ///
    /// # Errors
    /// When there is no such server.
    pub(super) fn directory(&mut self) -> Result<PathBuf> {
        directory(&mut self.ensemble)
    }

    /// Stops all servers, keeps their directories, and returns where they are.
    ///
    /// # Errors
    /// As the system's.
    pub(super) fn keep(mut self) -> Result<String> {
        for server in &mut self.ensemble.servers {
            if server.is_started() {
                server.kill()?;
            }
        }
        Ok(self.ensemble.keep().display().to_string())
    }

    /// Puts the victim's directory back as it was.
    ///
    /// # Errors
    /// As the system's.
    pub(super) fn restore(&mut self) -> Result<()> {
        let directory = self.directory()?;
        fs::remove_dir_all(&directory)?;
        fs::create_dir(&directory)?;
        copy(self.good.path(), &directory)
    }

    /// Writes one more node, while the victim is away.
    ///
    /// # Errors
    /// When the two others do not take it.
    pub(super) fn write_late(&mut self) -> Result<()> {
        self.late += 1;
        let address = self.ensemble.server(1)?.client_address();
        let mut client = Client::connect(address, LIMIT)?;
        client.create(&format!("/late-{}", self.late), b"late", PERSISTENT)?;
        client.close()?;
        Ok(())
    }

    /// Checks that the victim has everything, as the others do.
    ///
    /// # Errors
    /// When not.
    pub(super) fn check(&mut self) -> Result<()> {
        kill_loop::equal_digests(&self.ensemble)?;
        let address = self.ensemble.server(VICTIM)?.client_address();
        let mut client = Client::connect(address, LIMIT)?;
        client.sync()?;
        for n in 1..=self.late {
            client
                .get(&format!("/late-{n}"), false)
                .with_context(|| format!("/late-{n} is acknowledged and not there"))?;
        }
        client.close()?;
        Ok(())
    }

    /// Checks every acknowledged write on the victim.
    ///
    /// # Errors
    /// When one is lost.
    pub(super) fn check_all(&mut self) -> Result<()> {
        let address = self.ensemble.server(VICTIM)?.client_address();
        self.acknowledged.check(address)
    }
}

fn directory(ensemble: &mut Ensemble) -> Result<PathBuf> {
    let data = ensemble.server(VICTIM)?.data_directory();
    Ok(data.parent().context("no directory")?.to_owned())
}

/// Lets the members move into dynamic files.
///
/// # Errors
/// When they do not.
pub(super) fn reconfigure(ensemble: &mut Ensemble) -> Result<()> {
    let members: Vec<String> = ensemble
        .servers
        .iter()
        .map(|server| format!("{};127.0.0.1:{}", server.member_line(), server.ports.client))
        .collect();
    let mut client = Client::connect(ensemble.server(1)?.client_address(), LIMIT)?;
    let mut answer = client.call(&Request::Reconfig(ReconfigRequest {
        joining: Some(members.join(",")),
        leaving: None,
        new_members: None,
        from_config: -1,
    }))?;
    ensure!(answer.buffer()?.is_some(), "no config in the answer");
    client.close()?;
    Ok(())
}

/// Copies what is in a directory, but for what the server said.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else if entry.file_name() != "server.log" {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
