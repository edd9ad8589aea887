//! Who may talk to the API server: static tokens, which need no certificates of their own, the key
//! that signs service accounts' tokens, and kubeconfig files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::cluster::layout::{API_PORT, HOST_ADDRESS, Layout, Node};
use crate::shell;

const TOKEN_BYTES: usize = 24;

/// The files with which the parts of a cluster know each other.
#[derive(Debug)]
pub(super) struct Credentials {
    directory: PathBuf,
}

impl Credentials {
    /// Those of a cluster that has them already.
    pub(super) fn at(layout: &Layout) -> Self {
        Self {
            directory: layout.state().join("credentials"),
        }
    }

    /// Makes the token file, the signing key and a kubeconfig for each part.
    ///
    /// # Errors
    /// When a file cannot be written or openssl fails.
    pub(super) fn create(layout: &Layout) -> Result<Self> {
        let credentials = Self::at(layout);
        fs::create_dir_all(&credentials.directory)?;
        let nodes = layout.nodes();
        let mut tokens = Vec::new();
        let mut user = |name: &str, groups: &str, kubeconfig: &Path| -> Result<()> {
            let token = random_token()?;
            tokens.push(format!("{token},{name},{name},\"{groups}\"\n"));
            credentials.write_kubeconfig(layout.name(), name, &token, kubeconfig)
        };
        user("admin", "system:masters", &layout.kubeconfig())?;
        user(
            "control-plane",
            "system:masters",
            &credentials.control_plane(),
        )?;
        user("system:kube-proxy", "", &credentials.proxy())?;
        for node in &nodes {
            let name = format!("system:node:{}", node.name);
            user(&name, "system:nodes", &credentials.kubelet(node))?;
        }
        write_private(&credentials.tokens(), &tokens.concat())?;
        let (private, public) = (credentials.signing_key(), credentials.signing_key_public());
        let (private, public) = (utf8(&private)?, utf8(&public)?);
        shell::call("openssl", &["genrsa", "-out", private, "2048"])?;
        shell::call(
            "openssl",
            &["rsa", "-in", private, "-pubout", "-out", public],
        )?;
        Ok(credentials)
    }

    /// The API server's list of tokens.
    pub(super) fn tokens(&self) -> PathBuf {
        self.directory.join("tokens.csv")
    }

    /// The key that signs service accounts' tokens.
    pub(super) fn signing_key(&self) -> PathBuf {
        self.directory.join("service-accounts.key")
    }

    /// The key that checks service accounts' tokens.
    pub(super) fn signing_key_public(&self) -> PathBuf {
        self.directory.join("service-accounts.pub")
    }

    /// Where the API server puts the certificate that it makes for itself.
    pub(super) fn certificates(&self) -> PathBuf {
        self.directory.join("certificates")
    }

    /// The authority behind that certificate: the API server appends it to the certificate's file.
    pub(super) fn authority(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    /// The API server's certificates, its own first, and the key for it.
    pub(super) fn of_api_server(layout: &Layout) -> (PathBuf, PathBuf) {
        let credentials = Self::at(layout);
        let key = credentials.certificates().join("apiserver.key");
        (credentials.authority(), key)
    }

    /// For the controllers, the scheduler, the volumes and the name server.
    pub(super) fn control_plane(&self) -> PathBuf {
        self.directory.join("control-plane.kubeconfig")
    }

    /// For every kube-proxy.
    pub(super) fn proxy(&self) -> PathBuf {
        self.directory.join("kube-proxy.kubeconfig")
    }

    /// For the kubelet of one node.
    pub(super) fn kubelet(&self, node: &Node) -> PathBuf {
        self.directory.join(format!("{}.kubeconfig", node.name))
    }

    /// Writes a kubeconfig; JSON is YAML too.
    fn write_kubeconfig(&self, cluster: &str, user: &str, token: &str, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": cluster, "cluster": {
                "server": format!("https://{HOST_ADDRESS}:{API_PORT}"),
                "certificate-authority": self.authority(),
            }}],
            "users": [{ "name": user, "user": { "token": token } }],
            "contexts": [{ "name": cluster, "context": { "cluster": cluster, "user": user } }],
            "current-context": cluster,
        }))?;
        write_private(path, &text)
    }
}

fn random_token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
