//! `quorate inspect` beside Apache's tools, on the files of either server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{Ensemble, Kind, Settings, apache, quorate};

use super::write_some;
use crate::alone;

fn apache_tool(class: &str, arguments: &[&str], file: &Path) -> Result<String> {
    let logback = apache::java_sources().join("logback.xml");
    let output = Command::new("java")
        .env("TZ", "UTC")
        .arg("-XX:+UseSerialGC")
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .arg("-cp")
        .arg(apache::class_path()?)
        .arg(class)
        .args(arguments)
        .arg(file)
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn inspect(arguments: &[&str], file: &Path) -> Result<String> {
    let output = Command::new(quorate::binary()?)
        .env("TZ", "UTC")
        .arg("inspect")
        .args(arguments)
        .arg(file)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The files of a directory with this beginning, oldest first.
fn files(data: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data.join("version-2"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(hex) = name.strip_prefix(prefix)
            && let Ok(zxid) = u64::from_str_radix(hex, 16)
        {
            found.push((zxid, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The blocks of nodes, whatever their order, without how the data is shown when there is none.
fn nodes(text: &str) -> BTreeSet<String> {
    let blocks = text.split("----\n").filter(|block| block.starts_with('/'));
    blocks.map(str::to_owned).collect()
}

fn files_read_alike(kind: Kind) -> Result<()> {
    let _alone = alone();
    let settings = Settings {
        extra: vec!["snapCount=100".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(kind, 1, &settings)?;
    let server = ensemble.server(1)?;
    write_some(server.client_address(), "/some")?;
    server.terminate()?;
    let data = server.data_directory();
    for log in files(&data, "log.")? {
        let class = "org.apache.zookeeper.server.persistence.TxnLogToolkit";
        let theirs = apache_tool(class, &["-d"], &log)?;
        let own = inspect(&["log"], &log)?;
        // The header of our logs holds a number that Apache leaves at 0 and prints.
        ensure!(theirs == own, "{}:\n{theirs}\n{own}", log.display());
    }
    let snapshot = files(&data, "snapshot.")?.pop().context("no snapshot")?;
    let class = "org.apache.zookeeper.server.SnapshotFormatter";
    let theirs = nodes(&apache_tool(class, &["-d"], &snapshot)?);
    let own = nodes(&inspect(&["snapshot", "-d"], &snapshot)?);
    ensure!(theirs.len() > 50, "only {} nodes", theirs.len());
    let only_theirs: Vec<_> = theirs.difference(&own).take(2).collect();
    let only_own: Vec<_> = own.difference(&theirs).take(2).collect();
    ensure!(
        theirs == own,
        "Apache: {only_theirs:#?}\nours: {only_own:#?}"
    );
    let checked = inspect(&["data-dir"], &data)?;
    ensure!(checked.contains(", 0 wrong"), "{checked}");
    Ok(())
}

#[test]
fn our_files_read_alike() -> Result<()> {
    files_read_alike(Kind::Quorate)
}

#[test]
fn files_of_apache_read_alike() -> Result<()> {
    files_read_alike(Kind::Apache)
}
