//! Names, addresses and paths of a cluster: what every other file here agrees on.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cache;

/// How many nodes there are, each in a zone of its own.
pub const NODE_COUNT: u8 = 3;

/// The host's address on the bridge: the API server, etcd's client and the name server.
pub const HOST_ADDRESS: &str = "172.30.0.1";

/// The bridge's network, as a suffix of an address.
pub const BRIDGE_PREFIX: u8 = 24;

/// All pods; each node has a /24 of it.
pub const POD_NETWORK: &str = "10.244.0.0/16";

/// The addresses of Services.
pub const SERVICE_NETWORK: &str = "10.96.0.0/16";

/// The API server's port on [`HOST_ADDRESS`].
pub const API_PORT: u16 = 6443;

/// The longest path that fits a Unix socket's address, less the longest name that a kubelet adds.
const KUBELET_ROOT_MAX_BYTES: usize = 107 - "/pod-resources/1234567890.sock".len();

/// The longest name, so that the names of network interfaces fit the kernel's 15 bytes.
const NAME_MAX_BYTES: usize = 10;

/// The places of one cluster.
#[derive(Debug, Clone)]
pub struct Layout {
    name: String,
    state: PathBuf,
    run: PathBuf,
    cache: PathBuf,
}

/// The places of one node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The number, from 1.
    pub number: u8,
    /// The name in Kubernetes.
    pub name: String,
    cluster: String,
    root: PathBuf,
    run: PathBuf,
}

impl Layout {
    /// Lays out a cluster of this name below the cache directory.
    ///
    /// # Errors
    /// When the name is not 1 to 10 of `a-z 0-9 -`, or the cache directory's path is too long.
    pub fn new(name: &str) -> Result<Self> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.bytes().all(good) {
            bail!("cluster name {name:?} must be 1 to {NAME_MAX_BYTES} of a-z, 0-9 and -");
        }
        let cache = cache::directory()?;
        let layout = Self {
            name: name.to_owned(),
            state: cache.join("clusters").join(name),
            run: Path::new("/run/quorate-e2e").join(name),
            cache,
        };
        for node in layout.nodes() {
            let root = node.kubelet_root();
            if root.as_os_str().len() > KUBELET_ROOT_MAX_BYTES {
                bail!(
                    "{} is too long for Unix sockets in it; set QUORATE_CACHE to a shorter path",
                    root.display()
                );
            }
        }
        Ok(layout)
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What outlives the processes: data, logs, credentials, `state.json`.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Sockets and the runtimes' volatile state, on a file system of memory.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Where the programs are that a cluster consists of.
    pub fn programs(&self) -> [PathBuf; 2] {
        [self.cache.join("bin"), self.cache.join("debian")]
    }

    /// The log of one process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.state.join("logs").join(format!("{process}.log"))
    }

    /// What users' kubectl reads.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// Where persistent volumes are.
    pub fn volumes(&self) -> PathBuf {
        self.state.join("volumes")
    }

    /// The lock that `up` and `down` hold. It lies beside the state, which `down` removes.
    pub fn lock(&self) -> PathBuf {
        self.state.with_extension("lock")
    }

    /// The bridge that joins the nodes.
    pub fn bridge(&self) -> String {
        format!("qr-{}", self.name)
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<Node> {
        (1..=NODE_COUNT)
            .map(|number| {
                let name = format!("node{number}");
                Node {
                    number,
                    cluster: self.name.clone(),
                    root: self.state.join("nodes").join(&name),
                    run: self.run.join(&name),
                    name,
                }
            })
            .collect()
    }

    /// One node by its number.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node(&self, number: u8) -> Result<Node> {
        match self.nodes().into_iter().find(|node| node.number == number) {
            Some(node) => Ok(node),
            None => bail!("no node {number}; there are nodes 1 to {NODE_COUNT}"),
        }
    }
}

impl Node {
    /// The node's address on the bridge.
    pub fn address(&self) -> String {
        format!("172.30.0.{}", 10 + self.number)
    }

    /// The node's part of the pod network.
    pub fn pod_network(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// The node's zone.
    pub fn zone(&self) -> String {
        format!("zone-{}", self.number)
    }

    /// The name of its network namespace.
    pub fn namespace(&self) -> String {
        format!("{}-{}", self.cluster, self.name)
    }

    /// The file that holds its network namespace.
    pub fn namespace_path(&self) -> PathBuf {
        Path::new("/var/run/netns").join(self.namespace())
    }

    /// The host's end of the cable into its namespace.
    pub fn cable(&self) -> String {
        format!("qr-{}-{}", self.cluster, self.number)
    }

    /// Its cgroup, relative to each hierarchy's root.
    pub fn cgroup(&self) -> String {
        format!("qr-{}-{}", self.cluster, self.name)
    }

    /// Its files that outlive its processes.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its volatile files.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The kubelet's directory.
    pub fn kubelet_root(&self) -> PathBuf {
        self.root.join("kubelet")
    }

    /// Where containerd answers.
    pub fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_not_fit_are_refused() {
        for name in ["", "elevenbytes", "Upper", "a/b", "a b"] {
            assert!(Layout::new(name).is_err(), "{name:?}");
        }
        let layout = Layout::new("tenbytes-1").unwrap();
        let longest = layout
            .nodes()
            .iter()
            .map(|node| node.cable().len())
            .max()
            .unwrap();
        assert!(longest <= 15 && layout.bridge().len() <= 15);
    }
}
