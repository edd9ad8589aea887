//! The processes on the host's side of the bridge: etcd, API server, controllers, scheduler and the
//! provisioner of volumes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::credentials::Credentials;
use crate::cluster::layout::{API_PORT, HOST_ADDRESS, Layout, SERVICE_NETWORK};
use crate::cluster::network;
use crate::cluster::processes::{self, Daemon};
use crate::cluster::state::State;
use crate::progress::{Look, Progress};
use crate::shell;
use crate::tools::Tools;

/// etcd's ports on the loopback interface: ten times the usual ones, which may be in use.
const ETCD_PORTS: (u16, u16) = (23790, 23800);

/// The API server's program and the name of its process.
pub(super) const API_SERVER: &str = "kube-apiserver";

/// Until an API server that was started again answers.
const RESTART_LIMIT: Duration = Duration::from_secs(60);

/// How large etcd's file system of memory may grow; a cluster under test holds a few megabytes.
const ETCD_MEMORY: &str = "512m";

/// How long a node may be silent before it counts as lost. Upstream's 50 s would make every test of
/// an outage slow; kubelets renew their lease five times within this time.
pub(super) const NODE_GRACE_SECONDS: u32 = 20;

/// Where etcd keeps its data.
pub(super) fn etcd_directory(layout: &Layout) -> PathBuf {
    layout.state().join("etcd")
}

/// etcd on a file system of memory: the cluster does not outlive a restart of the machine anyway,
/// and the tests measure the disk's latency for others.
///
/// # Errors
/// When the file system cannot be mounted.
pub(super) fn etcd(layout: &Layout, tools: &Tools) -> Result<Daemon> {
    let directory = etcd_directory(layout);
    fs::create_dir_all(&directory)?;
    shell::run(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={ETCD_MEMORY},mode=0700"))
            .arg("quorate-etcd")
            .arg(&directory),
    )?;
    let client = etcd_client();
    let peer = format!("http://127.0.0.1:{}", ETCD_PORTS.1);
    Ok(daemon(
        layout,
        "etcd",
        tools.debian.etcd.clone(),
        vec![
            flag("name", "e2e"),
            flag("data-dir", directory.join("data").display()),
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", format!("e2e={peer}")),
        ],
    ))
}

/// The API server. Tokens are its only way to know users; RBAC decides what they may do.
pub(super) fn api_server(layout: &Layout, tools: &Tools, credentials: &Credentials) -> Daemon {
    daemon(
        layout,
        API_SERVER,
        tools.kubernetes.component(API_SERVER),
        vec![
            flag("etcd-servers", etcd_client()),
            flag("bind-address", HOST_ADDRESS),
            flag("advertise-address", HOST_ADDRESS),
            flag("secure-port", API_PORT),
            flag("cert-dir", credentials.certificates().display()),
            flag("token-auth-file", credentials.tokens().display()),
            flag("authorization-mode", "Node,RBAC"),
            flag("enable-admission-plugins", "NodeRestriction"),
            flag("allow-privileged", true),
            flag("service-cluster-ip-range", SERVICE_NETWORK),
            flag(
                "service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            ),
            flag(
                "service-account-key-file",
                credentials.signing_key_public().display(),
            ),
            flag(
                "service-account-signing-key-file",
                credentials.signing_key().display(),
            ),
            flag("kubelet-preferred-address-types", "InternalIP"),
            flag("profiling", false),
        ],
    )
}

/// Kills the API server of a running cluster and starts it again after a pause; its data is in etcd.
///
/// # Errors
/// When there is none, or it does not start or answer again.
pub fn restart_api_server(progress: &Progress, layout: &Layout, pause: Duration) -> Result<()> {
    let tools = Tools::locate()?;
    let mut state = State::load(layout)?;
    let server = state.processes.iter_mut().find(|p| p.name == API_SERVER);
    let server = server.context("the cluster has no API server of ours")?;
    processes::kill(&[server.identity])?;
    thread::sleep(pause);
    let mut daemon = api_server(layout, &tools, &Credentials::at(layout));
    daemon.namespace = network::host_namespace();
    server.identity = daemon.start()?;
    state.save(layout)?;
    progress.wait("the API server", RESTART_LIMIT, || {
        Ok(match is_ready(&tools.kubectl, &layout.kubeconfig()) {
            Ok(()) => Look::Done(()),
            Err(error) => Look::Waiting(error.to_string()),
        })
    })
}

/// The controllers, among them the one that gives every namespace its service account.
pub(super) fn controllers(layout: &Layout, tools: &Tools, credentials: &Credentials) -> Daemon {
    let name = "kube-controller-manager";
    daemon(
        layout,
        name,
        tools.kubernetes.component(name),
        vec![
            flag("kubeconfig", credentials.control_plane().display()),
            flag(
                "service-account-private-key-file",
                credentials.signing_key().display(),
            ),
            flag("root-ca-file", credentials.authority().display()),
            flag(
                "node-monitor-grace-period",
                format!("{NODE_GRACE_SECONDS}s"),
            ),
            flag("node-monitor-period", "2s"),
            flag("leader-elect", false),
            flag("secure-port", 0),
            flag("profiling", false),
        ],
    )
}

/// The scheduler.
pub(super) fn scheduler(layout: &Layout, tools: &Tools, credentials: &Credentials) -> Daemon {
    daemon(
        layout,
        "kube-scheduler",
        tools.kubernetes.component("kube-scheduler"),
        vec![
            flag("kubeconfig", credentials.control_plane().display()),
            flag("leader-elect", false),
            flag("secure-port", 0),
            flag("profiling", false),
        ],
    )
}

/// The provisioner of volumes.
pub(super) fn volumes(layout: &Layout, tools: &Tools, credentials: &Credentials) -> Daemon {
    daemon(
        layout,
        "volume-provisioner",
        tools.kubernetes.component("volume-provisioner"),
        vec![
            flag("kubeconfig", credentials.control_plane().display()),
            flag("directory", layout.volumes().display()),
        ],
    )
}

/// A process in the host's network namespace.
pub(super) fn daemon(
    layout: &Layout,
    name: &str,
    program: PathBuf,
    arguments: Vec<String>,
) -> Daemon {
    Daemon {
        program,
        arguments,
        namespace: None,
        path: None,
        log: layout.log(name),
    }
}

/// Spells `--name=value`.
pub(super) fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// Says whether the API server answers, and if not, with what.
pub(super) fn is_ready(kubectl: &Path, kubeconfig: &Path) -> Result<()> {
    shell::run(
        Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--request-timeout=5s", "get", "--raw", "/readyz"]),
    )?;
    Ok(())
}

fn etcd_client() -> String {
    format!("http://127.0.0.1:{}", ETCD_PORTS.0)
}
