//! Builds the programs of `e2e/kubernetes`, each once per state of its sources.
//!
//! The sources are part of this binary, so that it works from anywhere, and the directory of a
//! built program is named by their digest, so that a change leads to a new build by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::image::{self, Image};
use crate::progress::Progress;
use crate::shell;
use crate::tools::{bin_directory, go_compiler};

/// The version that the components report; kept equal to the one in `control-plane/go.mod`.
pub const KUBERNETES_VERSION: &str = "v1.34.4";

/// The name of the pod sandbox's image.
pub const PAUSE_IMAGE: &str = "quorate.dev/e2e/pause:1";

/// The names that the multi-call binary answers to.
const COMPONENTS: [&str; 6] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "volume-provisioner",
];

/// Twice what one core needs for the largest program, cold.
const BUILD_LIMIT: Duration = Duration::from_secs(50 * 60);

/// One Go module: its name, which is the program's too, and its files.
struct Module {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

macro_rules! source {
    ($path:literal) => {
        include_str!(concat!("../../kubernetes/", $path))
    };
}

const CONTROL_PLANE: Module = Module {
    name: "control-plane",
    files: &[
        ("go.mod", source!("control-plane/go.mod")),
        ("go.sum", source!("control-plane/go.sum")),
        ("main.go", source!("control-plane/main.go")),
        ("volumes.go", source!("control-plane/volumes.go")),
    ],
    arguments: &["-tags", "providerless"],
};

const COREDNS: Module = Module {
    name: "coredns",
    files: &[
        ("go.mod", source!("coredns/go.mod")),
        ("go.sum", source!("coredns/go.sum")),
        ("main.go", source!("coredns/main.go")),
    ],
    arguments: &[],
};

const PAUSE: Module = Module {
    name: "pause",
    files: &[
        ("go.mod", source!("pause/go.mod")),
        ("main.go", source!("pause/main.go")),
    ],
    arguments: &[],
};

/// The built programs.
#[derive(Debug, Clone)]
pub struct Built {
    components: PathBuf,
    /// The name server.
    pub coredns: PathBuf,
    /// The archive of the pod sandbox's image.
    pub pause: PathBuf,
}

impl Built {
    /// Returns the path of one component, such as `kubelet`.
    pub fn component(&self, name: &str) -> PathBuf {
        self.components.join(name)
    }

    /// Finds the built programs.
    ///
    /// # Errors
    /// When one was not built yet.
    pub fn locate() -> Result<Self> {
        let control_plane = CONTROL_PLANE.located()?;
        Ok(Self {
            components: control_plane.parent().context("no directory")?.to_owned(),
            coredns: COREDNS.located()?,
            pause: archive_of(&PAUSE.located()?),
        })
    }
}

/// Builds what is missing.
///
/// # Errors
/// When there is no Go, or a build fails; the text carries the end of its output.
pub fn build(progress: &Progress) -> Result<()> {
    let modules = [PAUSE, COREDNS, CONTROL_PLANE];
    if modules.iter().all(|module| module.located().is_ok()) {
        return Ok(());
    }
    let go = go_compiler::ensure(progress)?;
    modules
        .iter()
        .try_for_each(|module| module.ensure(progress, &go))
}

impl Module {
    fn directory(&self) -> Result<PathBuf> {
        let mut digest = Sha256::new();
        for (name, content) in self.files {
            digest.update(name);
            digest.update([0]);
            digest.update(content);
        }
        let key: String = digest
            .finalize()
            .iter()
            .take(6)
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(bin_directory()?.join(format!("{}-{key}", self.name)))
    }

    fn located(&self) -> Result<PathBuf> {
        let path = self.directory()?.join(self.name);
        if path.is_file() {
            Ok(path)
        } else {
            bail!("{} is not built", self.name)
        }
    }

    fn ensure(&self, progress: &Progress, go: &Path) -> Result<()> {
        if self.located().is_ok() {
            return Ok(());
        }
        let directory = self.directory()?;
        let source = directory.join("source");
        fs::create_dir_all(&source)?;
        for (name, content) in self.files {
            fs::write(source.join(name), content)?;
        }
        let version = "k8s.io/component-base/version";
        let (major_minor, _) = KUBERNETES_VERSION
            .rsplit_once('.')
            .context("no patch version")?;
        let minor = major_minor.trim_start_matches("v1.");
        let flags = format!(
            "-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor=1 \
             -X {version}.gitMinor={minor}"
        );
        let partial = directory.join("partial");
        let mut command = Command::new(go);
        command
            .args(["build", "-trimpath", "-ldflags", &flags])
            .args(self.arguments)
            .arg("-o")
            .arg(&partial)
            .arg(".")
            .current_dir(&source)
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env_remove("GOROOT");
        let what = match self.name {
            "control-plane" => "compiling Kubernetes (20 CPU minutes the first time)".to_owned(),
            name => format!("compiling {name}"),
        };
        let log = directory.join("build.log");
        shell::run_logged(progress, &what, &mut command, &log, BUILD_LIMIT)?;
        self.finish(&directory, &partial)
    }

    /// Adds what goes with the program, then gives it its name, which marks it as complete.
    fn finish(&self, directory: &Path, partial: &Path) -> Result<()> {
        let program = directory.join(self.name);
        if self.name == PAUSE.name {
            fs::copy(partial, &program)?;
            let image = Image {
                binary: program.clone(),
                reference: PAUSE_IMAGE.to_owned(),
                entrypoint: Vec::new(),
                sbom: None,
            };
            let written = image::write(&image, &archive_of(&program));
            fs::remove_file(&program)?;
            written?;
        }
        if self.name == CONTROL_PLANE.name {
            for component in COMPONENTS {
                let link = directory.join(component);
                if !link.is_symlink() {
                    symlink(self.name, link)?;
                }
            }
        }
        fs::rename(partial, program)?;
        Ok(())
    }
}

fn archive_of(program: &Path) -> PathBuf {
    program.with_extension("tar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_version_is_the_required_one() {
        let required = format!("k8s.io/kubernetes {KUBERNETES_VERSION}");
        let (_, module) = CONTROL_PLANE.files[0];
        assert!(module.lines().any(|line| line.trim() == required));
    }
}
