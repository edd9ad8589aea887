//! `quorate inspect` on files of a server that were damaged on purpose.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Server, free_ports, quorate, write_config};
use crate::raw_client::Client;

/// A data directory with ten creates in one log; gives it and the log.
fn written(dir: &Path) -> (PathBuf, PathBuf) {
    let [client, admin] = free_ports();
    let config = write_config(dir, client, admin, "");
    let mut server = Server::start(&config);
    server.wait_serving();
    let mut client = Client::connect(&server.client, None).unwrap();
    for n in 0..10 {
        let path = format!("/n{n}");
        assert_eq!(client.create(&path, b"some data", 0).unwrap().error, 0);
    }
    drop(client);
    server.kill();
    let data = dir.join("data");
    let log = data.join("version-2/log.1");
    (data, log)
}

/// Runs it: exit code, standard output, standard error.
fn inspect(words: &[&str], path: &Path) -> (i32, String, String) {
    let output = quorate()
        .arg("inspect")
        .args(words)
        .arg(path)
        .output()
        .unwrap();
    let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn damage_is_named_and_mended_in_a_copy_only() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log) = written(dir.path());
    let (code, out, errors) = inspect(&["log"], &log);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains(" create /n9,some data,"), "{out}");
    assert!(out.ends_with("EOF reached after 11 txns.\n"), "{out}");

    let mut raw = fs::read(&log).unwrap();
    let at = raw.windows(9).position(|w| w == b"some data").unwrap();
    raw[at] = b'S';
    fs::write(&log, &raw).unwrap();
    let (code, out, errors) = inspect(&["log", "--quiet"], &log);
    assert_eq!(code, 1);
    assert!(out.contains("\nCRC ERROR - "), "{out}");
    assert!(errors.contains("log.1 is damaged at offset "), "{errors}");
    assert!(
        errors.contains("the checksum of a record is wrong"),
        "{errors}"
    );
    let (code, _, errors) = inspect(&["data-dir"], &data);
    assert_eq!(code, 1);
    assert!(errors.contains("is damaged at offset"), "{errors}");

    let (code, out, errors) = inspect(&["log", "--recover"], &log);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("with 1 fixed CRC error(s)"), "{out}");
    assert_eq!(fs::read(&log).unwrap(), raw, "the original stays");
    let fixed = log.with_extension("1.fixed");
    let (code, out, _) = inspect(&["log"], &fixed);
    assert_eq!(code, 0);
    assert!(out.contains(" create /n0,Some data,"), "{out}");
    let (code, _, errors) = inspect(&["log", "--recover"], &log);
    assert_eq!(code, 1, "a copy that is there is not overwritten: {errors}");
    // What it says is still not what the writer had: only the digests can tell.
    fs::rename(&fixed, &log).unwrap();
    let (code, _, errors) = inspect(&["data-dir"], &data);
    assert_eq!(code, 1);
    assert!(errors.contains("after 0x2 the tree digest is"), "{errors}");
}

#[test]
fn a_log_is_chopped_into_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (_, log) = written(dir.path());
    let target = dir.path().join("chopped");
    let out = target.to_str().unwrap();
    let (code, _, errors) = inspect(&["log", "--chop", "5", "--out", out], &log);
    assert_eq!(code, 0, "{errors}");
    let (_, text, _) = inspect(&["log", "--quiet"], &target);
    assert!(text.contains("EOF reached after 5 txns."), "{text}");
    let other = dir.path().join("other");
    let out = other.to_str().unwrap();
    let (code, _, errors) = inspect(&["log", "--chop", "0x500", "--out", out], &log);
    assert_eq!(code, 1);
    assert!(errors.contains("there is no transaction 0x500"), "{errors}");
    assert!(!other.exists());
}

#[test]
fn a_snapshot_that_is_cut_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = written(dir.path());
    let snapshot = data.join("version-2/snapshot.0");
    let (code, out, errors) = inspect(&["snapshot"], &snapshot);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("\n/zookeeper/quota\n"), "{out}");
    let raw = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, &raw[..raw.len() - 1]).unwrap();
    let (code, _, errors) = inspect(&["snapshot", "--quiet"], &snapshot);
    assert_eq!(code, 1);
    assert!(
        errors.contains("snapshot.0 is damaged at offset"),
        "{errors}"
    );
    assert!(errors.contains("set this file aside"), "{errors}");
    let (code, _, _) = inspect(&["log"], &snapshot);
    assert_eq!(code, 1, "a snapshot is no log");
}
