//! Ensembles of 1, 3 or 5 servers of either kind, or of both kinds, in a directory of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::apache_ends::End;
use super::{Kind, Server, four_letter, wait_for};

/// How long a start may take: an election of five Java servers on a machine that compiles, and more.
pub const START_LIMIT: Duration = Duration::from_secs(240);

/// What the configuration files say besides ports and members.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `tickTime`.
    pub tick: Duration,
    /// Further lines; a key that is there already takes the last value.
    pub extra: Vec<String>,
    /// What Apache takes as Java system properties only: `name=value`.
    pub properties: Vec<String>,
    /// Whether the directories are in memory: for tests that are not about disks.
    pub in_memory: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(500),
            extra: Vec::new(),
            properties: Vec::new(),
            in_memory: false,
        }
    }
}

/// Servers that know each other; one alone is a standalone server.
#[derive(Debug)]
pub struct Ensemble {
    /// The servers, by id from 1.
    pub servers: Vec<Server>,
    settings: Settings,
    directory: TempDir,
}

impl Ensemble {
    /// Writes the configuration of one server of each kind in `kinds`, and starts none.
    ///
    /// # Errors
    /// When there are no directories or ports to be had.
    pub fn configured(kinds: &[Kind], settings: &Settings) -> Result<Self> {
        Self::placed(kinds, settings, |_| {})
    }

    /// The same, after `place` said of each server where it lives and whether it votes.
    ///
    /// # Errors
    /// As [`Ensemble::configured`].
    pub fn placed(
        kinds: &[Kind],
        settings: &Settings,
        mut place: impl FnMut(&mut Server),
    ) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("quorate-");
        let memory = Path::new("/dev/shm");
        let directory = if settings.in_memory && memory.is_dir() {
            builder.tempdir_in(memory)?
        } else {
            builder.tempdir()?
        };
        let mut servers = Vec::new();
        for (id, kind) in (1..).zip(kinds) {
            let own = directory.path().join(format!("server-{id}"));
            let mut server = Server::new(id, *kind, own)?;
            server.give_properties(&settings.properties);
            place(&mut server);
            servers.push(server);
        }
        let ensemble = Self {
            servers,
            settings: settings.clone(),
            directory,
        };
        ensemble.configure()?;
        Ok(ensemble)
    }

    /// Writes the configuration files again, for the kinds that the servers have now.
    ///
    /// # Errors
    /// As the system's.
    pub fn configure(&self) -> Result<()> {
        let members: Vec<String> = match self.servers.as_slice() {
            [_] => Vec::new(),
            servers => servers.iter().map(Server::member_line).collect(),
        };
        self.servers
            .iter()
            .try_for_each(|server| server.configure(&self.settings, &members))
    }

    /// Writes the configuration files with other settings, for the next starts.
    ///
    /// # Errors
    /// As the system's.
    pub fn set_settings(&mut self, settings: &Settings) -> Result<()> {
        self.settings = settings.clone();
        self.configure()
    }

    /// Configures and starts `count` servers of one kind and waits until all serve.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(kind: Kind, count: usize, settings: &Settings) -> Result<Self> {
        let mut ensemble = Self::configured(&vec![kind; count], settings)?;
        ensemble.start_all()?;
        ensemble.wait_serving()?;
        Ok(ensemble)
    }

    /// Starts all servers that do not run.
    ///
    /// # Errors
    /// When a program is not to be had.
    pub fn start_all(&mut self) -> Result<()> {
        self.servers
            .iter_mut()
            .filter(|server| !server.is_started())
            .try_for_each(Server::start)
    }

    /// Waits until all servers serve.
    ///
    /// # Errors
    /// When one does not in time.
    pub fn wait_serving(&mut self) -> Result<()> {
        for server in &mut self.servers {
            server.wait_serving(START_LIMIT)?;
        }
        Ok(())
    }

    /// Starts the servers of Apache again that ended by a defect of their own ([`End`]), and returns how
    /// many did. One that has to be emptied for that is emptied once the others have a leader: what it
    /// acknowledged is safe with those.
    ///
    /// # Errors
    /// As [`Ensemble::start_all`]; or when one would have to be emptied for what a leader of ours sent.
    pub fn start_ended(&mut self) -> Result<u32> {
        let mut started = 0;
        for index in 0..self.servers.len() {
            let server = self.servers.get_mut(index).context("a server")?;
            let Some(end) = server.ended_itself()? else {
                continue;
            };
            if let End::LoggedBeforeSnapshot(leader) = end {
                let mut all = self.servers.iter();
                let sender = all.find(|server| server.quorum_address() == leader);
                if sender.is_none_or(|sender| sender.kind != Kind::Apache) {
                    bail!(
                        "a server ended for what was sent by {leader}, not one of Apache: {end:?}"
                    );
                }
                self.leader()?;
                let server = self.servers.get_mut(index).context("a server")?;
                server.empty()?;
                self.configure()?;
            }
            self.servers.get_mut(index).context("a server")?.start()?;
            started += 1;
        }
        Ok(started)
    }

    /// As [`Ensemble::wait_serving`], after [`Ensemble::start_ended`] if one had ended; returns how
    /// many had.
    ///
    /// # Errors
    /// As both.
    pub fn wait_serving_again(&mut self) -> Result<u32> {
        let Err(error) = self.wait_serving() else {
            return Ok(0);
        };
        let started = self.start_ended()?;
        if started == 0 {
            return Err(error);
        }
        self.wait_serving()?;
        Ok(started)
    }

    /// The server with this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&mut self, id: u8) -> Result<&mut Server> {
        let found = self.servers.iter_mut().find(|server| server.id == id);
        found.with_context(|| format!("there is no server {id}"))
    }

    /// Waits until one server leads or serves alone, and returns its id.
    ///
    /// # Errors
    /// When none does in time.
    pub fn leader(&self) -> Result<u8> {
        wait_for("a leader", START_LIMIT, || {
            let leads = |server: &&Server| {
                let mode = four_letter::mode(server.client_address());
                mode.is_ok_and(|mode| mode == "leader" || mode == "standalone")
            };
            let started = self.servers.iter().filter(|server| server.is_started());
            started
                .filter(leads)
                .map(|server| server.id)
                .next()
                .ok_or("none leads".into())
        })
    }

    /// Where clients find the servers.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::client_address).collect()
    }

    /// The same as clients' connect string.
    #[must_use]
    pub fn connect_string(&self) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        addresses.join(",")
    }

    /// Keeps the directory with its logs, after a failure, and returns where it is.
    #[must_use]
    pub fn keep(mut self) -> std::path::PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }
}
