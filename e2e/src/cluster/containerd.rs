//! A container runtime per node. A shared one would show every kubelet the others' containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::fs::statfs;
use serde_json::json;

use crate::cluster::layout::{Layout, Node};
use crate::cluster::processes::Daemon;
use crate::shell;
use crate::tools::Tools;
use crate::tools::kubernetes::PAUSE_IMAGE;

/// The bit of CAP_SYS_RESOURCE in the kernel's masks of capabilities.
const CAP_SYS_RESOURCE: u32 = 24;

/// The magic number that the kernel's overlayfs answers to statfs.
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

/// Describes the runtime of a node and writes its configuration.
///
/// # Errors
/// When the configuration cannot be written.
pub(super) fn daemon(layout: &Layout, tools: &Tools, node: &Node) -> Result<Daemon> {
    fs::create_dir_all(node.root())?;
    fs::create_dir_all(node.run())?;
    let cni = write_cni(layout, node)?;
    let config = node.root().join("containerd.toml");
    fs::write(&config, configuration(tools, node, &cni)?)?;
    let programs = tools
        .debian
        .containerd
        .parent()
        .context("containerd has no directory")?;
    Ok(Daemon {
        program: tools.debian.containerd.clone(),
        arguments: vec!["--config".to_owned(), config.display().to_string()],
        namespace: Some(node.namespace_path()),
        path: Some(programs.to_owned()),
        log: layout.log(&format!("containerd-{}", node.name)),
    })
}

/// Imports an image archive into the runtime of every node, at the same time.
///
/// # Errors
/// When an import fails; the text says on which node.
pub(super) fn import(layout: &Layout, ctr: &Path, archive: &Path) -> Result<()> {
    let results = thread::scope(|scope| {
        let imports: Vec<_> = layout
            .nodes()
            .into_iter()
            .map(|node| {
                let mut command = Command::new(ctr);
                command
                    .arg("--address")
                    .arg(node.containerd_socket())
                    .args(["--namespace", "k8s.io", "images", "import"])
                    .arg(archive);
                scope.spawn(move || {
                    shell::run(&mut command).with_context(|| format!("on {}", node.name))
                })
            })
            .collect();
        imports
            .into_iter()
            .map(|import| import.join())
            .collect::<Vec<_>>()
    });
    for result in results {
        result.map_err(|_| anyhow!("an import panicked"))??;
    }
    Ok(())
}

/// Kills a container with SIGKILL, as the kernel does when memory is short: nothing in it hears of it.
pub(super) fn kill(node: &Node, ctr: &Path, container: &str) -> Result<()> {
    let mut command = Command::new(ctr);
    command
        .arg("--address")
        .arg(node.containerd_socket())
        .args(["--namespace", "k8s.io", "tasks", "kill"])
        .args(["--signal", "SIGKILL", container]);
    shell::run(&mut command)?;
    Ok(())
}

/// The name that the CNI library files its results under, in `/var/lib/cni`.
pub(super) fn cni_network(layout: &Layout) -> String {
    format!("quorate-{}", layout.name())
}

fn configuration(tools: &Tools, node: &Node, cni: &Path) -> Result<String> {
    let root = node.root().join("containerd");
    fs::create_dir_all(&root)?;
    // An overlay cannot lie on an overlay, which is what the root of a container is.
    let nested = u64::try_from(statfs(&root)?.f_type).is_ok_and(|kind| kind == OVERLAYFS_MAGIC);
    let snapshotter = if nested { "native" } else { "overlayfs" };
    Ok(format!(
        r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = {restricted}
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"
Root = "{runc_root}"
SystemdCgroup = false
"#,
        root = root.display(),
        state = node.run().join("containerd").display(),
        socket = node.containerd_socket().display(),
        restricted = !has_capability(CAP_SYS_RESOURCE),
        plugins = tools.debian.cni.display(),
        cni = cni.display(),
        runc = tools.debian.runc.display(),
        runc_root = node.run().join("runc").display(),
    ))
}

fn write_cni(layout: &Layout, node: &Node) -> Result<PathBuf> {
    let directory = node.root().join("cni");
    fs::create_dir_all(&directory)?;
    let list = json!({
        "cniVersion": "0.4.0",
        "name": cni_network(layout),
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": node.root().join("addresses"),
                    "ranges": [[{ "subnet": node.pod_network() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    fs::write(
        directory.join("10-pods.conflist"),
        serde_json::to_vec_pretty(&list)?,
    )?;
    Ok(directory)
}

/// Says whether this process, and so its children, may do what the capability stands for. Where
/// CAP_SYS_RESOURCE is missing, runc cannot lower a container's out-of-memory score and fails.
fn has_capability(bit: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << bit) != 0)
}
