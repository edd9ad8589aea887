//! What makes a namespace a node of Kubernetes: its kubelet and its kube-proxy.

use std::fs;

use anyhow::Result;
use serde_json::json;

use crate::cluster::control_plane::{NODE_GRACE_SECONDS, flag};
use crate::cluster::credentials::Credentials;
use crate::cluster::dns::{self, CLUSTER_DOMAIN};
use crate::cluster::layout::{HOST_ADDRESS, Layout, Node, POD_NETWORK};
use crate::cluster::processes::Daemon;
use crate::tools::Tools;

/// Describes the kubelet of a node and writes its configuration.
///
/// # Errors
/// When the configuration cannot be written.
pub(super) fn kubelet(
    layout: &Layout,
    tools: &Tools,
    credentials: &Credentials,
    node: &Node,
) -> Result<Daemon> {
    let root = node.kubelet_root();
    fs::create_dir_all(&root)?;
    let config = node.root().join("kubelet.json");
    fs::write(
        &config,
        serde_json::to_vec_pretty(&configuration(layout, node)?)?,
    )?;
    Ok(Daemon {
        program: tools.kubernetes.component("kubelet"),
        arguments: vec![
            flag("config", config.display()),
            flag("kubeconfig", credentials.kubelet(node).display()),
            flag("root-dir", root.display()),
            flag("cert-dir", root.join("pki").display()),
            flag("hostname-override", &node.name),
            flag("node-ip", node.address()),
            flag(
                "node-labels",
                format!("topology.kubernetes.io/zone={}", node.zone()),
            ),
        ],
        namespace: Some(node.namespace_path()),
        path: None,
        log: layout.log(&format!("kubelet-{}", node.name)),
    })
}

/// The kubelet's port is reachable from the cluster's own namespaces only, and the API server knows
/// no certificate to show to it, so everybody there may use it.
fn configuration(layout: &Layout, node: &Node) -> Result<serde_json::Value> {
    let socket = format!("unix://{}", node.containerd_socket().display());
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // How soon a changed ConfigMap or Secret is in the pods; a minute by default.
        "syncFrequency": "10s",
        "address": node.address(),
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", node.cgroup()),
        "clusterDNS": [HOST_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": socket,
        "enforceNodeAllocatable": [],
        // All nodes share one disk, and images come from an archive: nothing may be cleaned up.
        "evictionHard": { "imagefs.available": "0%", "nodefs.available": "0%",
            "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%", "memory.available": "0%" },
        "imageGCHighThresholdPercent": 100,
        "failCgroupV1": false,
        "failSwapOn": false,
        "nodeLeaseDurationSeconds": NODE_GRACE_SECONDS - 4,
        "nodeStatusUpdateFrequency": "5s",
        "podLogsDir": node.root().join("pod-logs"),
        "resolvConf": dns::resolver_file(layout)?,
        "volumePluginDir": node.root().join("volume-plugins"),
    }))
}

/// Describes the kube-proxy of a node. Three of the settings that it would make do not exist inside
/// of a network namespace.
pub(super) fn proxy(
    layout: &Layout,
    tools: &Tools,
    credentials: &Credentials,
    node: &Node,
) -> Daemon {
    Daemon {
        program: tools.kubernetes.component("kube-proxy"),
        arguments: vec![
            flag("kubeconfig", credentials.proxy().display()),
            flag("hostname-override", &node.name),
            flag("proxy-mode", "iptables"),
            flag("cluster-cidr", POD_NETWORK),
            flag("conntrack-max-per-core", 0),
            flag("conntrack-tcp-timeout-established", 0),
            flag("conntrack-tcp-timeout-close-wait", 0),
        ],
        namespace: Some(node.namespace_path()),
        path: None,
        log: layout.log(&format!("kube-proxy-{}", node.name)),
    }
}
