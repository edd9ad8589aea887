//! The volumes of voters, as their claims and the classes of these say.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimCondition};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams};

use super::pods::shorten;
use crate::ensemble::build::voter_selector;
use crate::ensemble::error::{Called, ReconcileError};
use crate::ensemble::validate::{VOTER_ID_MAX, ValidatedEnsemble};
use crate::quantity::Size;

/// The kind of a claim's owner that takes the claim with it.
const SET_KIND: &str = "StatefulSet";

/// The volume of one voter.
#[derive(Clone, Debug)]
pub struct ServerVolume {
    /// Name of the claim.
    pub claim: String,
    /// Version of the claim, the precondition of any change.
    pub version: String,
    /// The size that it asks for.
    pub requested: Size,
    /// The size that it has; `None` before there is a volume.
    pub capacity: Option<Size>,
    /// Its class; `None` for a volume that no class provided.
    pub class: Option<String>,
    /// Whether the class lets volumes grow; `None` where there is no such class, or no need to know.
    pub expandable: Option<bool>,
    /// Since when only the file system on it has to grow.
    pub pending_since: Option<Timestamp>,
    /// What the driver says keeps it from growing.
    pub trouble: Option<String>,
    /// Whether it goes when the StatefulSet goes.
    pub owned: bool,
}

/// Reads the volumes of voters by server id, without those that are on their way out.
pub(super) async fn volumes(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<BTreeMap<u8, ServerVolume>, ReconcileError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &ensemble.namespace);
    let params = ListParams::default().labels(&voter_selector(ensemble));
    let claims = api.list(&params).await.called("list the volumes")?.items;
    let mut volumes = BTreeMap::new();
    for id in 1..=VOTER_ID_MAX {
        let name = ensemble.claim_of(id);
        let claim = claims
            .iter()
            .find(|claim| claim.metadata.name.as_ref() == Some(&name));
        volumes.extend(claim.and_then(read).map(|volume| (id, volume)));
    }
    // Classes matter only where a volume has to grow.
    let small = volumes
        .values_mut()
        .filter(|volume| volume.requested < ensemble.storage_size);
    let small: Vec<&mut ServerVolume> = small.collect();
    let names: BTreeSet<String> = small.iter().filter_map(|v| v.class.clone()).collect();
    let classes = classes(client, names).await?;
    for volume in small {
        let class = volume.class.as_ref();
        volume.expandable = class.and_then(|class| classes.get(class).copied());
    }
    Ok(volumes)
}

/// Whether volumes of these classes may grow, as far as there are such classes.
async fn classes(
    client: &Client,
    names: BTreeSet<String>,
) -> Result<BTreeMap<String, bool>, ReconcileError> {
    let api: Api<StorageClass> = Api::all(client.clone());
    let look = async |name: String| -> Result<_, ReconcileError> {
        let found = api.get_opt(&name).await.called("get a StorageClass")?;
        Ok(found.map(|class| (name, class.allow_volume_expansion == Some(true))))
    };
    let found = try_join_all(names.into_iter().map(look)).await?;
    Ok(found.into_iter().flatten().collect())
}

fn read(claim: &PersistentVolumeClaim) -> Option<ServerVolume> {
    let metadata = &claim.metadata;
    if metadata.deletion_timestamp.is_some() {
        return None;
    }
    let spec = claim.spec.as_ref()?;
    let requests = spec.resources.as_ref()?.requests.as_ref()?;
    let status = claim.status.as_ref();
    let conditions = status
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let holds = |kind: &str| {
        let condition = conditions.iter().find(|condition| condition.type_ == kind);
        condition.filter(|condition| condition.status == "True")
    };
    let pending = holds("FileSystemResizePending");
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    Some(ServerVolume {
        claim: metadata.name.clone()?,
        version: metadata.resource_version.clone()?,
        requested: Size::parse(requests.get("storage")?)?,
        capacity: status
            .and_then(|status| status.capacity.as_ref()?.get("storage"))
            .and_then(Size::parse),
        class: spec
            .storage_class_name
            .clone()
            .filter(|name| !name.is_empty()),
        expandable: None,
        pending_since: pending.and_then(|c| Some(c.last_transition_time.as_ref()?.0)),
        trouble: ["ControllerResizeError", "NodeResizeError"]
            .into_iter()
            .find_map(holds)
            .map(words),
        owned: owners.iter().any(|owner| owner.kind == SET_KIND),
    })
}

fn words(condition: &PersistentVolumeClaimCondition) -> String {
    let said = condition.message.as_ref().or(condition.reason.as_ref());
    shorten(said.unwrap_or(&condition.type_))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn claim(change: impl FnOnce(&mut Value)) -> Option<ServerVolume> {
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data-demo-voter-0", "resourceVersion": "7"},
            "spec": {
                "resources": {"requests": {"storage": "2Gi"}},
                "storageClassName": "fast",
            },
            "status": {"capacity": {"storage": "1Gi"}},
        });
        change(&mut object);
        read(&from_value(object).unwrap())
    }

    #[test]
    fn claims_are_read_as_drivers_write_them() {
        let plain = claim(|_| {}).unwrap();
        assert_eq!(plain.requested.to_string(), "2Gi");
        assert_eq!(plain.capacity.unwrap().to_string(), "1Gi");
        assert_eq!(
            (plain.class.as_deref(), plain.version.as_str()),
            (Some("fast"), "7")
        );
        assert!(plain.pending_since.is_none() && plain.trouble.is_none() && !plain.owned);
        let unbound = claim(|c| c["status"] = json!({})).unwrap();
        assert_eq!(unbound.capacity, None);
        let no_class = claim(|c| c["spec"]["storageClassName"] = json!("")).unwrap();
        assert_eq!(no_class.class, None);
        let owned = claim(|c| {
            c["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "u"}]);
        });
        assert!(owned.unwrap().owned);
        let leaving = claim(|c| c["metadata"]["deletionTimestamp"] = json!("2026-11-30T12:00:00Z"));
        assert!(leaving.is_none());
    }

    #[test]
    fn conditions_tell_what_keeps_it_from_growing() {
        let with = |kind: &str, status: &str| {
            let condition = json!([{
                "type": kind, "status": status, "message": "no space in the pool",
                "lastTransitionTime": "2026-11-30T12:00:00Z",
            }]);
            claim(|c| c["status"]["conditions"] = condition).unwrap()
        };
        assert!(
            with("FileSystemResizePending", "True")
                .pending_since
                .is_some()
        );
        assert!(
            with("FileSystemResizePending", "False")
                .pending_since
                .is_none()
        );
        let trouble = with("ControllerResizeError", "True").trouble;
        assert_eq!(trouble.as_deref(), Some("no space in the pool"));
        assert!(with("NodeResizeError", "True").trouble.is_some());
        assert!(with("Resizing", "True").trouble.is_none());
    }
}
