//! Every failpoint is reached: by the operations, or by the calls of the caches that wake reconciles.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams, WatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::World;
use super::api::client;
use super::cluster::Cluster;
use super::story::{OPERATIONS, tell};
use crate::crd::ZkEnsemble;
use crate::failpoints::{Failpoints, Site};

/// What the cache of one kind asks for.
async fn cache<K>(client: &Client)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    api.list(&ListParams::default()).await.unwrap();
    let watch = api.watch(&WatchParams::default(), "0").await;
    assert!(watch.is_ok());
}

async fn caches() -> BTreeSet<Site> {
    let world = World::new(Cluster::new(1, 1));
    let failpoints = Failpoints::default();
    let client = client(&world, "caches", &failpoints);
    cache::<ZkEnsemble>(&client).await;
    cache::<StatefulSet>(&client).await;
    cache::<Service>(&client).await;
    cache::<ConfigMap>(&client).await;
    cache::<PodDisruptionBudget>(&client).await;
    cache::<NetworkPolicy>(&client).await;
    cache::<Pod>(&client).await;
    failpoints.reached().into_keys().collect()
}

#[tokio::test]
async fn every_failpoint_is_reached() {
    let mut reached = caches().await;
    for operation in &OPERATIONS {
        let world = World::new(operation.prepare().await);
        reached.extend(tell(&world, |_| Vec::new()).await.unwrap().into_keys());
    }
    let all: BTreeSet<Site> = Site::all().collect();
    let never: Vec<String> = all.difference(&reached).map(Site::to_string).collect();
    assert!(never.is_empty(), "never reached: {never:?}");
}
