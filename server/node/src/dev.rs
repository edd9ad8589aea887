//! `quorate dev`: one server or an ensemble on this machine, from one line.
//!
//! Each server is a process of its own, as in production, so that killing one shows what happens.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use thiserror::Error;
use tracing::debug;

use crate::shutdown;

/// Between looks whether a server has ended by itself.
const WATCH_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// The development ensemble did not run.
#[derive(Debug, Error)]
pub enum DevError {
    /// A file or process.
    #[error("{what}: {source}")]
    Io {
        /// Which, and what was tried.
        what: String,
        /// As the system says it.
        source: std::io::Error,
    },
    /// The ports do not fit.
    #[error("--port {0} leaves no room for the other ports")]
    Ports(u16),
    /// A server stopped by itself.
    #[error("server {0} ended ({1}); its last lines are above")]
    Ended(u16, std::process::ExitStatus),
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> DevError {
    let what = what.into();
    move |source| DevError::Io { what, source }
}

/// Starts `servers` servers and runs until SIGINT or SIGTERM.
///
/// # Errors
/// They do not start, or one ends by itself.
pub fn run(servers: u16, dir: &Path, port: u16) -> Result<(), DevError> {
    let configs = write_configs(servers, dir, port)?;
    let binary = std::env::current_exe().map_err(io("the path of this program"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(io("runtime"))?;
    let mut children = Vec::new();
    for config in &configs {
        let child = Command::new(&binary).arg("serve").arg(config).spawn();
        children.push(child.map_err(io(format!("starting {}", binary.display())))?);
    }
    let list: Vec<String> = (0..servers)
        .map(|n| format!("127.0.0.1:{}", port + n))
        .collect();
    println!("Clients connect to {}; Ctrl-C stops.", list.join(","));
    let outcome = runtime.block_on(async {
        loop {
            tokio::select! {
                requested = shutdown::requested() => return requested.map_err(io("signals")),
                () = tokio::time::sleep(WATCH_PAUSE) => {}
            }
            for (n, child) in (1..).zip(&mut children) {
                if let Some(status) = child.try_wait().map_err(io(format!("server {n}")))? {
                    return Err(DevError::Ended(n, status));
                }
            }
        }
    });
    stop(children);
    outcome
}

fn stop(children: Vec<Child>) {
    for child in &children {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && let Err(e) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        {
            debug!("process {}: {e}", child.id());
        }
    }
    for mut child in children {
        if let Err(e) = child.wait() {
            debug!("process {}: {e}", child.id());
        }
    }
}

/// From the client port to the admin port of the first server: 8080 for 2181, where `quorate status`
/// looks by itself.
const ADMIN_OFFSET: u16 = 5899;

/// Writes a `zoo.cfg` and a data directory with `myid` for each server; what is there stays.
fn write_configs(servers: u16, dir: &Path, port: u16) -> Result<Vec<PathBuf>, DevError> {
    let at = |offset: u16| port.checked_add(offset).ok_or(DevError::Ports(port));
    let mut members = String::new();
    if servers > 1 {
        for n in 1..=servers {
            let (quorum, election) = (at(700 + n)?, at(1700 + n)?);
            members.push_str(&format!("server.{n}=127.0.0.1:{quorum}:{election}\n"));
        }
    }
    let mut configs = Vec::new();
    for n in 1..=servers {
        let home = dir.join(format!("server-{n}"));
        let data = home.join("data");
        std::fs::create_dir_all(&data).map_err(io(format!("{}", data.display())))?;
        let (client, admin) = (at(n - 1)?, at(ADMIN_OFFSET + n - 1)?);
        let text = format!(
            "# Written by quorate dev.\ntickTime=2000\ninitLimit=10\nsyncLimit=5\n\
             dataDir={}\nclientPort={client}\nclientPortAddress=127.0.0.1\n\
             admin.serverAddress=127.0.0.1\nadmin.serverPort={admin}\n\
             4lw.commands.whitelist=*\n{members}",
            data.display()
        );
        let config = home.join("zoo.cfg");
        std::fs::write(&config, text).map_err(io(format!("{}", config.display())))?;
        if servers > 1 {
            let my_id = data.join("myid");
            std::fs::write(&my_id, format!("{n}\n")).map_err(io(format!("{}", my_id.display())))?;
        }
        configs.push(config);
    }
    Ok(configs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Mode, Settings};

    #[test]
    fn what_is_written_loads() {
        let dir = tempfile::tempdir().unwrap();
        let configs = write_configs(3, dir.path(), 2181).unwrap();
        for config in configs {
            let settings = Settings::load(&config, None, &Flags::default()).unwrap();
            assert!(matches!(settings.mode, Mode::Ensemble { .. }));
            assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
        }
        let alone = write_configs(1, &dir.path().join("one"), 2181).unwrap();
        assert!(matches!(
            Settings::load(&alone[0], None, &Flags::default())
                .unwrap()
                .mode,
            Mode::Standalone
        ));
        assert!(write_configs(3, dir.path(), 65_000).is_err());
    }
}
