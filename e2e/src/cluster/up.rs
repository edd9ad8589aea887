//! Brings a cluster up, in the order in which its parts need each other.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::credentials::Credentials;
use crate::cluster::layout::Layout;
use crate::cluster::processes::Daemon;
use crate::cluster::state::{Started, State};
use crate::cluster::{
    cgroups, containerd, control_plane, dns, down, kernel, kubelet, network, objects,
};
use crate::progress::{Look, Progress};
use crate::shell;
use crate::tools::Tools;

/// Each wait's limit. Three minutes are ten times what an idle machine of two cores needs.
const WAIT_LIMIT: Duration = Duration::from_secs(180);

/// Starts every part and waits until all nodes are Ready.
///
/// # Errors
/// When a part fails; the text carries the end of its log.
pub(super) fn up(progress: &Progress, layout: &Layout, tools: &Tools) -> Result<()> {
    fs::create_dir_all(layout.state().join("logs"))?;
    fs::create_dir_all(layout.volumes())?;
    fs::create_dir_all(layout.run())?;
    let mut starting = Starting {
        layout,
        progress,
        state: State::default(),
    };
    starting.state.settings = kernel::note()?;
    starting.state.new_directories = down::absent_directories();
    starting.state.save(layout)?;

    progress.say("making the nodes' network and cgroups");
    network::create(layout)?;
    for node in layout.nodes() {
        cgroups::create(&node.cgroup())?;
    }
    let credentials = Credentials::create(layout)?;

    progress.say("starting the control plane and three container runtimes");
    starting.start("etcd", control_plane::etcd(layout, tools)?)?;
    starting.start(
        control_plane::API_SERVER,
        control_plane::api_server(layout, tools, &credentials),
    )?;
    for node in layout.nodes() {
        let daemon = containerd::daemon(layout, tools, &node)?;
        starting.start(&format!("containerd-{}", node.name), daemon)?;
    }
    starting.load_pause(tools)?;
    starting.wait("API server", |layout| {
        control_plane::is_ready(&tools.kubectl, &layout.kubeconfig()).context("no answer yet")
    })?;
    for (name, daemon) in [
        (
            "kube-controller-manager",
            control_plane::controllers(layout, tools, &credentials),
        ),
        (
            "kube-scheduler",
            control_plane::scheduler(layout, tools, &credentials),
        ),
        (
            "volume-provisioner",
            control_plane::volumes(layout, tools, &credentials),
        ),
        ("coredns", dns::server(layout, tools, &credentials)?),
    ] {
        starting.start(name, daemon)?;
    }
    progress.say("starting three kubelets");
    for node in layout.nodes() {
        let daemon = kubelet::kubelet(layout, tools, &credentials, &node)?;
        starting.start(&format!("kubelet-{}", node.name), daemon)?;
        let daemon = kubelet::proxy(layout, tools, &credentials, &node);
        starting.start(&format!("kube-proxy-{}", node.name), daemon)?;
    }
    objects::create(layout, &tools.kubectl)?;
    starting.wait("nodes", |layout| {
        let ready = ready_nodes(&tools.kubectl, &layout.kubeconfig())?;
        let all = layout.nodes().len();
        if ready < all {
            bail!("{ready} of {all} Ready")
        } else {
            Ok(())
        }
    })?;
    starting.wait("service accounts", |layout| {
        let account = ["--namespace=default", "get", "serviceaccount", "default"];
        kubectl(&tools.kubectl, &layout.kubeconfig(), &account).map(drop)
    })
}

/// Says whether a cluster is running with all its processes and nodes.
pub(super) fn is_healthy(layout: &Layout, tools: &Tools) -> bool {
    let alive = State::load(layout).is_ok_and(|state| {
        !state.processes.is_empty() && state.processes.iter().all(|p| p.identity.is_alive())
    });
    alive
        && ready_nodes(&tools.kubectl, &layout.kubeconfig())
            .is_ok_and(|ready| ready == layout.nodes().len())
}

/// A cluster on its way up.
struct Starting<'a> {
    layout: &'a Layout,
    progress: &'a Progress,
    state: State,
}

impl Starting<'_> {
    /// Starts a process and writes it down before anything else happens.
    fn start(&mut self, name: &str, daemon: Daemon) -> Result<()> {
        let identity = daemon.start()?;
        self.state.processes.push(Started {
            name: name.to_owned(),
            identity,
        });
        self.state.save(self.layout)
    }

    /// Waits for a condition, as long as every process lives.
    fn wait(&self, what: &str, check: impl Fn(&Layout) -> Result<()>) -> Result<()> {
        self.progress.wait(what, WAIT_LIMIT, || {
            if let Some(ended) = self.state.processes.iter().find(|p| !p.identity.is_alive()) {
                let log = self.layout.log(&ended.name);
                bail!("{} ended:\n{}", ended.name, shell::log_tail(&log));
            }
            Ok(match check(self.layout) {
                Ok(()) => Look::Done(()),
                Err(error) => Look::Waiting(last_line(&error.to_string())),
            })
        })
    }

    /// Gives every runtime the sandbox image, which kubelets need for their first pod.
    fn load_pause(&self, tools: &Tools) -> Result<()> {
        self.wait("container runtimes", |layout| {
            containerd::import(layout, &tools.debian.ctr, &tools.kubernetes.pause)
        })
    }
}

fn ready_nodes(program: &Path, kubeconfig: &Path) -> Result<usize> {
    let text = kubectl(program, kubeconfig, &["get", "nodes", "--output=json"])?;
    let list: Value = serde_json::from_str(&text)?;
    let nodes = list
        .get("items")
        .and_then(Value::as_array)
        .context("no items")?;
    let is_ready = |node: &&Value| {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| {
            let field = |name| condition.get(name).and_then(Value::as_str);
            field("type") == Some("Ready") && field("status") == Some("True")
        })
    };
    Ok(nodes.iter().filter(is_ready).count())
}

fn kubectl(program: &Path, kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
    shell::run(
        Command::new(program)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--request-timeout=5s")
            .args(arguments),
    )
}

fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or_default()
        .chars()
        .take(160)
        .collect()
}
