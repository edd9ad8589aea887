//! Kernel settings of the host that kubelets insist on and change by themselves. They are noted
//! before and put back after.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cluster::state::Setting;

/// The list is that of the kubelet's `setupKernelTunables`.
const CHANGED_BY_KUBELET: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Reads the settings as they are now.
///
/// # Errors
/// When one that exists cannot be read.
pub(super) fn note() -> Result<Vec<Setting>> {
    CHANGED_BY_KUBELET
        .iter()
        .map(|name| Path::new("/proc/sys").join(name))
        .filter(|path| path.exists())
        .map(|path| {
            Ok(Setting {
                before: fs::read_to_string(&path)?.trim().to_owned(),
                path,
            })
        })
        .collect()
}

/// Puts settings back.
///
/// # Errors
/// When one cannot be written.
pub(super) fn restore(settings: &[Setting]) -> Result<()> {
    for setting in settings {
        if fs::read_to_string(&setting.path).is_ok_and(|now| now.trim() != setting.before) {
            fs::write(&setting.path, &setting.before)
                .with_context(|| format!("cannot put back {}", setting.path.display()))?;
        }
    }
    Ok(())
}
