//! A zone with a voter and an observer is cut off: its cable is pulled, and nothing in it ends.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Watch, as_before, nothing_lost};
use crate::cluster::{Node, foreign_kubeconfig, network};
use crate::kube::checks::losses::victim;
use crate::kube::checks::observers::{with_observers, zones};
use crate::kube::checks::{Bench, READY_LIMIT};
use crate::kube::load::Load;

/// One, since each of its writes is read from each pod at the end.
const WRITERS: usize = 1;

/// For how long it has to be so.
const AT_RISK_FOR: Duration = Duration::from_secs(300);
const ZONE_EMPTY_FOR: Duration = Duration::from_secs(600);

/// Alerts that the loss of a zone may bring along.
const ALONG: [&str; 2] = ["ZkQuorumAtRisk", "ZkObserverZoneEmpty"];

/// A node without its cable, until this is dropped.
struct Cut(Node);

impl Drop for Cut {
    fn drop(&mut self) {
        if let Err(error) = network::rejoin(&self.0) {
            eprintln!("node {} stays cut off: {error:#}", self.0.name);
        }
    }
}

/// The alerts about the voter and about the observer fire, and end when the zone is back.
pub(in crate::kube::checks) fn zone_is_cut(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the nodes of a cluster of somebody else are not taken away");
    }
    let wanted = with_observers(&zones(bench)?, 3)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let watch = Watch::start(bench)?;
    let load = Load::start(bench.service()?, "/zone-cut", WRITERS)?;
    let node = victim(bench, true)?;
    let zone = node.zone();
    let at_risk = watch.expected("ZkQuorumAtRisk", "warning", &[]);
    let empty = watch.expected("ZkObserverZoneEmpty", "warning", &[("zone", &zone)]);
    let gone = Instant::now();
    network::isolate(&node)?;
    let cut = Cut(node);
    let risk_fired = watch.fires(&at_risk, gone, AT_RISK_FOR)?;
    let empty_fired = watch.fires(&empty, gone, ZONE_EMPTY_FOR)?;
    let back = Instant::now();
    drop(cut);
    let risk_ended = watch.ends(&at_risk, back, Duration::ZERO)?;
    let empty_ended = watch.ends(&empty, back, Duration::ZERO)?;
    let writes = nothing_lost(bench, load)?;
    watch.nothing_but(&ALONG)?;
    as_before(bench)?;
    Ok(format!(
        "the leader's zone {zone} was cut off: ZkQuorumAtRisk fired after {:.0} s and ended {:.0} s after it was \
         back, ZkObserverZoneEmpty {:.0} s and {:.0} s; {writes}",
        risk_fired.as_secs_f32(),
        risk_ended.as_secs_f32(),
        empty_fired.as_secs_f32(),
        empty_ended.as_secs_f32()
    ))
}
