//! kubectl as a function: applies, gets, deletes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{shell, tools};

/// kubectl with its kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Finds kubectl.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(kubeconfig: PathBuf) -> Result<Self> {
        Ok(Self {
            program: tools::kubectl()?,
            kubeconfig,
        })
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(words);
        command
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it printed as error.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        shell::run(&mut self.command(words))
    }

    /// Gets an object, or a list, as JSON.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, namespace: &str, what: &[&str]) -> Result<Value> {
        let mut words = vec!["get", "--namespace", namespace, "--output", "json"];
        words.extend(what);
        let text = self.run(&words)?;
        serde_json::from_str(&text).context("kubectl printed no JSON")
    }

    /// Applies a manifest, as a person would with `kubectl apply -f`.
    ///
    /// # Errors
    /// When it is refused, with the reason.
    pub fn apply(&self, namespace: &str, manifest: &Value) -> Result<String> {
        let file = tempfile::Builder::new().suffix(".json").tempfile()?;
        std::fs::write(file.path(), serde_json::to_vec(manifest)?)?;
        let path = file
            .path()
            .to_str()
            .context("the temporary path is not UTF-8")?;
        self.run(&["apply", "--namespace", namespace, "--filename", path])
    }

    /// Creates a namespace under the restricted pod security standard; one that is there is fine.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn ensure_namespace(&self, name: &str) -> Result<()> {
        let manifest = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        });
        self.apply("default", &manifest)?;
        Ok(())
    }
}
