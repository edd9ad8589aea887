//! A thin line to a pod: what is sent to it waits behind each other.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::layout::Node;
use crate::cluster::network;
use crate::shell;

/// The bridge of a node's pods, as CNI makes it.
const PODS_BRIDGE: &str = "cni0";

/// Bytes that may be sent at once: some packets.
const BURST: &str = "5000";

/// How long what is sent may wait before it is thrown away.
const QUEUE: &str = "400ms";

/// A pod behind a thin line, until this is dropped.
#[derive(Debug)]
pub struct Slow {
    node: Node,
    interface: String,
}

impl Slow {
    /// Lets so much through to a pod on this node, as `tc` spells it: `150kbit`.
    ///
    /// # Errors
    /// When the pod is not on the node, or the kernel has no `tbf`.
    pub fn new(node: &Node, pod_address: &str, rate: &str) -> Result<Self> {
        let slow = Self {
            node: node.clone(),
            interface: interface(node, pod_address)?,
        };
        let dev = slow.interface.as_str();
        let words = ["tc", "qdisc", "replace", "dev", dev, "root", "tbf"];
        let limits = ["rate", rate, "burst", BURST, "latency", QUEUE];
        network::inside(node, &[&words[..], &limits[..]].concat())?;
        Ok(slow)
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let dev = self.interface.as_str();
        let words = ["tc", "qdisc", "delete", "dev", dev, "root"];
        if let Err(error) = network::inside(&self.node, &words) {
            eprintln!("{dev} of {} stays slow: {error:#}", self.node.name);
        }
    }
}

/// The node's end of the cable to a pod. The kubelet asks each pod how it is, so that its hardware address
/// is known.
fn interface(node: &Node, pod_address: &str) -> Result<String> {
    let word =
        |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let neighbours = list(node, &["ip", "-json", "neigh", "show", pod_address])?;
    let hardware = neighbours
        .iter()
        .find_map(|entry| word(entry, "lladdr"))
        .with_context(|| format!("{} knows no {pod_address}", node.name))?;
    let ports = list(node, &["bridge", "-json", "fdb", "show", "br", PODS_BRIDGE])?;
    ports
        .iter()
        .find(|entry| word(entry, "mac").as_ref() == Some(&hardware))
        .and_then(|entry| word(entry, "ifname"))
        .with_context(|| format!("{pod_address} is behind no port of {PODS_BRIDGE}"))
}

fn list(node: &Node, words: &[&str]) -> Result<Vec<Value>> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let text = shell::run(network::command_inside(node, program).args(arguments))?;
    serde_json::from_str(&text).with_context(|| format!("{words:?} printed {text}"))
}
