//! What the chart of the operator lets it do in which namespaces, without a cluster.

use anyhow::{Context, Result, ensure};

use crate::helm::manifests;

/// The value of a field at the given depth of a manifest, in the simple form that the chart writes.
fn field<'a>(manifest: &'a str, line: &str) -> Option<&'a str> {
    manifest.lines().find_map(|found| found.strip_prefix(line))
}

/// Kind, namespace and role of each binding.
fn bindings(manifests: &[String]) -> Result<Vec<(String, String, String)>> {
    let mut found = Vec::new();
    for manifest in manifests {
        let kind = field(manifest, "kind: ").unwrap_or_default();
        if kind.ends_with("Binding") {
            let (_, role) = manifest.split_once("roleRef:").context("a roleRef")?;
            let role = field(role, "  name: ").context("the role's name")?;
            let (head, _) = manifest.split_once("roleRef:").context("a roleRef")?;
            let namespace = field(head, "  namespace: ").unwrap_or("*");
            found.push((kind.to_owned(), namespace.to_owned(), role.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn binding(kind: &str, namespace: &str, role: &str) -> (String, String, String) {
    (kind.to_owned(), namespace.to_owned(), role.to_owned())
}

#[test]
fn the_role_is_bound_in_the_whole_cluster_by_default() -> Result<()> {
    let wanted = [
        binding("ClusterRoleBinding", "*", "quorate-operator"),
        binding("ClusterRoleBinding", "*", "quorate-operator-cluster"),
        binding("RoleBinding", "quorate-system", "quorate-operator"),
    ];
    let all = manifests(&[])?;
    assert_eq!(bindings(&all)?, wanted);
    ensure!(!all.concat().contains("QUORATE_NAMESPACES"));
    Ok(())
}

#[test]
fn with_namespaces_it_is_bound_in_these_and_nowhere_else() -> Result<()> {
    let some = manifests(&["--set", "watchNamespaces={shop,quorate-system}"])?;
    let wanted = [
        binding("ClusterRoleBinding", "*", "quorate-operator-cluster"),
        // Its Lease and its key; and the role for ensembles.
        binding("RoleBinding", "quorate-system", "quorate-operator"),
        binding("RoleBinding", "quorate-system", "quorate-operator"),
        binding("RoleBinding", "shop", "quorate-operator"),
    ];
    assert_eq!(bindings(&some)?, wanted);
    let cluster = some.iter().find(|manifest| {
        field(manifest, "kind: ") == Some("ClusterRole")
            && field(manifest, "  name: ") == Some("quorate-operator-cluster")
    });
    let cluster = cluster.context("the role of the cluster")?;
    ensure!(
        !cluster.contains("secrets") && !cluster.contains("pods"),
        "{cluster}"
    );
    ensure!(some.concat().contains(r#"value: "shop,quorate-system""#));
    Ok(())
}

#[test]
fn what_is_no_namespace_is_refused() -> Result<()> {
    let refused = manifests(&["--set", "watchNamespaces={Shop}"]);
    let words = format!("{:#}", refused.err().context("it was taken")?);
    ensure!(words.contains("watchNamespaces"), "{words}");
    Ok(())
}
