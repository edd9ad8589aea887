//! Servers that must not start say why, with the right exit code, and change nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::process::{Server, free_ports, run_refused, write_config};

const MEMBERS: &str = "server.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n";

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            out.insert(path, content);
        }
    }
    out
}

#[track_caller]
fn check(config: &Path, arguments: &[&str], code: i32, parts: &[&str]) {
    let dir = config.parent().unwrap();
    let before = files(dir);
    let output = run_refused(config, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(before, files(dir), "something was changed");
}

#[test]
fn bad_configurations() {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin] = free_ports();
    let config = |extra: &str| write_config(dir.path(), client, admin, extra);
    check(
        &config("tickTime=abc\n"),
        &[],
        2,
        &["zoo.cfg:11: tickTime=abc", "tickTime=2000"],
    );
    check(&config(MEMBERS), &[], 2, &["myid", "missing"]);
    check(&dir.path().join("none.cfg"), &[], 2, &["none.cfg"]);
    std::fs::write(dir.path().join("data/myid"), "7\n").unwrap();
    check(&config(MEMBERS), &[], 1, &["server.7", "myid"]);
    let pod = ["--pod-name", "zoo-0", "--id-base", "1"];
    check(&config(MEMBERS), &pod, 2, &["myid", "says 7", "server 1"]);
}

#[test]
fn a_directory_of_another_ensemble() {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin] = free_ports();
    let config = write_config(dir.path(), client, admin, "quorate.ensembleId=one\n");
    let mut server = Server::start(&config);
    server.wait_serving();
    assert!(server.terminate().success());
    std::fs::remove_file(config.with_extension("log")).unwrap();
    let config = write_config(dir.path(), client, admin, "quorate.ensembleId=two\n");
    check(&config, &[], 3, &["quorate.identity", "one", "two"]);
}

#[test]
fn a_client_port_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let [admin] = free_ports();
    let port = taken.local_addr().unwrap().port();
    let config = write_config(dir.path(), port, admin, "");
    let output = run_refused(&config, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&port.to_string()));
}
