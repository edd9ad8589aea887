//! A network namespace for each server, and two bridges to which their cables lead.
//!
//! ```text
//!   clients  10.213.N.254 on both bridges
//!     |-- bridge a -- cable -- server 1  10.213.N.1
//!     |            `- cable -- server 2  10.213.N.2
//!     `-- bridge b -- cable -- server 3  10.213.N.3     cut off from 1 and 2, not from its clients
//! ```
//!
//! A partition is real: a server's cable is moved to the other bridge. Clients reach every server all
//! the time, since a cut-off server that still answers its clients is the interesting one.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::shell;

/// Last byte of the clients' address.
const CLIENTS: u8 = 254;

/// Where the time of its start is in a process's `stat`, after the program's name.
const STARTED_AT: usize = 19;

/// The network of one ensemble; dropping it removes it, and the next one that is made removes what a
/// run left that was killed.
#[derive(Debug)]
pub struct Network {
    /// Third byte of the addresses, and part of all names.
    number: u8,
    servers: u8,
}

/// A side of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where everyone is at first.
    A,
    /// Apart.
    B,
}

impl Network {
    /// Makes the namespaces of servers 1 to `servers`, all on one side.
    ///
    /// # Errors
    /// When that is not allowed; it takes the rights of root.
    pub fn create(servers: u8) -> Result<Self> {
        remove_left()?;
        let owner = owner(process::id()).context("no such process as this one")?;
        let first = u8::try_from(process::id() % 200).unwrap_or_default();
        let number = (0..50)
            .map(|n| first.wrapping_add(n))
            .find(|number| !has_link(&bridge(*number, Side::A)))
            .context("no free number for a network")?;
        let network = Self { number, servers };
        for side in [Side::A, Side::B] {
            let name = bridge(number, side);
            ip(&["link", "add", &name, "type", "bridge"])?;
            ip(&["link", "set", &name, "alias", &owner])?;
            let clients = format!("{}/32", network.address(CLIENTS));
            ip(&["address", "add", &clients, "dev", &name])?;
            ip(&["link", "set", &name, "up"])?;
        }
        for server in 1..=servers {
            let (namespace, cable) = (network.name(server), network.cable(server));
            ip(&["netns", "add", &namespace])?;
            ip(&[
                "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace,
            ])?;
            ip(&["link", "set", &cable, "up"])?;
            let address = format!("{}/24", network.address(server));
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            network.place(server, Side::A)?;
        }
        Ok(network)
    }

    /// Moves a server to one side.
    ///
    /// # Errors
    /// When the network is gone.
    pub fn place(&self, server: u8, side: Side) -> Result<()> {
        let bridge = bridge(self.number, side);
        ip(&["link", "set", &self.cable(server), "master", &bridge])?;
        let to = format!("{}/32", self.address(server));
        let from = self.address(CLIENTS).to_string();
        ip(&["route", "replace", &to, "dev", &bridge, "src", &from])
    }

    /// Lets all servers reach each other again.
    ///
    /// # Errors
    /// As [`Network::place`].
    pub fn heal(&self) -> Result<()> {
        (1..=self.servers).try_for_each(|server| self.place(server, Side::A))
    }

    /// The address of a server.
    #[must_use]
    pub fn address(&self, server: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, server)
    }

    /// The file that stands for a server's namespace.
    #[must_use]
    pub fn namespace(&self, server: u8) -> PathBuf {
        namespace(self.number, server)
    }

    /// Ends whatever still runs in a server's namespace.
    fn end_processes(&self, server: u8) -> Result<()> {
        let program = shell::find("ip").context("no ip (iproute2)")?;
        let ids = shell::call(program, &["netns", "pids", &self.name(server)])?;
        for id in ids.split_whitespace() {
            let id = Pid::from_raw(id.parse()?).context("a process id of 0")?;
            match kill_process(id, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn name(&self, server: u8) -> String {
        format!("qmix{}-{server}", self.number)
    }

    fn cable(&self, server: u8) -> String {
        format!("qmix{}c{server}", self.number)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut left = Vec::new();
        for server in 1..=self.servers {
            if self.namespace(server).exists() {
                left.push(ip(&["netns", "delete", &self.name(server)]));
            }
            if has_link(&self.cable(server)) {
                // It goes with its namespace, sooner or later: who is first does not matter.
                drop(ip(&["link", "delete", &self.cable(server)]));
            }
        }
        for side in [Side::A, Side::B] {
            let name = bridge(self.number, side);
            if has_link(&name) {
                left.push(ip(&["link", "delete", &name]));
            }
        }
        for error in left.into_iter().filter_map(Result::err) {
            eprintln!("a part of the network stays: {error:#}");
        }
    }
}

/// Removes what runs left that were killed: networks whose owner is gone, and the servers in them.
fn remove_left() -> Result<()> {
    for number in 0..=u8::MAX {
        let link = Path::new("/sys/class/net").join(bridge(number, Side::A));
        let Ok(alias) = fs::read_to_string(link.join("ifalias")) else {
            continue;
        };
        let alias = alias.trim();
        let id = alias.split(' ').next().unwrap_or_default().parse();
        // One without a mark is about to get one.
        let Ok(id) = id else { continue };
        if owner(id).is_some_and(|owner| owner == alias) {
            continue;
        }
        let servers = (1..=u8::MAX)
            .take_while(|n| namespace(number, *n).exists())
            .last();
        let left = Network {
            number,
            servers: servers.unwrap_or_default(),
        };
        for server in 1..=left.servers {
            left.end_processes(server)?;
        }
        eprintln!("removing the network {number} of process {id}, which is gone");
    }
    Ok(())
}

/// Who made a network: the process and, since ids are used again, when it started.
fn owner(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in brackets, may contain anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let started = rest.split(' ').nth(STARTED_AT)?;
    // A dead process whose parent does not care stays in the list.
    if rest.starts_with(['Z', 'X']) {
        return None;
    }
    Some(format!("{id} {started}"))
}

fn namespace(number: u8, server: u8) -> PathBuf {
    Path::new("/var/run/netns").join(format!("qmix{number}-{server}"))
}

fn bridge(number: u8, side: Side) -> String {
    let side = match side {
        Side::A => 'a',
        Side::B => 'b',
    };
    format!("qmix{number}{side}")
}

fn has_link(name: &str) -> bool {
    fs::symlink_metadata(Path::new("/sys/class/net").join(name)).is_ok()
}

fn ip(arguments: &[&str]) -> Result<()> {
    let program = shell::find("ip").context("no ip (iproute2)")?;
    shell::call(program, arguments)?;
    Ok(())
}
