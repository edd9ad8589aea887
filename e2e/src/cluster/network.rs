//! One network namespace per node, all on one bridge of the host.
//!
//! ```text
//!   host  172.30.0.1 on the bridge: API server, etcd, name server
//!     |-- cable -- node1  172.30.0.11   pods 10.244.1.0/24
//!     |-- cable -- node2  172.30.0.12   pods 10.244.2.0/24
//!     `-- cable -- node3  172.30.0.13   pods 10.244.3.0/24
//! ```
//!
//! Plain routes join the pod networks. All traffic stays in addresses that exist only here. A
//! partition is real: the cable of a node goes down, or packets are dropped in its namespace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cluster::layout::{BRIDGE_PREFIX, HOST_ADDRESS, Layout, Node, SERVICE_NETWORK};
use crate::shell;

/// Builds the network.
///
/// # Errors
/// When a part cannot be made, for example because another cluster's bridge has the addresses.
pub fn create(layout: &Layout) -> Result<()> {
    let bridge = layout.bridge();
    let addresses = shell::call("ip", &["-brief", "address", "show", "to", HOST_ADDRESS])?;
    if let Some(holder) = addresses.split_whitespace().next() {
        bail!("{holder} has the address {HOST_ADDRESS} already; take that cluster down first");
    }
    ip(&["link", "add", &bridge, "type", "bridge"])?;
    ip(&[
        "address",
        "add",
        &format!("{HOST_ADDRESS}/{BRIDGE_PREFIX}"),
        "dev",
        &bridge,
    ])?;
    ip(&["link", "set", &bridge, "up"])?;
    firewall(layout, "-I")?;
    let nodes = layout.nodes();
    for node in &nodes {
        create_node(layout, node)?;
    }
    for node in &nodes {
        ip(&["route", "add", &node.pod_network(), "via", &node.address()])?;
        for other in nodes.iter().filter(|other| other.number != node.number) {
            inside(
                node,
                &[
                    "ip",
                    "route",
                    "add",
                    &other.pod_network(),
                    "via",
                    &other.address(),
                ],
            )?;
        }
    }
    // The host reaches Services through the first node, whose kube-proxy masquerades for it.
    let first = layout.node(1)?;
    ip(&["route", "add", SERVICE_NETWORK, "via", &first.address()])
}

fn create_node(layout: &Layout, node: &Node) -> Result<()> {
    let (namespace, cable) = (node.namespace(), node.cable());
    ip(&["netns", "add", &namespace])?;
    ip(&[
        "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace,
    ])?;
    ip(&["link", "set", &cable, "master", &layout.bridge(), "up"])?;
    let address = format!("{}/{BRIDGE_PREFIX}", node.address());
    inside(node, &["ip", "link", "set", "lo", "up"])?;
    inside(node, &["ip", "address", "add", &address, "dev", "eth0"])?;
    inside(node, &["ip", "link", "set", "eth0", "up"])?;
    inside(
        node,
        &["ip", "route", "add", "default", "via", HOST_ADDRESS],
    )?;
    inside(node, &["sysctl", "-qw", "net.ipv4.ip_forward=1"])
}

/// Undoes what [`create`] did, as far as it is there. Processes in the namespaces must be gone.
///
/// # Errors
/// When a part that is there cannot be removed.
pub fn remove(layout: &Layout) -> Result<()> {
    for node in layout.nodes() {
        if node.namespace_path().exists() {
            ip(&["netns", "delete", &node.namespace()])?;
        }
        // The kernel removes a namespace's end of the cable, and so ours, when it gets around to it.
        if has_link(&node.cable()) {
            ip(&["link", "delete", &node.cable()]).or_else(|error| {
                if has_link(&node.cable()) {
                    Err(error)
                } else {
                    Ok(())
                }
            })?;
        }
    }
    if has_link(&layout.bridge()) {
        ip(&["link", "delete", &layout.bridge()])?;
    }
    while has_firewall_rule(layout) {
        firewall(layout, "-D")?;
    }
    Ok(())
}

/// Returns the parts that are there.
pub fn leftovers(layout: &Layout) -> Vec<String> {
    let nodes = layout.nodes();
    let namespaces = nodes
        .iter()
        .filter(|node| node.namespace_path().exists())
        .map(|node| format!("network namespace {}", node.namespace()));
    let links = nodes
        .iter()
        .map(Node::cable)
        .chain([layout.bridge()])
        .filter(|link| has_link(link))
        .map(|link| format!("network interface {link}"));
    let rule = has_firewall_rule(layout).then(|| format!("iptables rule for {}", layout.bridge()));
    namespaces.chain(links).chain(rule).collect()
}

/// Pulls the cable of a node: nothing gets in or out, not even to the API server.
///
/// # Errors
/// When there is no such cable.
pub fn isolate(node: &Node) -> Result<()> {
    ip(&["link", "set", &node.cable(), "down"])
}

/// Plugs the cable of a node in again.
///
/// # Errors
/// When there is no such cable.
pub fn rejoin(node: &Node) -> Result<()> {
    ip(&["link", "set", &node.cable(), "up"])
}

/// Returns a command that will run inside of a node's network namespace.
pub fn command_inside(node: &Node, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", node.namespace_path().display()))
        .arg(program.as_ref());
    command
}

/// Runs a command inside of a node's network namespace.
///
/// # Errors
/// When it fails.
pub(super) fn inside(node: &Node, words: &[&str]) -> Result<()> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    shell::run(command_inside(node, program).args(arguments))?;
    Ok(())
}

/// Set in a process that runs inside of a node's network namespace: the file of the namespace in which
/// the bridge is.
pub const HOST_NAMESPACE: &str = "QUORATE_E2E_HOST_NET";

/// The namespace in which the bridge is, for a process that is inside of a node's.
pub(super) fn host_namespace() -> Option<PathBuf> {
    std::env::var_os(HOST_NAMESPACE).map(PathBuf::from)
}

fn ip(arguments: &[&str]) -> Result<()> {
    match host_namespace() {
        None => shell::call("ip", arguments)?,
        Some(host) => {
            let mut command = Command::new("nsenter");
            let net = format!("--net={}", host.display());
            shell::run(command.arg(net).arg("ip").args(arguments))?
        }
    };
    Ok(())
}

/// Whether there is such an interface here. `/sys` would tell of the namespace in which it was mounted.
fn has_link(name: &str) -> bool {
    ip(&["link", "show", "dev", name]).is_ok()
}

/// Lets traffic between nodes pass. Where `bridge-nf-call-iptables` is set, bridged frames go
/// through the host's FORWARD chain, which Docker, for one, closes.
fn firewall(layout: &Layout, action: &str) -> Result<()> {
    let bridge = layout.bridge();
    let rule = ["FORWARD", "-i", &bridge, "-o", &bridge, "-j", "ACCEPT"];
    let iptables = shell::find("iptables").context("no iptables")?;
    shell::run(Command::new(iptables).args(["-w", action]).args(rule))?;
    Ok(())
}

fn has_firewall_rule(layout: &Layout) -> bool {
    shell::find("iptables").is_some() && firewall(layout, "-C").is_ok()
}
