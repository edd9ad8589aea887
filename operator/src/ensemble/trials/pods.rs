//! The pods of the made-up cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// A pod and what the kubelet knows of it. Times are in seconds.
#[derive(Clone)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    /// Name of its StatefulSet.
    pub(super) set: String,
    /// Id of the server in it.
    pub(super) server_id: u8,
    pub(super) revision: String,
    pub(super) labels: Value,
    pub(super) created: i64,
    pub(super) running: bool,
    pub(super) ready_since: Option<i64>,
    pub(super) unready_since: i64,
    pub(super) ends_at: Option<i64>,
    /// The revision of the settings in the file that the kubelet brought.
    pub(super) settings: Option<String>,
}

fn time(second: i64) -> Value {
    json!(Time(Timestamp::from_second(second).unwrap()))
}

impl Pod {
    /// The kubelet looks whether its server serves.
    pub(super) fn probe(&mut self, serves: bool, now: i64) {
        match self.ready_since {
            None if serves => self.ready_since = Some(now),
            Some(_) if !serves => {
                self.ready_since = None;
                self.unready_since = now;
            }
            _ => {}
        }
    }

    /// The object that the API server has of it.
    pub(super) fn object(&self) -> Value {
        let mut labels = self.labels.clone();
        labels["controller-revision-hash"] = json!(self.revision);
        let mut metadata = json!({
            "name": self.name,
            "namespace": super::NAMESPACE,
            "uid": self.uid,
            "labels": labels,
            "creationTimestamp": time(self.created),
        });
        if let Some(at) = self.ends_at {
            metadata["deletionTimestamp"] = time(at);
        }
        let (status, since) = match self.ready_since {
            Some(since) => ("True", since),
            None => ("False", self.unready_since),
        };
        let ip = self.running.then(|| format!("10.0.0.{}", self.server_id));
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"nodeName": format!("node-{}", self.server_id % 3), "containers": []},
            "status": {
                "podIP": ip,
                "conditions": [
                    {"type": "Ready", "status": status, "lastTransitionTime": time(since)},
                ],
            },
        })
    }
}
