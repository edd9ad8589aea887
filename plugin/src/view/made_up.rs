//! Made-up ensembles: objects as the API server has them, and what the servers say.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{Answer, Looked, View, assemble};
use crate::report::{Config, Learner, Report};

/// An ensemble of three voters in three zones, in the namespace shop.
#[derive(Clone)]
pub(crate) struct MadeUp {
    status: Value,
    suspended: bool,
    pods: BTreeMap<String, Value>,
    answers: BTreeMap<String, Answer>,
    remarks: Vec<String>,
    observers: bool,
}

/// Server 2 leads, all serve, nothing is done.
pub(crate) fn healthy() -> MadeUp {
    let mut made = MadeUp {
        status: json!({
            "observedGeneration": 1,
            "conditions": [],
            "leader": { "serverId": 2, "pod": "orders-voter-1" },
            "membership": { "version": "100000002", "voters": [1, 2, 3] },
            "members": [],
        }),
        suspended: false,
        pods: BTreeMap::new(),
        answers: BTreeMap::new(),
        remarks: Vec::new(),
        observers: false,
    };
    for id in 1..=3_u8 {
        let pod = format!("orders-voter-{}", id - 1);
        made.status["members"].as_array_mut().unwrap().push(json!({
            "serverId": id, "pod": pod, "votes": true, "node": format!("node-{id}"),
            "zone": zone(id), "role": if id == 2 { "Leader" } else { "Follower" },
            "state": "Serving",
        }));
        made.pods
            .insert(pod.clone(), running(&pod, &format!("node-{id}")));
        made.answers.insert(pod, Answer::Told(Box::new(report(id))));
    }
    made.condition("Ready", "True", "Serving", "all 3 voters serve")
        .condition(
            "QuorumAvailable",
            "True",
            "QuorumHealthy",
            "orders-voter-1 leads, 3 of 3 take part",
        )
        .condition("Progressing", "False", "Converged", "nothing to do")
        .condition("Degraded", "False", "AsExpected", "nothing is wrong")
}

fn zone(id: u8) -> &'static str {
    match id {
        1 => "a",
        2 => "b",
        _ => "c",
    }
}

fn running(pod: &str, node: &str) -> Value {
    json!({
        "metadata": { "name": pod, "namespace": "shop" },
        "spec": { "nodeName": node, "containers": [] },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{
                "name": "server", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
                "state": { "running": {} },
            }],
        },
    })
}

fn report(id: u8) -> Report {
    let leads = id == 2;
    let learner = |server_id| Learner {
        server_id,
        synced: true,
        ..Learner::default()
    };
    Report {
        server_id: id,
        version: "0.1.0".into(),
        role: if leads { "leader" } else { "follower" }.into(),
        serving: true,
        history: "whole".into(),
        epoch: 5,
        zxid_applied: "0x500000012".into(),
        config: Config {
            version: "100000002".into(),
            voters: vec![1, 2, 3],
            proposed: false,
        },
        learners: if leads {
            vec![learner(1), learner(3)]
        } else {
            Vec::new()
        },
        ..Report::default()
    }
}

impl MadeUp {
    /// Two observers in zone a, the second of them in the middle of its synchronization.
    pub(crate) fn observers(mut self) -> Self {
        self.observers = true;
        self.status["observers"] = json!({
            "replicas": 2, "readyReplicas": 1, "summary": "1/2", "selector": "x",
            "zones": [{ "name": "a", "idBase": 64, "desired": 2, "current": 2, "ready": 1 }],
        });
        for ordinal in 0..2_u8 {
            let pod = format!("orders-observer-a-{ordinal}");
            let told = Report {
                server_id: 64 + ordinal,
                role: "observer".into(),
                serving: ordinal == 0,
                zxid_applied: if ordinal == 0 {
                    "0x50000000b"
                } else {
                    "0x4000000ff"
                }
                .into(),
                ..report(1)
            };
            self.pods.insert(pod.clone(), running(&pod, "node-1"));
            self.answers.insert(pod, Answer::Told(Box::new(told)));
        }
        self
    }

    /// A condition, in place of the one of its type.
    pub(crate) fn condition(
        mut self,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> Self {
        let conditions = self.status["conditions"].as_array_mut().unwrap();
        conditions.retain(|condition| condition["type"] != kind);
        conditions.push(json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }));
        self
    }

    /// What the operator does.
    pub(crate) fn operation(mut self, kind: &str, step: &str) -> Self {
        self.status["operation"] = json!({ "type": kind, "step": step });
        self
    }

    /// The operator is told to do nothing.
    pub(crate) fn suspended(mut self) -> Self {
        self.suspended = true;
        self
    }

    /// The operator has not looked at it yet.
    pub(crate) fn unseen(mut self) -> Self {
        self.status = Value::Null;
        self.pods.clear();
        self.answers.clear();
        self
    }

    /// What was not looked at.
    pub(crate) fn remark(mut self, text: &str) -> Self {
        self.remarks.push(text.to_owned());
        self
    }

    /// What the server with this id says is another thing.
    pub(crate) fn says(mut self, id: u8, change: impl Fn(&mut Report)) -> Self {
        let pod = format!("orders-voter-{}", id - 1);
        let mut said = report(id);
        change(&mut said);
        self.answers.insert(pod, Answer::Told(Box::new(said)));
        self
    }

    /// These look for a leader.
    pub(crate) fn looking(self, ids: &[u8]) -> Self {
        ids.iter().fold(self, |made, id| {
            made.says(*id, |said| {
                said.role = "looking".into();
                said.serving = false;
                said.learners.clear();
            })
        })
    }

    /// These do not answer, and their pods are not ready.
    pub(crate) fn silent(mut self, ids: &[u8]) -> Self {
        for id in ids {
            let pod = format!("orders-voter-{}", id - 1);
            let unready = json!([{ "type": "Ready", "status": "False" }]);
            self.pods.get_mut(&pod).unwrap()["status"]["conditions"] = unready;
            self.answers
                .insert(pod, Answer::Silent("no answer within 4 s".into()));
        }
        self
    }

    /// The person may not ask the servers.
    pub(crate) fn not_asked(mut self) -> Self {
        for answer in self.answers.values_mut() {
            *answer = Answer::NotAsked;
        }
        self
    }

    /// The container of this one ends again and again.
    pub(crate) fn crashing(mut self, id: u8, words: &str) -> Self {
        self = self.silent(&[id]);
        let pod = format!("orders-voter-{}", id - 1);
        self.answers.remove(&pod);
        let container = &mut self.pods.get_mut(&pod).unwrap()["status"]["containerStatuses"][0];
        container["restartCount"] = json!(7);
        container["state"] = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        container["lastState"] = json!({ "terminated": { "exitCode": 2, "message": words } });
        self
    }

    /// The pod of this one is not there.
    pub(crate) fn without_pod(mut self, id: u8) -> Self {
        let pod = format!("orders-voter-{}", id - 1);
        self.pods.remove(&pod);
        self.answers.remove(&pod);
        self
    }

    /// What is found of it.
    pub(crate) fn looked(&self) -> Looked {
        let mut object = json!({
            "apiVersion": "quorate.dev/v1alpha1",
            "kind": "ZkEnsemble",
            "metadata": { "name": "orders", "namespace": "shop", "generation": 1 },
            "spec": { "suspend": self.suspended,
                "voters": { "replicas": 3, "storage": { "size": "1Gi" } } },
        });
        if !self.status.is_null() {
            object["status"] = self.status.clone();
        }
        if self.observers {
            object["spec"]["observers"] = json!({ "replicas": 2, "zones": [{ "name": "a" }] });
        }
        let pod = |pod: &Value| -> Pod { serde_json::from_value(pod.clone()).unwrap() };
        Looked {
            object: serde_json::from_value(object).unwrap(),
            pods: self.pods.values().map(pod).collect(),
            zones: (1..=3)
                .map(|id| (format!("node-{id}"), zone(id).to_owned()))
                .collect(),
            answers: self.answers.clone(),
            remarks: self.remarks.clone(),
        }
    }

    /// The view of it.
    pub(crate) fn view(&self) -> View {
        assemble(&self.looked())
    }
}
