//! The audit log: in a file, bounded, and in nobody's way.

use std::path::Path;

use crate::process::{Server, free_ports, metric, run_refused, wait_for, write_config};
use crate::raw_client::Client;

fn config(dir: &Path, file: &Path) -> std::path::PathBuf {
    let lines = format!("audit.enable=true\nquorate.audit.file={}\n", file.display());
    let [client, admin] = free_ports();
    write_config(dir, client, admin, &lines)
}

/// The fields of each line, without the time and the session.
fn told(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| {
        let (_, fields) = line.split_once(" audit: ").unwrap();
        let fields = fields.split('\t').filter(|f| !f.starts_with("session="));
        let fields: Vec<&str> = fields.filter(|f| !f.starts_with("user=")).collect();
        fields.join(" ")
    });
    lines.collect()
}

#[test]
fn writes_are_told_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.log");
    let mut server = Server::start(&config(dir.path(), &file));
    server.wait_serving();
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.create("/a", b"", 1).unwrap().error, 0);
    assert_eq!(client.create("/a", b"", 0).unwrap().error, -110);
    assert_eq!(client.create("/a\n\tx", b"", 0).unwrap().error, -8);
    assert!(server.terminate().success());
    assert_eq!(
        told(&file),
        [
            "operation=serverStart result=success",
            "ip=127.0.0.1 operation=create znode=/a znode_type=ephemeral result=success",
            "ip=127.0.0.1 operation=create znode=/a znode_type=persistent result=failure",
            "ip=127.0.0.1 operation=create znode=/a\\n\\tx znode_type=persistent result=failure",
            "operation=serverStop result=invoked",
        ]
    );
}

#[test]
fn a_disk_that_takes_nothing_costs_lines_and_no_requests() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(&config(dir.path(), Path::new("/dev/full")));
    server.wait_serving();
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.create("/a", b"", 0).unwrap().error, 0);
    wait_for("the lost lines", || {
        (metric(&server, "zk_audit_lines_lost_total") >= 2).then_some(())
    });
    assert_eq!(metric(&server, "zk_audit_lines_total"), 0);
    let log = server.log_text();
    assert_eq!(
        log.matches("the audit log cannot be written").count(),
        1,
        "{log}"
    );
}

#[test]
fn a_file_that_cannot_be_opened_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("no/such/audit.log");
    let output = run_refused(&config(dir.path(), &file), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for expected in ["no/such/audit.log", "choose another quorate.audit.file"] {
        assert!(said.contains(expected), "{said}");
    }
}
