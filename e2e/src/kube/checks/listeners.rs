//! Further Services for clients: they come, lead to the servers, are told in the status, and go again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::refusals::set;
use super::{Bench, READY_LIMIT, manifest};
use crate::kube::zke::uids;
use crate::peers::{Client, wait_for};

/// Until the status tells it, or does not any more.
const LIMIT: Duration = Duration::from_secs(60);

/// Time-out of a session.
const SESSION: Duration = Duration::from_secs(10);

/// An address that a load balancer could give; nobody has it.
const BALANCED: &str = "192.0.2.7";

/// One by a port of the nodes, by which a client reads, and one for a load balancer, which is played here.
pub(super) fn listeners_come_and_go(bench: &Bench<'_>) -> Result<String> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let before = uids(&bench.zke.pods()?);
    let mut wanted = manifest();
    let listeners = json!([
        { "name": "node", "type": "NodePort", "servers": "All" },
        {
            "name": "edge", "type": "LoadBalancer", "sourceRanges": ["10.0.0.0/8"],
            "annotations": { "example.com/scheme": "internal" },
        },
    ]);
    set(&mut wanted, "/spec/listeners", listeners)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    let (node, edge) = (service(bench, "node"), service(bench, "edge"));
    let port = wait_for("the port of the nodes", LIMIT, || {
        let endpoint = endpoint(bench, &node)?;
        let port = endpoint.get("plainNodePort").and_then(Value::as_u64);
        port.ok_or_else(|| endpoint.to_string())
    })?;
    read_by_every_node(bench, u16::try_from(port)?)?;
    give_an_address(bench, &edge)?;
    let connect = wait_for("the address of the load balancer", LIMIT, || {
        let endpoint = endpoint(bench, &edge)?;
        let connect = endpoint.get("plain").and_then(Value::as_str);
        connect
            .map(str::to_owned)
            .ok_or_else(|| endpoint.to_string())
    })?;
    ensure!(connect == format!("{BALANCED}:2181"), "{connect}");
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    wait_for("the listeners to go", LIMIT, || {
        let selector = format!("quorate.dev/ensemble={}", bench.zke.name);
        let list = bench
            .zke
            .kubectl
            .get(bench.zke.namespace, &["services", "--selector", &selector]);
        let list = list.map_err(|error| error.to_string())?;
        let left = list
            .pointer("/items")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        (left == 2)
            .then_some(())
            .ok_or_else(|| format!("{left} Services"))
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    ensure!(uids(&bench.zke.pods()?) == before, "pods were restarted");
    Ok(format!(
        "a client read through port {port} of each node, the status told {connect}, no pod was restarted"
    ))
}

fn service(bench: &Bench<'_>, listener: &str) -> String {
    format!("{}-listener-{listener}", bench.zke.name)
}

/// What the status says about a Service; null while it says nothing.
fn endpoint(bench: &Bench<'_>, service: &str) -> Result<Value, String> {
    let object = bench.zke.get().map_err(|error| error.to_string())?;
    let all = object
        .pointer("/status/endpoints")
        .and_then(Value::as_array);
    let found = all.into_iter().flatten();
    let mut found = found.filter(|one| one.get("service").and_then(Value::as_str) == Some(service));
    Ok(found.next().cloned().unwrap_or_default())
}

/// A client connects by the address of each node that has a server.
fn read_by_every_node(bench: &Bench<'_>, port: u16) -> Result<()> {
    for pod in bench.zke.pods()? {
        let node = pod.pointer("/status/hostIP").and_then(Value::as_str);
        let node: IpAddr = node.context("a pod without a node")?.parse()?;
        let mut client = wait_for("a port of a node", LIMIT, || {
            let client = Client::connect(SocketAddr::new(node, port), SESSION);
            client.map_err(|error| error.to_string())
        })?;
        client.sync()?;
        client.get("/", false)?;
        client.close()?;
    }
    Ok(())
}

/// What a load balancer's controller writes.
fn give_an_address(bench: &Bench<'_>, service: &str) -> Result<()> {
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": BALANCED }] } } });
    let status = status.to_string();
    let namespace = bench.zke.namespace;
    let words = ["patch", "service", service, "--namespace", namespace];
    let patch = [
        "--subresource",
        "status",
        "--type",
        "merge",
        "--patch",
        &status,
    ];
    bench
        .zke
        .kubectl
        .run(&[words.as_slice(), &patch].concat())?;
    Ok(())
}
