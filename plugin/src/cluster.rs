//! The API server: which one, and the objects of ensembles.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt as _};
use quorate_operator::crd::ZkEnsemble;
use quorate_operator::ensemble::build::ENSEMBLE_LABEL;

use crate::arguments::Reach;
use crate::failure::{Asked, Failure};

/// The kind, as roles name it.
pub const ENSEMBLES: &str = "zkensembles.quorate.dev";

/// Label of a node with its zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Ensembles that one call shows at most.
const ENSEMBLES_MAX: u32 = 200;

/// Pods of one ensemble at most: 7 voters, their stand-ins, and 7 zones of 31 observers.
const PODS_MAX: u32 = 500;

/// Questions to the API server under way at the same time.
pub const CONCURRENCY: usize = 16;

/// Names of ensembles that a message lists at most.
const NAMES_SHOWN: usize = 20;

/// A cluster, and a namespace in it.
#[derive(Clone)]
pub struct Cluster {
    /// The way to the API server.
    pub client: Client,
    /// The namespace that is meant.
    pub namespace: String,
}

impl Cluster {
    /// Finds the cluster as kubectl does.
    ///
    /// # Errors
    /// When none is named, or its configuration cannot be used.
    pub async fn reach(reach: &Reach) -> Result<Self, Failure> {
        let unusable = |error: &dyn std::fmt::Display| Failure::NoCluster(error.to_string());
        let options = KubeConfigOptions {
            context: reach.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match (&reach.kubeconfig, &reach.context) {
            (Some(path), _) => {
                let file = Kubeconfig::read_from(path).map_err(|e| unusable(&e))?;
                let config = Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(|e| unusable(&e))?
            }
            (None, Some(_)) => {
                let config = Config::from_kubeconfig(&options).await;
                config.map_err(|e| unusable(&e))?
            }
            (None, None) => Config::infer().await.map_err(|e| unusable(&e))?,
        };
        let namespace = reach.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|e| unusable(&e))?;
        Ok(Self { client, namespace })
    }

    /// Gets an ensemble of the namespace.
    ///
    /// # Errors
    /// When it is not there, with the names of those that are, or the API server refuses.
    pub async fn ensemble(&self, name: &str) -> Result<ZkEnsemble, Failure> {
        let api: Api<ZkEnsemble> = Api::namespaced(self.client.clone(), &self.namespace);
        let asked = self.asked("get", ENSEMBLES);
        let got = api.get_opt(name).await;
        if let Some(object) = got.map_err(|error| asked.failed(&error))? {
            return Ok(object);
        }
        let others = match self.ensembles(false).await {
            Ok(others) => listed(&others),
            Err(Failure::NoKind) => return Err(Failure::NoKind),
            Err(failure) => failure.to_string(),
        };
        Err(Failure::NoEnsemble {
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            others,
        })
    }

    /// Lists the ensembles of the namespace, or of all.
    ///
    /// # Errors
    /// When the API server refuses, or does not know them.
    pub async fn ensembles(&self, all_namespaces: bool) -> Result<Vec<ZkEnsemble>, Failure> {
        let client = self.client.clone();
        let (api, namespace): (Api<ZkEnsemble>, _) = if all_namespaces {
            (Api::all(client), "*")
        } else {
            let namespace = self.namespace.as_str();
            (Api::namespaced(client, namespace), namespace)
        };
        let asked = Asked {
            verb: "list",
            resource: ENSEMBLES,
            namespace,
        };
        let list = api.list(&ListParams::default().limit(ENSEMBLES_MAX)).await;
        match list {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Failure::NoKind),
            Err(error) => Err(asked.failed(&error)),
        }
    }

    /// Lists the pods of an ensemble, by name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn pods(&self, namespace: &str, ensemble: &str) -> Result<Vec<Pod>, Failure> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let asked = Asked {
            verb: "list",
            resource: "pods",
            namespace,
        };
        let params = ListParams::default()
            .labels(&format!("{ENSEMBLE_LABEL}={ensemble}"))
            .limit(PODS_MAX);
        let list = api
            .list(&params)
            .await
            .map_err(|error| asked.failed(&error))?;
        let mut pods = list.items;
        pods.sort_by_key(kube::ResourceExt::name_any);
        Ok(pods)
    }

    /// The zones of the nodes that these pods are on, and what could not be had of them, in words.
    pub async fn zones(&self, pods: &[Pod]) -> (BTreeMap<String, String>, Option<String>) {
        let api: Api<Node> = Api::all(self.client.clone());
        let names: std::collections::BTreeSet<&String> = pods
            .iter()
            .filter_map(|pod| pod.spec.as_ref()?.node_name.as_ref())
            .collect();
        let asked = Asked {
            verb: "get",
            resource: "nodes",
            namespace: "*",
        };
        let looked: Vec<_> = futures::stream::iter(names)
            .map(|name| {
                let api = &api;
                async move { (name, api.get_metadata_opt(name).await) }
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut zones = BTreeMap::new();
        let mut trouble = None;
        for (name, node) in looked {
            match node {
                Ok(node) => {
                    let zone = node.and_then(|node| node.labels().get(ZONE_LABEL).cloned());
                    zones.extend(zone.map(|zone| (name.clone(), zone)));
                }
                Err(error) => {
                    let why = asked.failed(&error);
                    trouble = Some(format!("zones are those that the operator noted: {why}"));
                }
            }
        }
        (zones, trouble)
    }

    /// What is asked in this namespace.
    #[must_use]
    pub fn asked(&self, verb: &'static str, resource: &'static str) -> Asked<'_> {
        Asked {
            verb,
            resource,
            namespace: &self.namespace,
        }
    }
}

/// The names of these, in words.
fn listed(ensembles: &[ZkEnsemble]) -> String {
    if ensembles.is_empty() {
        return "there is none there: see kubectl quorate status -A".to_owned();
    }
    let names: Vec<String> = ensembles
        .iter()
        .take(NAMES_SHOWN)
        .map(kube::ResourceExt::name_any)
        .collect();
    let more = if ensembles.len() > NAMES_SHOWN {
        ", .."
    } else {
        ""
    };
    format!("there are: {}{more}", names.join(", "))
}
