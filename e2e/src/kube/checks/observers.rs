//! Observers over three zones, under a write load: their number by `kubectl scale` and by an autoscaler,
//! a zone that is emptied and comes back, and their end. The voters notice nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::refusals::set;
use super::{ADMIN_PORT, Bench, CLIENT_PORT, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::kube::reach;
use crate::kube::zke::{condition, pod_name, uid};
use crate::peers::{Client, admin, wait_for};

const WRITERS: usize = 2;

/// How long writes may stay away while observers come and go: nothing waits for them.
const GAP_LIMIT: Duration = Duration::from_secs(1);

/// Until an autoscaler looks: every 15 s.
const AUTOSCALER_LIMIT: Duration = Duration::from_secs(90);

/// Until pods that are not wanted are gone.
const GONE_LIMIT: Duration = Duration::from_secs(90);

/// The label of nodes with their zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Six over three zones, 9 and 3 by `kubectl scale`, 5 by an autoscaler, a zone without and with them
/// again, and none.
pub(super) fn observers_come_and_go(bench: &Bench<'_>) -> Result<String> {
    let zones = zones(bench)?;
    let voters = voters(bench)?;
    let load = Load::start(bench.service()?, "/observed", WRITERS)?;
    let began = Instant::now();
    let mut said = Vec::new();
    let mut step = |name: &str, run: &dyn Fn() -> Result<()>| -> Result<()> {
        let began = Instant::now();
        run().with_context(|| name.to_owned())?;
        said.push(format!("{name}: {:.0} s", began.elapsed().as_secs_f32()));
        Ok(())
    };
    step("6 over three zones", &|| {
        let wanted = with_observers(&zones, 6)?;
        bench.zke.kubectl.apply(bench.zke.namespace, &wanted)?;
        spread(bench, &zones, [2, 2, 2])
    })?;
    step("clients of a zone stay in it", &|| {
        stay_in_zone(bench, zones.iter().zip([2, 2, 2]))
    })?;
    step("9 by kubectl scale", &|| {
        scale(bench, 9)?;
        spread(bench, &zones, [3, 3, 3])
    })?;
    step("3 by kubectl scale", &|| {
        scale(bench, 3)?;
        spread(bench, &zones, [1, 1, 1])
    })?;
    step("5 by an autoscaler", &|| {
        autoscale(bench, 5)?;
        spread(bench, &zones, [2, 2, 1])
    })?;
    step("a zone is emptied and comes back", &|| {
        empty_a_zone(bench, &zones)
    })?;
    let gap = load.longest_gap_since(began);
    ensure!(gap <= GAP_LIMIT, "no write succeeded for {gap:?}");
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    step("none", &|| no_observers(bench))?;
    ensure!(
        self::voters(bench)? == voters,
        "voters were restarted: {voters:?}"
    );
    Ok(format!(
        "{} acknowledged writes, all there on each pod, longest gap {:.2} s, digest {digest}\n      {}",
        acknowledged.len(),
        gap.as_secs_f32(),
        said.join("\n      ")
    ))
}

/// The zones of the nodes, with the names of the nodes.
pub(super) type Zones = BTreeMap<String, String>;

/// Finds them.
pub(super) fn zones(bench: &Bench<'_>) -> Result<Zones> {
    let nodes = bench.zke.kubectl.get(bench.zke.namespace, &["nodes"])?;
    let nodes = nodes.pointer("/items").and_then(Value::as_array);
    let zones: Zones = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| {
            let labels = node.pointer("/metadata/labels")?;
            Some((labels.get(ZONE_LABEL)?.as_str()?.to_owned(), pod_name(node)))
        })
        .collect();
    ensure!(zones.len() == 3, "three zones are needed: {zones:?}");
    Ok(zones)
}

/// Uids of the voters' pods.
fn voters(bench: &Bench<'_>) -> Result<BTreeSet<String>> {
    let pods = bench.zke.pods()?;
    let voters = pods.iter().filter(|pod| role(pod) == Some("voter"));
    Ok(voters.filter_map(uid).map(str::to_owned).collect())
}

pub(super) fn role(pod: &Value) -> Option<&str> {
    pod.pointer("/metadata/labels/quorate.dev~1role")?.as_str()
}

/// The ensemble that is tested, with so many observers.
pub(super) fn with_observers(zones: &Zones, replicas: usize) -> Result<Value> {
    let zones: Vec<Value> = zones.keys().map(|zone| json!({ "name": zone })).collect();
    let mut wanted = manifest();
    let observers = json!({ "replicas": replicas, "zones": zones });
    set(&mut wanted, "/spec/observers", observers)?;
    Ok(wanted)
}

fn scale(bench: &Bench<'_>, replicas: u8) -> Result<()> {
    let words = ["scale", "zke", bench.zke.name, "--replicas"];
    let (replicas, namespace) = (replicas.to_string(), bench.zke.namespace);
    let words = [&words[..], &[&replicas, "--namespace", namespace]].concat();
    bench.zke.kubectl.run(&words)?;
    Ok(())
}

/// Waits until so many serve in each zone, and checks that they are there and have ids of their own.
fn spread(bench: &Bench<'_>, zones: &Zones, counts: [usize; 3]) -> Result<()> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let pods = wait_for("observers as wanted", GONE_LIMIT, || {
        let pods = bench.zke.pods().map_err(|error| error.to_string())?;
        let observers: Vec<Value> = pods
            .into_iter()
            .filter(|pod| role(pod) == Some("observer"))
            .collect();
        let found: Vec<usize> = zones
            .values()
            .map(|node| observers.iter().filter(|pod| on(pod, node)).count())
            .collect();
        let all = observers.len() == counts.iter().sum::<usize>();
        (all && found == counts)
            .then_some(observers)
            .ok_or(format!("{found:?}"))
    })?;
    let mut ids = BTreeSet::new();
    for pod in &pods {
        let status = admin::status(reach::pod(pod, ADMIN_PORT)?)?;
        let name = pod_name(pod);
        ensure!(status.role == "observer", "{name} is {}", status.role);
        ensure!(
            status.server_id >= 32,
            "{name} has the id {}",
            status.server_id
        );
        ids.insert(status.server_id);
    }
    ensure!(ids.len() == pods.len(), "ids are not unique: {ids:?}");
    Ok(())
}

fn on(pod: &Value, node: &str) -> bool {
    pod.pointer("/spec/nodeName").and_then(Value::as_str) == Some(node)
}

/// The Service of a zone leads to so many observers on its nodes only, which serve reads and writes.
fn stay_in_zone<'a>(
    bench: &Bench<'_>,
    zones: impl Iterator<Item = ((&'a String, &'a String), usize)>,
) -> Result<()> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    for ((zone, node), count) in zones {
        let service = format!("{}-observer-{zone}", bench.zke.name);
        let selector = format!("kubernetes.io/service-name={service}");
        let words = ["endpointslices", "--selector", &selector];
        let slices = kubectl.get(namespace, &words)?;
        let slices = slices.pointer("/items").and_then(Value::as_array);
        let endpoints: Vec<&Value> = slices
            .into_iter()
            .flatten()
            .filter_map(|slice| slice.pointer("/endpoints")?.as_array())
            .flatten()
            .collect();
        let elsewhere = endpoints
            .iter()
            .filter(|e| e.pointer("/nodeName").and_then(Value::as_str) != Some(node))
            .count();
        ensure!(
            endpoints.len() == count && elsewhere == 0,
            "{service} leads to {endpoints:?}"
        );
        let address = reach::service(kubectl, namespace, &service, CLIENT_PORT)?;
        let mut client = Client::connect(address, Duration::from_secs(10))?;
        let path = format!("/observed/{zone}");
        // Ephemeral: gone when the same is asked again.
        client.create(&path, zone.as_bytes(), 1)?;
        let (found, _) = client.get(&path, false)?;
        ensure!(
            found.as_deref() == Some(zone.as_bytes()),
            "through {service}"
        );
        client.close()?;
    }
    Ok(())
}

/// An autoscaler that wants at least that many; it needs no figures for that.
fn autoscale(bench: &Bench<'_>, replicas: u8) -> Result<()> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "observers" },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "quorate.dev/v1alpha1",
                "kind": "ZkEnsemble",
                "name": bench.zke.name,
            },
            "minReplicas": replicas,
            "maxReplicas": replicas,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": 50 },
                },
            }],
        },
    });
    kubectl.apply(namespace, &autoscaler)?;
    wait_for("the autoscaler", AUTOSCALER_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let wanted = object.pointer("/spec/observers/replicas");
        (wanted == Some(&json!(replicas)))
            .then_some(())
            .ok_or(format!("{wanted:?}"))
    })?;
    let voters = bench.zke.get()?;
    let voters = voters.pointer("/spec/voters/replicas");
    ensure!(
        voters == Some(&json!(3)),
        "it changed the voters: {voters:?}"
    );
    kubectl.run(&["delete", "hpa", "observers", "--namespace", namespace])?;
    Ok(())
}

/// No new pod comes to the first zone, and its observers go; then the zone is back.
fn empty_a_zone(bench: &Bench<'_>, zones: &Zones) -> Result<()> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    let (zone, node) = zones.first_key_value().context("a zone")?;
    kubectl.run(&["cordon", node])?;
    let emptied = emptied(bench, zone).and_then(|()| {
        let others = zones.iter().skip(1);
        stay_in_zone(bench, others.zip([2, 1])).context("beside the empty one")
    });
    // Whatever came of it: other checks need the node.
    kubectl.run(&["uncordon", node])?;
    emptied.with_context(|| format!("without pods in {zone}, of {namespace}"))?;
    spread(bench, zones, [2, 2, 1])
}

fn emptied(bench: &Bench<'_>, zone: &str) -> Result<()> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    let selector = format!("quorate.dev/role=observer,quorate.dev/zone={zone}");
    let words = ["delete", "pods", "--namespace", namespace, "--selector"];
    kubectl.run(&[&words[..], &[&selector]].concat())?;
    wait_for("the conditions to say so", READY_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let reason = |kind| {
            let reason = condition(&object, kind).and_then(|c| c.get("reason"));
            reason
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let found = [reason("Ready"), reason("QuorumAvailable")];
        let expected = ["ObserversNotServing", "QuorumHealthy"];
        (found == expected)
            .then_some(())
            .ok_or(format!("{found:?}"))
    })
}

/// Without observers in the spec everything of theirs goes.
fn no_observers(bench: &Bench<'_>) -> Result<()> {
    let (kubectl, namespace) = (bench.zke.kubectl, bench.zke.namespace);
    kubectl.apply(namespace, &manifest())?;
    let selector = format!("quorate.dev/ensemble={}", bench.zke.name);
    wait_for("everything of observers to go", GONE_LIMIT, || {
        let kinds = "statefulsets,services,poddisruptionbudgets,pods";
        let list = kubectl
            .get(namespace, &[kinds, "--selector", &selector])
            .map_err(|error| error.to_string())?;
        let items = list.pointer("/items").and_then(Value::as_array);
        let names: Vec<String> = items.into_iter().flatten().map(pod_name).collect();
        let left: Vec<&String> = names.iter().filter(|n| n.contains("observer")).collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)
}
