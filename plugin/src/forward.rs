//! Connections to ports of pods, through the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::io::DuplexStream;

use crate::failure::{Asked, Failure};

/// A connection to a port of a pod; it ends when this is dropped.
#[derive(Debug)]
pub struct Forwarded {
    /// What is written comes out in the pod, from its own loopback address.
    pub stream: DuplexStream,
    _task: AbortOnDrop,
}

struct AbortOnDrop(kube::api::Portforwarder);

impl std::fmt::Debug for AbortOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AbortOnDrop")
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects to a port of a pod.
///
/// # Errors
/// When the API server refuses it or cannot reach the pod. That nobody listens shows only when the
/// connection is used: it ends.
pub async fn connect(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<Forwarded, Failure> {
    let asked = Asked {
        verb: "create",
        resource: "pods/portforward",
        namespace,
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let opened = api.portforward(pod, &[port]).await;
    let mut forwarder = opened.map_err(|error| asked.failed(&error))?;
    let stream = forwarder.take_stream(port).ok_or_else(|| Failure::Api {
        verb: asked.verb,
        resource: asked.resource,
        namespace: namespace.to_owned(),
        why: "no stream came of it".to_owned(),
    })?;
    Ok(Forwarded {
        stream,
        _task: AbortOnDrop(forwarder),
    })
}
