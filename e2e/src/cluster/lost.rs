//! A node that is lost: nothing gets in or out, its containers are dead, and neither its kubelet nor its
//! runtime does anything until it is back.

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::layout::{Layout, Node};
use crate::cluster::state::State;
use crate::cluster::{cgroups, network, processes};

/// A node while it is lost; it comes back at the latest when this is dropped.
#[derive(Debug)]
pub struct Lost {
    node: Node,
    stopped: Vec<processes::Identity>,
}

impl Lost {
    /// Takes the node away: first its network, so that nobody hears a last word.
    ///
    /// # Errors
    /// When it has no cable, or a process of it cannot be stopped.
    pub fn new(layout: &Layout, node: &Node) -> Result<Self> {
        let daemons = State::load(layout)?.processes;
        let of_node = format!("-{}", node.name);
        network::isolate(node)?;
        let mut lost = Self {
            node: node.clone(),
            stopped: Vec::new(),
        };
        for daemon in daemons
            .iter()
            .filter(|daemon| daemon.name.ends_with(&of_node))
        {
            signal(daemon.identity, Signal::STOP)?;
            lost.stopped.push(daemon.identity);
        }
        let containers = cgroups::processes(&node.cgroup());
        let containers = containers.into_iter().filter_map(processes::Identity::of);
        processes::kill(&containers.collect::<Vec<_>>())?;
        Ok(lost)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When it has no cable any more.
    pub fn comes_back(mut self) -> Result<()> {
        self.undo()
    }

    fn undo(&mut self) -> Result<()> {
        for daemon in std::mem::take(&mut self.stopped) {
            signal(daemon, Signal::CONT)?;
        }
        network::rejoin(&self.node)
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        // It may be undone already; a second time changes nothing.
        if let Err(error) = self.undo() {
            eprintln!("node {} stays lost: {error:#}", self.node.name);
        }
    }
}

fn signal(process: processes::Identity, signal: Signal) -> Result<()> {
    match Pid::from_raw(process.pid).filter(|_| process.is_alive()) {
        Some(pid) => Ok(kill_process(pid, signal)?),
        None => Ok(()),
    }
}
