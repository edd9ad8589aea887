//! What a new cluster holds from the start: two storage classes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::cluster::layout::Layout;
use crate::shell;

/// Creates the classes `standard`, the default, whose volumes follow their pod to any node, and
/// `zonal`, whose volumes stay in one zone, as a cloud's disks do.
///
/// # Errors
/// When the API server refuses.
pub(super) fn create(layout: &Layout, kubectl: &Path) -> Result<()> {
    let class = |name: &str, default: bool, binding: &str, parameters: serde_json::Value| {
        json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": { "name": name, "annotations": {
                "storageclass.kubernetes.io/is-default-class": default.to_string(),
            }},
            "provisioner": "quorate.dev/directory",
            "parameters": parameters,
            "allowVolumeExpansion": true,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": binding,
        })
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        class("standard", true, "Immediate", json!({})),
        class("zonal", false, "WaitForFirstConsumer", json!({ "pin": "zone" })),
    ]});
    let path = layout.state().join("objects.json");
    fs::write(&path, serde_json::to_vec_pretty(&list)?)?;
    shell::run(
        Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(layout.kubeconfig())
            .args(["apply", "--filename"])
            .arg(path),
    )?;
    Ok(())
}
