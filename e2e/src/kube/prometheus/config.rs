//! The configuration that is shipped, with files in the place of the discovery by Kubernetes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::monitoring;

/// How often a file of targets is looked at, should the kernel not tell that it has changed.
const REFRESH: &str = "5s";

/// One job of the configuration: which pods it scrapes, and the file to write them into.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Selects the pods by their labels.
    pub(super) selector: String,
    /// Where Prometheus looks for targets.
    pub(super) file: PathBuf,
}

#[derive(Deserialize)]
struct Discovery {
    role: String,
    selectors: Vec<Selector>,
}

#[derive(Deserialize)]
struct Selector {
    label: String,
}

/// The file that [`write`] writes.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join("prometheus.yaml")
}

/// Writes the configuration into `directory`, and gives its jobs.
pub(super) fn write(directory: &Path) -> Result<Vec<Job>> {
    let mut config: Value = serde_saphyr::from_str(&monitoring::text(monitoring::PROMETHEUS)?)?;
    let jobs = with_files(&mut config, directory).context(monitoring::PROMETHEUS)?;
    let rules = monitoring::file(monitoring::RULES);
    let files = config.get_mut("rule_files").context("no rule_files")?;
    let beside = rules.file_name().and_then(|name| name.to_str());
    ensure!(
        *files == json!([beside]),
        "the rules are not beside {}: {files}",
        monitoring::PROMETHEUS
    );
    *files = json!([rules]);
    // JSON is YAML.
    fs::write(file(directory), serde_json::to_vec_pretty(&config)?)?;
    Ok(jobs)
}

fn with_files(config: &mut Value, directory: &Path) -> Result<Vec<Job>> {
    let jobs = config
        .get_mut("scrape_configs")
        .and_then(Value::as_array_mut);
    let mut found = Vec::new();
    for job in jobs.context("no scrape_configs")? {
        let job = job.as_object_mut().context("a job that is no map")?;
        found.push(with_file(job, directory)?);
    }
    Ok(found)
}

fn with_file(job: &mut Map<String, Value>, directory: &Path) -> Result<Job> {
    let name = job.get("job_name").and_then(Value::as_str);
    let name = name.context("a job without a name")?.to_owned();
    let found = job.remove("kubernetes_sd_configs");
    let found = found.with_context(|| format!("{name} has no kubernetes_sd_configs"))?;
    let [Discovery { role, selectors }] = serde_json::from_value(found)?;
    ensure!(
        role == "pod" && selectors.len() == 1,
        "{name} looks for {role}"
    );
    let file = directory.join(format!("{name}.json"));
    fs::write(&file, "[]")?;
    let files = json!([{ "files": [file], "refresh_interval": REFRESH }]);
    job.insert("file_sd_configs".to_owned(), files);
    let selector = selectors.into_iter().map(|selector| selector.label);
    Ok(Job {
        selector: selector.collect(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_has_files_for_its_two_jobs() {
        let directory = tempfile::tempdir().unwrap();
        let jobs = write(directory.path()).unwrap();
        assert_eq!(jobs.len(), 2);
        assert!(jobs.iter().all(|job| job.file.exists()));
        let text = fs::read_to_string(file(directory.path())).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        assert!(!text.contains("kubernetes_sd_configs"));
        assert!(text.contains("__meta_kubernetes_pod_name"), "{text}");
        assert!(Path::new(config["rule_files"][0].as_str().unwrap()).is_file());
    }
}
