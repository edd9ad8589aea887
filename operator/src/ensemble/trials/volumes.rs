//! The volumes of the made-up cluster: claims that StatefulSets make for their pods, and a driver that
//! lets them grow.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::store::{target, text};
use super::{NAMESPACE, clock};

impl Cluster {
    /// The controller of StatefulSets makes the claims that are missing, and the driver makes volumes of
    /// the size that each asks for.
    pub(super) fn follow_claims(&mut self) {
        let sets: Vec<Value> = self.store.all("statefulsets").cloned().collect();
        for set in &sets {
            let Some(template) = set.pointer("/spec/volumeClaimTemplates/0") else {
                continue;
            };
            let of_set = |name: &str| self.pods[name].set == text(set, "/metadata/name");
            let pods: Vec<String> = self.pods.keys().filter(|n| of_set(n)).cloned().collect();
            for pod in pods {
                self.claim(&pod, template);
            }
        }
        let claims: Vec<Value> = self.store.all("persistentvolumeclaims").cloned().collect();
        for claim in &claims {
            let name = text(claim, "/metadata/name");
            self.store.change("persistentvolumeclaims", name, |claim| {
                let size = claim["spec"]["resources"]["requests"].clone();
                claim["status"]["capacity"] = size;
            });
        }
    }

    fn claim(&mut self, pod: &str, template: &Value) {
        let name = format!("{}-{pod}", text(template, "/metadata/name"));
        let resource = "persistentvolumeclaims";
        if self.store.get(resource, &name).is_some() {
            return;
        }
        let mut claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"],
            },
            "spec": template["spec"],
        });
        claim["spec"]["storageClassName"] = json!("standard");
        let target = target("create", resource, &name);
        self.store.create(&target, claim, clock()).unwrap();
    }
}
