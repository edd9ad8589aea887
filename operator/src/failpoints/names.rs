//! The calls that leave the process, by name: `VERB-RESOURCE` of the Kubernetes API, and what is asked of
//! servers.

/// Names of all calls. One that is missing here fails, so that no call can be forgotten.
pub const CALLS: [&str; 48] = [
    // Of the process when it starts, and as long as it works.
    "get-leases",
    "create-leases",
    "replace-leases",
    "get-secrets",
    "create-secrets",
    // Of the caches that wake the reconciles.
    "list-zkensembles",
    "watch-zkensembles",
    "watch-statefulsets",
    "watch-services",
    "list-configmaps",
    "watch-configmaps",
    "watch-poddisruptionbudgets",
    "watch-networkpolicies",
    "watch-pods",
    // Of a reconcile.
    "get-zkensembles",
    "list-statefulsets",
    "get-statefulsets",
    "list-pods",
    "list-services",
    "get-services",
    "list-poddisruptionbudgets",
    "get-poddisruptionbudgets",
    "list-networkpolicies",
    "get-networkpolicies",
    "get-configmaps",
    "get-certificates",
    "list-persistentvolumeclaims",
    "get-storageclasses",
    "get-nodes",
    "ask-server",
    "apply-zkensembles-status",
    "apply-configmaps",
    "apply-services",
    "apply-poddisruptionbudgets",
    "apply-networkpolicies",
    "apply-statefulsets",
    "apply-secrets",
    "create-certificates",
    "apply-certificates",
    "patch-persistentvolumeclaims",
    "delete-statefulsets",
    "delete-services",
    "delete-poddisruptionbudgets",
    "delete-networkpolicies",
    "delete-pods",
    "form-server",
    "reconfigure-server",
    "publish-events",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once() {
        let names: std::collections::BTreeSet<&str> = CALLS.into();
        assert_eq!(names.len(), CALLS.len());
    }
}
