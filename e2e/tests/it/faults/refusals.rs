//! What a server must not start on: it says what is wrong, ends, and changes nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::faults::snapshot_of;
use quorate_e2e::peers::{Ensemble, Kind, Server, Settings};

use crate::alone;
use crate::interop::write_some;

/// How long a server may take to find out that it cannot start.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts the server and expects it to give up, naming each of `words`.
fn refuses(server: &mut Server, words: &[&str]) -> Result<()> {
    let directory = server.data_directory();
    let before = snapshot_of::directory(&directory)?;
    fs::write(server.log_path(), "")?;
    server.start()?;
    let status = server.process()?.wait(LIMIT)?;
    let said = fs::read_to_string(server.log_path())?;
    ensure!(!status.success(), "it ended with {status}");
    for word in words {
        ensure!(
            said.contains(word),
            "{word:?} is not in what it said: {said}"
        );
    }
    let after = snapshot_of::directory(&directory)?;
    ensure!(
        before == after,
        "it changed the directory: {before:?}, then {after:?}"
    );
    Ok(())
}

fn one_server(extra: &[&str]) -> Result<Ensemble> {
    let extra = extra.iter().map(ToString::to_string).collect();
    Ensemble::configured(
        &[Kind::Quorate],
        &Settings {
            extra,
            ..Settings::default()
        },
    )
}

#[test]
fn a_bad_value_names_the_file_and_the_key() -> Result<()> {
    let _alone = alone();
    let mut ensemble = one_server(&["syncLimit=many"])?;
    refuses(ensemble.server(1)?, &["zoo.cfg", "syncLimit", "many"])
}

#[test]
fn a_missing_myid_names_the_file() -> Result<()> {
    let _alone = alone();
    let mut ensemble = Ensemble::configured(&[Kind::Quorate; 3], &Settings::default())?;
    let server = ensemble.server(2)?;
    let my_id = server.data_directory().join("myid");
    fs::remove_file(&my_id)?;
    refuses(server, &[&my_id.display().to_string()])
}

#[test]
fn a_data_directory_of_another_ensemble_is_left_alone() -> Result<()> {
    let _alone = alone();
    let mut ensemble = one_server(&["quorate.ensembleId=one"])?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let server = ensemble.server(1)?;
    server.terminate()?;
    let config = fs::read_to_string(server.config_path())?;
    fs::write(
        server.config_path(),
        config.replace("ensembleId=one", "ensembleId=two"),
    )?;
    let directory = server.data_directory().display().to_string();
    refuses(server, &[&directory, "ensemble", "one", "two"])
}

#[test]
fn a_corrupt_snapshot_is_named_with_file_and_offset() -> Result<()> {
    let _alone = alone();
    let mut ensemble = one_server(&["snapCount=100"])?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let server = ensemble.server(1)?;
    write_some(server.client_address(), "/a")?;
    server.terminate()?;
    // Though an older one and the log would do: damage is for a person to see.
    let newest = newest_snapshot(server)?;
    let mut bytes = fs::read(&newest)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("an empty snapshot")? ^= 0x40;
    fs::write(&newest, bytes)?;
    refuses(
        server,
        &[
            "offset",
            "set the file aside",
            &newest.display().to_string(),
        ],
    )
}

/// The snapshot of the latest state.
fn newest_snapshot(server: &Server) -> Result<PathBuf> {
    let zxid = |path: &PathBuf| {
        let end = path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default();
        u64::from_str_radix(end, 16).unwrap_or_default()
    };
    snapshots(server)?
        .into_iter()
        .max_by_key(zxid)
        .context("no snapshot")
}

fn snapshots(server: &Server) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(server.data_directory().join("version-2"))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("snapshot.") {
            found.push(path);
        }
    }
    Ok(found)
}
