//! Programs of others through the client Service, and the same data behind each pod.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{ADMIN_PORT, Bench, CLIENT_PORT};
use crate::kube::{reach, zke};
use crate::peers::client::flags;
use crate::peers::{Client, admin, programs, tree, wait_for};

/// How long followers may take to catch up when nothing is written.
const LEVEL_LIMIT: Duration = Duration::from_secs(10);

impl Bench<'_> {
    /// The client Service.
    pub(super) fn service(&self) -> Result<SocketAddr> {
        let name = format!("{}-client", self.zke.name);
        reach::service(self.zke.kubectl, self.zke.namespace, &name, CLIENT_PORT)
    }

    /// Each pod's name, client address and admin address.
    pub(super) fn pods(&self) -> Result<Vec<(String, SocketAddr, SocketAddr)>> {
        let pods = self.zke.pods()?;
        let addresses = |pod| {
            let (client, admin) = (reach::pod(pod, CLIENT_PORT)?, reach::pod(pod, ADMIN_PORT)?);
            Ok((zke::pod_name(pod), client, admin))
        };
        pods.iter().map(addresses).collect()
    }
}

/// kazoo, Apache's Java client and the crate zookeeper-client.
pub(super) fn work_through_the_service(bench: &Bench<'_>) -> Result<String> {
    let connect = bench.service()?.to_string();
    let own = env::current_exe()?;
    let beside = own.parent().context("this program is in no directory")?;
    let outcomes = programs::run_all(beside, &connect)?;
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.name).collect();
    Ok(format!("{} through {connect}", names.join(", ")))
}

/// What was written through the Service is read from each pod, and the digests are equal.
pub(super) fn same_data_on_every_pod(bench: &Bench<'_>) -> Result<String> {
    let mut client = Client::connect(bench.service()?, LEVEL_LIMIT)?;
    match client.create("/level", b"", flags::PERSISTENT) {
        Ok(_) => {}
        Err(error) if error.code() == Some(-110) => {}
        Err(error) => return Err(error.into()),
    }
    for number in 0..100 {
        client.create(&format!("/level/{number}"), b"data", flags::PERSISTENT)?;
    }
    client.close()?;
    let pods = bench.pods()?;
    let mut trees = Vec::new();
    for (name, address, _) in &pods {
        trees.push((
            name,
            tree::read(*address).with_context(|| format!("from {name}"))?,
        ));
    }
    let Some(((_, first), others)) = trees.split_first() else {
        bail!("no pods")
    };
    for (name, other) in others {
        tree::check_equal(first, other).with_context(|| format!("on {name}"))?;
    }
    let digest = equal_digests(bench)?;
    Ok(format!(
        "{} nodes on {} pods, digest {digest}",
        first.len(),
        pods.len()
    ))
}

/// Waits until all pods have the same digest at the same zxid, and gives it.
pub(super) fn equal_digests(bench: &Bench<'_>) -> Result<String> {
    let pods = bench.pods()?;
    wait_for("equal digests", LEVEL_LIMIT, || {
        let mut all = Vec::new();
        for (name, _, address) in &pods {
            let status = admin::status(*address).map_err(|e| format!("{name}: {e:#}"))?;
            all.push((status.zxid_applied, status.digest));
        }
        match all.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => {
                Ok(first.1.clone())
            }
            _ => Err(format!("{all:?}")),
        }
    })
}
