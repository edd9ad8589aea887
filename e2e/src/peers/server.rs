//! One server of either kind: its directory, its ports, its configuration file, its process.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::ensemble::Settings;
use super::{Process, apache, apache_ends, four_letter, ports, quorate, wait_for};

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Apache ZooKeeper, the reference.
    Apache,
    /// This project's server.
    Quorate,
}

impl Kind {
    /// Its name in tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache",
            Self::Quorate => "Quorate",
        }
    }
}

/// The ports of a server, all on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// Where learners connect while it leads.
    pub quorum: u16,
    /// For election messages.
    pub election: u16,
    /// For HTTP; Apache's servers use it only where a test switches it on.
    pub admin: u16,
}

/// A server, running or not.
#[derive(Debug)]
pub struct Server {
    /// Its number, from 1.
    pub id: u8,
    /// Which program.
    pub kind: Kind,
    /// Where it listens.
    pub ports: Ports,
    /// Whether it has no vote.
    pub observer: bool,
    host: Ipv4Addr,
    namespace: Option<PathBuf>,
    directory: PathBuf,
    properties: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// Makes a server that lives in `directory` and does not run yet.
    ///
    /// # Errors
    /// When directories or ports cannot be had.
    pub fn new(id: u8, kind: Kind, directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(directory.join("data"))?;
        let ports = Ports {
            client: ports::free()?,
            quorum: ports::free()?,
            election: ports::free()?,
            admin: ports::free()?,
        };
        Ok(Self {
            id,
            kind,
            ports,
            observer: false,
            host: Ipv4Addr::LOCALHOST,
            namespace: None,
            directory,
            properties: Vec::new(),
            process: None,
        })
    }

    /// Lets it live in a network namespace, where `host` is its address.
    pub fn live_in(&mut self, namespace: PathBuf, host: Ipv4Addr) {
        self.namespace = Some(namespace);
        self.host = host;
    }

    /// Where clients find it.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        (self.host, self.ports.client).into()
    }

    /// Where its status page is, for this project's server.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        (self.host, self.ports.admin).into()
    }

    /// Its data directory.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.join("zoo.cfg")
    }

    /// What it wrote.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// Writes its configuration; `members` are the `server.N` lines, none for a server alone.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn configure(&self, settings: &Settings, members: &[String]) -> Result<()> {
        let mut text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress={}\ntickTime={}\ninitLimit=20\n\
             syncLimit=10\nmaxClientCnxns=0\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n",
            self.data_directory().display(),
            self.ports.client,
            self.host,
            settings.tick.as_millis(),
        );
        writeln!(text, "admin.serverPort={}", self.ports.admin)?;
        writeln!(text, "admin.serverAddress={}", self.host)?;
        if self.observer {
            text.push_str("peerType=observer\n");
        }
        if self.kind == Kind::Apache {
            // Its admin server takes a while to start, and few tests need it.
            text.push_str("admin.enableServer=false\n");
        }
        for line in settings.extra.iter().chain(members) {
            text.push_str(line);
            text.push('\n');
        }
        if !members.is_empty() {
            fs::write(self.data_directory().join("myid"), format!("{}\n", self.id))?;
        }
        fs::write(self.config_path(), text)?;
        Ok(())
    }

    /// The line that tells the members about this server.
    #[must_use]
    pub fn member_line(&self) -> String {
        let role = if self.observer { ":observer" } else { "" };
        format!(
            "server.{}={}:{}:{}{role}",
            self.id, self.host, self.ports.quorum, self.ports.election
        )
    }

    /// The same with its role and its client address in it: what a reconfiguration takes, and what the
    /// config node shows.
    #[must_use]
    pub fn whole_line(&self) -> String {
        let role = if self.observer {
            "observer"
        } else {
            "participant"
        };
        format!(
            "server.{}={host}:{}:{}:{role};{host}:{}",
            self.id,
            self.ports.quorum,
            self.ports.election,
            self.ports.client,
            host = self.host,
        )
    }

    /// Where it listens, from when its configuration says so.
    pub fn move_to(&mut self, host: Ipv4Addr) {
        self.host = host;
    }

    /// Takes away its data and its configuration; what it wrote to its log stays.
    ///
    /// # Errors
    /// When it runs, or as the system's.
    pub fn empty(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("server {} runs", self.id);
        }
        let log = self.log_path();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if path != log {
                fs::remove_file(path)?;
            }
        }
        fs::create_dir_all(self.data_directory())?;
        Ok(())
    }

    /// Gives it Java system properties, `name=value`, for its next start.
    pub fn give_properties(&mut self, properties: &[String]) {
        properties.clone_into(&mut self.properties);
    }

    /// Starts it; it may take a while until it serves.
    ///
    /// # Errors
    /// When the program is not to be had, or the server runs already.
    pub fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("server {} runs already", self.id);
        }
        let mut command = match self.kind {
            Kind::Apache => apache::command(&self.config_path(), &self.properties)?,
            Kind::Quorate => quorate::command(&self.config_path(), &self.properties)?,
        };
        if let Some(namespace) = &self.namespace {
            command = inside(namespace, &command);
        }
        command.current_dir(&self.directory);
        self.process = Some(Process::start(&mut command, &self.log_path())?);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// When it was not started.
    pub fn process(&mut self) -> Result<&mut Process> {
        let id = self.id;
        self.process
            .as_mut()
            .with_context(|| format!("server {id} does not run"))
    }

    /// Whether it was started and not stopped since.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it with SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// Ends it with SIGTERM and returns how it ended.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let status = self.process()?.terminate()?;
        self.process = None;
        Ok(status)
    }

    /// Why it ended, for a server of Apache that did so by a defect that is known; else `None`.
    /// It counts as not started then.
    ///
    /// # Errors
    /// As the system's.
    pub fn ended_itself(&mut self) -> Result<Option<apache_ends::End>> {
        let log = self.log_path();
        let Some(process) = self.process.as_mut() else {
            return Ok(None);
        };
        if self.kind != Kind::Apache || process.ended()?.is_none() {
            return Ok(None);
        }
        let all = fs::read(log)?;
        let end = apache_ends::why(&process.said()?, &String::from_utf8_lossy(&all));
        if end.is_some() {
            self.process = None;
        }
        Ok(end)
    }

    /// Where learners connect to it while it leads.
    #[must_use]
    pub fn quorum_address(&self) -> SocketAddr {
        (self.host, self.ports.quorum).into()
    }

    /// Lets the other program serve from now on, with the same directory and ports.
    ///
    /// # Errors
    /// When it runs.
    pub fn become_kind(&mut self, kind: Kind) -> Result<()> {
        if self.process.is_some() {
            bail!("server {} runs", self.id);
        }
        self.kind = kind;
        Ok(())
    }

    /// Waits until it serves and returns its mode.
    ///
    /// # Errors
    /// When it ends, or does not serve in time; the text carries the end of its log.
    pub fn wait_serving(&mut self, limit: Duration) -> Result<String> {
        let address = self.client_address();
        let log = self.log_path();
        let process = self.process()?;
        let waited = wait_for("a server that serves", limit, || {
            if let Ok(Some(status)) = process.ended() {
                // Nothing will come of waiting; say so at once.
                return Ok(Err(status));
            }
            four_letter::mode(address)
                .map(Ok)
                .map_err(|error| error.to_string())
        });
        match waited {
            Ok(Ok(mode)) => Ok(mode),
            Ok(Err(status)) => bail!("server {} ended with {status}: {}", self.id, tail(&log)),
            Err(error) => Err(error.context(format!("server {}: {}", self.id, tail(&log)))),
        }
    }
}

/// The same command in a network namespace; it runs under the process id that is started.
fn inside(namespace: &Path, command: &Command) -> Command {
    let mut inside = Command::new("nsenter");
    inside
        .arg(format!("--net={}", namespace.display()))
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

fn tail(log: &Path) -> String {
    crate::shell::log_tail(log)
}
