//! What people ask for, and operators one after the other until it is so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::World;
use super::cluster::{Cluster, Wish};
use super::life::{End, live};
use super::store::text;
use crate::failpoints::{Failpoints, Site, Switch};

/// Reconciles of one process in which all wishes must come true.
const RECONCILES_MAX: u32 = 600;

/// Processes that may end before all wishes are true.
const LIVES_MAX: u32 = 60;

/// An ensemble to begin with, and what is asked for one after the other.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// Voters at the beginning.
    replicas: i32,
    /// Whether the ensemble is there and at rest at the beginning.
    formed: bool,
    wishes: &'static [Wish],
}

fn voters(spec: &mut Value, replicas: i32) {
    spec["voters"]["replicas"] = json!(replicas);
}

fn observers(spec: &mut Value, replicas: i32, zones: &[&str]) {
    let zones: Vec<Value> = zones.iter().map(|zone| json!({"name": zone})).collect();
    spec["observers"] = json!({"replicas": replicas, "zones": zones});
}

/// The operations of an ensemble.
pub(super) const OPERATIONS: [Operation; 7] = [
    Operation {
        name: "formation",
        replicas: 3,
        formed: false,
        wishes: &[],
    },
    Operation {
        name: "restart",
        replicas: 3,
        formed: true,
        wishes: &[|spec| spec["config"] = json!({"tickTime": "3000"})],
    },
    Operation {
        name: "scaling",
        replicas: 1,
        formed: true,
        wishes: &[
            |spec| voters(spec, 3),
            |spec| voters(spec, 5),
            |spec| voters(spec, 3),
            |spec| voters(spec, 1),
        ],
    },
    Operation {
        name: "observers",
        replicas: 3,
        formed: true,
        wishes: &[
            |spec| observers(spec, 4, &["a", "b"]),
            |spec| spec["config"] = json!({"tickTime": "3000"}),
            |spec| observers(spec, 3, &["b"]),
            |spec| spec["observers"] = Value::Null,
        ],
    },
    Operation {
        name: "volumes",
        replicas: 3,
        formed: true,
        wishes: &[
            |spec| spec["voters"]["storage"]["size"] = json!("2Gi"),
            |spec| spec["networkPolicy"] = json!({}),
            |spec| spec["networkPolicy"] = Value::Null,
            |spec| spec["listeners"] = json!([{"name": "edge", "type": "ClusterIP"}]),
            |spec| spec["listeners"] = json!([]),
        ],
    },
    Operation {
        name: "certificates",
        replicas: 1,
        formed: true,
        // The name of another zone needs another certificate.
        wishes: &[
            |spec| spec["tls"] = json!({"client": {"mode": "Allow"}}),
            |spec| observers(spec, 1, &["a"]),
            |spec| spec["tls"]["issuerRef"] = json!({"name": "corp"}),
            |spec| observers(spec, 1, &["b"]),
        ],
    },
    Operation {
        name: "settings",
        replicas: 3,
        formed: true,
        wishes: &[
            |spec| observers(spec, 1, &["a"]),
            |spec| spec["config"] = json!({"maxClientCnxns": "100"}),
            |spec| spec["config"] = json!({"4lw.commands.whitelist": "*"}),
        ],
    },
];

impl Operation {
    /// The cluster at its beginning.
    pub(super) async fn prepare(&self) -> Cluster {
        let world = World::new(Cluster::new(1, self.replicas));
        if self.formed {
            let undisturbed = tell(&world, |_| Vec::new()).await;
            undisturbed.unwrap();
            lease_runs_out(&world);
        }
        let mut cluster = world.cluster().clone();
        cluster.wishes = self.wishes.iter().copied().collect();
        cluster
    }
}

/// The Lease runs out, and the cluster goes on meanwhile.
pub(super) fn lease_runs_out(world: &World) {
    for _ in 0..6 {
        world.pass(3);
    }
    let mut cluster = world.cluster();
    let name = cluster.store.all("leases").next().map(name_of);
    if let Some(name) = name {
        let nobody = |lease: &mut Value| lease["spec"]["holderIdentity"] = json!("");
        cluster.store.change("leases", &name, nobody);
    }
}

fn name_of(object: &Value) -> String {
    text(object, "/metadata/name").to_owned()
}

/// How often each failpoint was reached by all processes of a story.
pub(super) type Reached = BTreeMap<Site, u32>;

/// Runs operators one after the other until all wishes are true; `switches` tells which failpoints each
/// of them has, by its number from 1 on.
pub(super) async fn tell(
    world: &World,
    mut switches: impl FnMut(u32) -> Vec<Switch>,
) -> Result<Reached, String> {
    let mut reached = Reached::new();
    let mut told = Err("too many operators end");
    for number in 1..=LIVES_MAX {
        let failpoints = Failpoints::new(switches(number));
        let end = live(
            world,
            &format!("operator-{number}"),
            &failpoints,
            RECONCILES_MAX,
        )
        .await;
        for (site, count) in failpoints.reached() {
            *reached.entry(site).or_default() += count;
        }
        match end {
            End::Rests => told = Ok(()),
            End::Exhausted => told = Err("it does not come to rest"),
            End::Killed | End::Lost | End::Failed(_) => {
                lease_runs_out(world);
                continue;
            }
        }
        break;
    }
    let cluster = world.cluster();
    let wrong = cluster.witness.wrong.clone();
    match told.map_err(str::to_owned).and(wrong.map_or(Ok(()), Err)) {
        Ok(()) => Ok(reached),
        Err(why) => {
            let status = &cluster.ensemble()["status"];
            let story = cluster.witness.story.join("\n");
            Err(format!("{why}:\n{story}\n{status:#}"))
        }
    }
}

/// What is left at the end that must not depend on how it came to be.
pub(super) fn outcome(world: &World) -> Value {
    let cluster = world.cluster();
    let everything = cluster.store.everything().iter();
    let kept = everything.filter(|((kind, _), _)| kind != "leases" && kind != "secrets");
    let objects: Vec<Value> = kept.map(|(_, object)| lasting(object)).collect();
    json!(objects)
}

/// An object without what tells when and by whom it was written, and which server leads.
fn lasting(object: &Value) -> Value {
    let mut object = object.clone();
    for field in [
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "ownerReferences",
    ] {
        object["metadata"][field] = Value::Null;
    }
    if object["kind"] == "ZkEnsemble" {
        object["status"] = lasting_status(&object["status"]);
        return object;
    }
    object["status"] = Value::Null;
    // They follow from the key, which is random.
    for annotations in [
        "/metadata/annotations",
        "/spec/template/metadata/annotations",
    ] {
        if let Some(Value::Object(annotations)) = object.pointer_mut(annotations) {
            annotations.retain(|key, _| !key.ends_with("fingerprint"));
        }
    }
    if let Some(Value::String(file)) = object.pointer_mut("/data/zoo.cfg") {
        let by_chance = ["quorate.operatorDigest=", "quorate.members.version="];
        let lines = file
            .lines()
            .filter(|line| !by_chance.iter().any(|key| line.starts_with(key)));
        *file = lines.collect::<Vec<_>>().join("\n");
    }
    object
}

fn lasting_status(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<Value> = conditions
        .map(|c| json!([c["type"], c["status"], c["reason"]]))
        .collect();
    json!({
        "conditions": conditions,
        "formation": status["formation"],
        "voters": status["membership"]["voters"],
        "counts": [status["voters"], status["observers"]],
    })
}
