//! Getting to the addresses of Services and pods.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Kubectl;
use crate::cluster::{self, Layout, network};

/// Set in the process that runs inside a node's network namespace.
const INSIDE: &str = "QUORATE_E2E_INSIDE";

/// Whether Service and pod addresses can be dialed from here.
fn is_inside(layout: &Layout) -> bool {
    // A foreign cluster has to be reachable as it is; from kind on Linux, for one, pods are.
    env::var_os(INSIDE).is_some() || cluster::foreign_kubeconfig(layout).is_some()
}

/// Starts this program again, with these arguments, where the cluster's addresses are reachable;
/// `None` when that is here.
pub(super) fn enter(layout: &Layout, arguments: &[&str]) -> Result<Option<ExitCode>> {
    if is_inside(layout) {
        return Ok(None);
    }
    let program = env::current_exe().context("where is this program?")?;
    let mut command: Command = network::command_inside(&layout.node(1)?, program);
    let here = format!("/proc/{}/ns/net", std::process::id());
    command.env(network::HOST_NAMESPACE, here);
    let status = command.args(arguments).env(INSIDE, "1").status()?;
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(Some(ExitCode::from(code)))
}

/// The address of a Service.
pub(super) fn service(
    kubectl: &Kubectl,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<SocketAddr> {
    let service = kubectl.get(namespace, &["service", name])?;
    address(service.pointer("/spec/clusterIP"), port)
}

/// The address of a pod.
pub(super) fn pod(pod: &Value, port: u16) -> Result<SocketAddr> {
    address(pod.pointer("/status/podIP"), port)
}

fn address(ip: Option<&Value>, port: u16) -> Result<SocketAddr> {
    let Some(ip) = ip.and_then(Value::as_str) else {
        bail!("no address yet")
    };
    let ip: IpAddr = ip
        .parse()
        .with_context(|| format!("{ip:?} is no address"))?;
    Ok(SocketAddr::new(ip, port))
}
