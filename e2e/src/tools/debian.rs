//! What comes from Debian.
//!
//! Plain tools are installed as packages. The packages that bring daemons are only unpacked into
//! the cache: installing them would start a containerd and an etcd of the machine's own, and would
//! push out the containerd of a Docker that is already there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::progress::Progress;
use crate::shell;

/// A program that must be there, and the package that brings it.
const INSTALLED: [(&str, &str); 11] = [
    ("conntrack", "conntrack"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("pip", "python3-pip"),
    ("setsid", "util-linux"),
    ("tar", "tar"),
];

/// The library that the unpacked runc links, which comes as a package without a program.
const LIBRARY: (&str, &str) = ("libseccomp.so.2", "libseccomp2");

const UNPACKED: [&str; 4] = [
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "runc",
];

/// Brings Prometheus and promtool.
const PROMETHEUS: &str = "prometheus";

/// How long apt may take, on a slow line.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// The programs from unpacked packages.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// containerd itself; its shim lies beside it.
    pub containerd: PathBuf,
    /// containerd's own client.
    pub ctr: PathBuf,
    /// The OCI runtime.
    pub runc: PathBuf,
    /// The store under the API server.
    pub etcd: PathBuf,
    /// The directory with the CNI plugins.
    pub cni: PathBuf,
}

impl Unpacked {
    /// Finds the unpacked programs.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn locate() -> Result<Self> {
        let root = root()?;
        let at = |path: &str| {
            let path = root.join(path);
            if path.exists() {
                Ok(path)
            } else {
                bail!("{} is not there", path.display())
            }
        };
        at("usr/bin/containerd-shim-runc-v2")?;
        Ok(Self {
            containerd: at("usr/bin/containerd")?,
            ctr: at("usr/bin/ctr")?,
            runc: at("usr/sbin/runc")?,
            etcd: at("usr/bin/etcd")?,
            cni: at("usr/lib/cni/bridge")?
                .parent()
                .context("cni has no parent")?
                .to_owned(),
        })
    }
}

/// Returns the installed programs that are missing.
pub fn missing() -> Vec<&'static str> {
    let programs = INSTALLED
        .iter()
        .filter(|(program, _)| shell::find(program).is_none());
    let library = (!has_library()).then_some(LIBRARY.0);
    programs
        .map(|(program, _)| *program)
        .chain(library)
        .collect()
}

/// Installs and unpacks what is missing.
///
/// # Errors
/// When the machine has no apt, or apt fails.
pub fn install(progress: &Progress) -> Result<()> {
    let unpacked = Unpacked::locate().is_ok();
    if missing().is_empty() && unpacked {
        return Ok(());
    }
    if shell::find("apt-get").is_none() {
        bail!(
            "this machine has no apt-get, so that missing programs cannot be installed ({}); \
             set KUBECONFIG to a cluster that is already there instead",
            missing().join(", ")
        );
    }
    let log = cache::directory()?.join("logs/apt.log");
    let apt = |what: &str, arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        shell::run_logged(progress, what, &mut command, &log, APT_LIMIT)
    };
    apt("reading package lists", &["update"])?;
    let mut packages: Vec<&str> = INSTALLED
        .iter()
        .filter(|(program, _)| shell::find(program).is_none())
        .map(|(_, package)| *package)
        .chain((!has_library()).then_some(LIBRARY.1))
        .collect();
    packages.dedup();
    if !packages.is_empty() {
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(&packages);
        apt(&format!("installing {}", packages.join(" ")), &arguments)?;
    }
    if !unpacked {
        unpack(progress, &UNPACKED)?;
    }
    Ok(())
}

/// Finds promtool, or unpacks it together with Prometheus.
///
/// # Errors
/// When it is not there and the machine has no apt, or apt fails.
pub fn promtool(progress: &Progress) -> Result<PathBuf> {
    of_prometheus(progress, "promtool")
}

/// Finds Prometheus, or unpacks it.
///
/// # Errors
/// As [`promtool`].
pub fn prometheus(progress: &Progress) -> Result<PathBuf> {
    of_prometheus(progress, "prometheus")
}

fn of_prometheus(progress: &Progress, program: &str) -> Result<PathBuf> {
    let unpacked = root()?.join("usr/bin").join(program);
    if unpacked.is_file() {
        return Ok(unpacked);
    }
    if let Some(found) = shell::find(program) {
        return Ok(found);
    }
    if shell::find("apt-get").is_none() {
        bail!("no {program}; install the one that comes with Prometheus");
    }
    // Downloading needs no root, and newer package lists are needed only when that fails.
    if unpack(progress, &[PROMETHEUS]).is_err() {
        let log = cache::directory()?.join("logs/apt.log");
        let mut update = Command::new("apt-get");
        let update = update.arg("update");
        shell::run_logged(progress, "reading package lists", update, &log, APT_LIMIT)?;
        unpack(progress, &[PROMETHEUS])?;
    }
    Ok(unpacked)
}

fn unpack(progress: &Progress, packages: &[&str]) -> Result<()> {
    progress.say(format!("unpacking {} into the cache", packages.join(" ")));
    let downloads = tempfile::tempdir()?;
    shell::run(
        Command::new("apt-get")
            .arg("download")
            .args(packages)
            .current_dir(downloads.path()),
    )?;
    let root = root()?;
    fs::create_dir_all(&root)?;
    for package in fs::read_dir(downloads.path())? {
        shell::run(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(package?.path())
                .arg(&root),
        )?;
    }
    Ok(())
}

fn root() -> Result<PathBuf> {
    Ok(cache::directory()?.join("debian"))
}

fn has_library() -> bool {
    shell::find("ldconfig")
        .and_then(|ldconfig| shell::call(ldconfig, &["-p"]).ok())
        .is_some_and(|list| list.contains(LIBRARY.0))
}
