//! Takes those settings that need no restart from the file while the server runs.
//!
//! The file is small, so it is simply read again and compared: that follows the symbolic links by which
//! Kubernetes swaps a mounted ConfigMap. What it says is judged as a whole, as at a start; when anything
//! is wrong with it, nothing of it is taken, and what is in force stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::config::{
    ConfigError, Flags, PodIdentity, RUNTIME_KEYS, RuntimeSettings, Settings, changed_keys,
    read_text, revision_of,
};
use crate::monitor::Monitor;

/// How often the file is read.
const PERIOD: Duration = Duration::from_secs(1);

/// What is in force of the settings that may change, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The settings.
    pub settings: RuntimeSettings,
    /// Why those that the file has now are not taken.
    pub refused: Option<Refusal>,
    /// Keys whose new values wait for the next start.
    pub pending: Vec<String>,
}

/// Settings that are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Their revision, where it could be read.
    pub revision: Option<String>,
    /// What is wrong, where, and what to write instead.
    pub error: String,
}

impl InForce {
    /// What a server starts with.
    #[must_use]
    pub fn at_start(settings: RuntimeSettings) -> Self {
        Self {
            settings,
            refused: None,
            pending: Vec::new(),
        }
    }
}

/// Looks at the file until the task is ended.
pub async fn watch(monitor: Arc<Monitor>, pod: Option<PodIdentity>) {
    let mut last = monitor.settings.text.clone();
    loop {
        tokio::time::sleep(PERIOD).await;
        let was_refused = monitor.in_force().refused.is_some();
        let (path, pod, known) = (
            monitor.settings.path.clone(),
            pod.clone(),
            (!was_refused).then(|| last.clone()),
        );
        // The file may sit on a slow disk; a socket's thread must not wait for it.
        let look = spawn_blocking(move || look(&path, pod.as_ref(), known.as_deref()));
        let Ok(look) = look.await else {
            continue;
        };
        match look {
            Ok(None) => {}
            Ok(Some(new)) => {
                take(&monitor, &last, &new);
                last = new.text;
            }
            Err(refusal) => refuse(&monitor, refusal),
        }
    }
}

/// Reads and judges the file, if it is not as it is known.
fn look(
    path: &Path,
    pod: Option<&PodIdentity>,
    known: Option<&str>,
) -> Result<Option<Settings>, Refusal> {
    let flags = Flags::from_environment();
    let refusal = |revision, e: ConfigError| Refusal {
        revision,
        error: e.to_string(),
    };
    let text = read_text(path).map_err(|e| refusal(None, e))?;
    if known == Some(text.as_str()) {
        return Ok(None);
    }
    let loaded = Settings::load(path, pod, &flags);
    loaded
        .map(Some)
        .map_err(|e| refusal(revision_of(path, &flags, &text), e))
}

/// Takes what may be taken, and tells what has to wait.
fn take(monitor: &Monitor, last: &str, new: &Settings) {
    let (path, flags) = (monitor.settings.path.as_path(), Flags::from_environment());
    let may_change = |key: &String| RUNTIME_KEYS.contains(&key.as_str());
    let since_last = changed_keys(path, &flags, last, &new.text);
    let since_start = changed_keys(path, &flags, &monitor.settings.text, &new.text);
    let pending: Vec<String> = since_start.into_iter().filter(|k| !may_change(k)).collect();
    let taken: Vec<&str> = since_last
        .iter()
        .filter(|k| may_change(k))
        .map(String::as_str)
        .collect();
    let before = monitor.in_force();
    if !taken.is_empty() {
        monitor.metrics.settings_applied.inc();
        let revision = new.runtime.revision.as_deref().unwrap_or("none");
        info!("settings {revision}: takes {}", listed(path, &taken));
    }
    if !pending.is_empty() && before.pending != pending {
        let pending: Vec<&str> = pending.iter().map(String::as_str).collect();
        info!("wait for the next start: {}", listed(path, &pending));
    }
    monitor.put_in_force(InForce {
        settings: new.runtime.clone(),
        refused: None,
        pending,
    });
}

fn listed(path: &Path, keys: &[&str]) -> String {
    format!("{} of {}", keys.join(", "), path.display())
}

/// Says once why the file is of no use.
fn refuse(monitor: &Monitor, refusal: Refusal) {
    let before = monitor.in_force();
    if before.refused.as_ref() == Some(&refusal) {
        return;
    }
    let error = &refusal.error;
    warn!("the settings in the file are refused, those in force stay: {error}");
    monitor.metrics.settings_refused.inc();
    monitor.put_in_force(InForce {
        refused: Some(refusal),
        ..before.as_ref().clone()
    });
}
