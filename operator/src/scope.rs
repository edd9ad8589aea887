//! Which namespaces the operator works in: all of the cluster, or some that are named.

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// Longest name of a namespace.
const NAME_LEN_MAX: usize = 63;

/// Namespaces at most: there are watches of their own for each.
pub const NAMESPACES_MAX: usize = 50;

/// Where the operator looks for ensembles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The namespaces; empty for all.
    namespaces: Vec<String>,
}

/// Why namespaces are no scope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A name that no namespace can have.
    #[error("{0:?} is no namespace: only a-z, 0-9 and '-', at most 63 of them")]
    Name(String),
    /// Too many.
    #[error(
        "{0} namespaces are named, and at most {NAMESPACES_MAX} are watched one by one: name fewer, or none \
         to watch all"
    )]
    TooMany(usize),
}

impl Scope {
    /// Takes the names of namespaces; none stands for all.
    ///
    /// # Errors
    ///
    /// When a name is none, or there are too many.
    pub fn new(mut namespaces: Vec<String>) -> Result<Self, ScopeError> {
        if let Some(bad) = namespaces.iter().find(|name| !is_name(name)) {
            return Err(ScopeError::Name(bad.clone()));
        }
        namespaces.sort();
        namespaces.dedup();
        if namespaces.len() > NAMESPACES_MAX {
            return Err(ScopeError::TooMany(namespaces.len()));
        }
        Ok(Self { namespaces })
    }

    /// What to watch, one by one: `None` is the whole cluster.
    pub fn places(&self) -> Vec<Option<&str>> {
        if self.namespaces.is_empty() {
            vec![None]
        } else {
            self.namespaces
                .iter()
                .map(|name| Some(name.as_str()))
                .collect()
        }
    }
}

/// The objects of a kind in a namespace, or in the whole cluster.
pub fn api<K>(client: &Client, place: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match place {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn is_name(name: &str) -> bool {
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = !name.starts_with('-') && !name.ends_with('-');
    !name.is_empty() && name.len() <= NAME_LEN_MAX && ends && name.bytes().all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(names: &[&str]) -> Result<Scope, ScopeError> {
        Scope::new(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn no_namespace_stands_for_all_and_none_is_watched_twice() {
        assert_eq!(scope(&[]).unwrap().places(), [None]);
        let some = scope(&["shop", "bank", "shop"]).unwrap();
        assert_eq!(some.places(), [Some("bank"), Some("shop")]);
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        let long = "n".repeat(64);
        for bad in ["", "Shop", "a b", "-a", "a-", "a/b", long.as_str()] {
            assert_eq!(scope(&["shop", bad]), Err(ScopeError::Name(bad.to_owned())));
        }
        let many: Vec<String> = (0..=NAMESPACES_MAX).map(|n| format!("n{n}")).collect();
        assert_eq!(Scope::new(many), Err(ScopeError::TooMany(51)));
    }
}
