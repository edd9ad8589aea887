//! The cluster's name server: CoreDNS on the bridge, outside of the cluster that it serves, so that
//! it needs no image and no Service.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::cluster::control_plane::daemon;
use crate::cluster::credentials::Credentials;
use crate::cluster::layout::{HOST_ADDRESS, Layout};
use crate::cluster::processes::Daemon;
use crate::tools::Tools;

/// The domain under which Services and pods have their names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// How long an answer may be reused. Real clusters use 5 to 30; the tests watch pods come and go.
const TTL_SECONDS: u32 = 5;

/// How long "no such name" may be reused: a pod that was just started asks for its peers early.
const DENIAL_TTL_SECONDS: u32 = 1;

/// Describes the name server and writes its configuration.
///
/// # Errors
/// When the configuration cannot be written.
pub(super) fn server(layout: &Layout, tools: &Tools, credentials: &Credentials) -> Result<Daemon> {
    let corefile = layout.state().join("Corefile");
    let kubeconfig = credentials.control_plane();
    fs::write(
        &corefile,
        format!(
            "{CLUSTER_DOMAIN} in-addr.arpa {{\n\
         \x20   bind {HOST_ADDRESS}\n\
         \x20   errors\n\
         \x20   ready {HOST_ADDRESS}:8181\n\
         \x20   cache {TTL_SECONDS} {{\n\
         \x20       denial 1024 {DENIAL_TTL_SECONDS}\n\
         \x20   }}\n\
         \x20   kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{\n\
         \x20       kubeconfig {}\n\
         \x20       ttl {TTL_SECONDS}\n\
         \x20   }}\n\
         }}\n",
            kubeconfig.display(),
        ),
    )?;
    let arguments = vec!["-conf".to_owned(), corefile.display().to_string()];
    Ok(daemon(
        layout,
        "coredns",
        tools.kubernetes.coredns.clone(),
        arguments,
    ))
}

/// Writes the resolver file that kubelets derive the pods' from, and returns its path.
///
/// # Errors
/// When it cannot be written.
pub(super) fn resolver_file(layout: &Layout) -> Result<PathBuf> {
    let path = layout.state().join("resolv.conf");
    fs::write(&path, format!("nameserver {HOST_ADDRESS}\n"))?;
    Ok(path)
}
