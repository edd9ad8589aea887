//! Finds a Go compiler that can build Kubernetes, or gets one.
//!
//! Debian 12 has Go 1.19, which is too old; but Go's own releases are also modules of the module
//! proxy, so that the old compiler can download the new one as it downloads any module. That is
//! what newer compilers do by themselves.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cache;
use crate::progress::Progress;
use crate::shell;

/// The oldest compiler that the modules in `e2e/kubernetes` accept.
const OLDEST: (u32, u32) = (1, 24);

/// The release to download where there is none.
const RELEASE: &str = "1.24.13";

const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Returns a compiler that is new enough.
///
/// # Errors
/// When there is none and none can be had.
pub fn ensure(progress: &Progress) -> Result<PathBuf> {
    let usual = PathBuf::from("/usr/local/go/bin/go");
    let found = shell::find("go")
        .into_iter()
        .chain(usual.is_file().then_some(usual));
    if let Some(go) = found.into_iter().find(|go| is_new_enough(go)) {
        return Ok(go);
    }
    let old = match shell::find("go") {
        Some(go) => go,
        None => {
            let log = cache::directory()?.join("logs/golang.log");
            let mut apt = Command::new("apt-get");
            apt.args(["install", "-y", "--no-install-recommends", "golang-go"])
                .env("DEBIAN_FRONTEND", "noninteractive");
            shell::run_logged(progress, "installing Go", &mut apt, &log, INSTALL_LIMIT)?;
            shell::find("go").context("golang-go brought no go")?
        }
    };
    progress.say(format!("downloading Go {RELEASE}"));
    download(&old)
}

fn download(old: &Path) -> Result<PathBuf> {
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let module = format!("golang.org/toolchain@v0.0.1-go{RELEASE}.linux-{architecture}");
    let answer = shell::run(
        Command::new(old)
            .args(["mod", "download", "-json", &module])
            .current_dir("/"),
    )?;
    let answer: Value = serde_json::from_str(&answer)?;
    let root = answer
        .get("Dir")
        .and_then(Value::as_str)
        .context("go told no directory")?;
    // A module carries no permissions to execute.
    let root = Path::new(root);
    for directory in [
        root.join("bin"),
        root.join("pkg/tool").join(format!("linux_{architecture}")),
    ] {
        for entry in fs::read_dir(directory)? {
            fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(root.join("bin/go"))
}

fn is_new_enough(go: &Path) -> bool {
    let answer = shell::run(
        Command::new(go)
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local")
            .env_remove("GOROOT")
            .current_dir("/"),
    );
    answer
        .ok()
        .and_then(|text| version(&text))
        .is_some_and(|version| version >= OLDEST)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix("go")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("go1.26.8\n"), Some((1, 26)));
        assert!(version("go1.9.7").unwrap() < OLDEST);
        assert_eq!(version("devel"), None);
    }
}
