//! Traces of requests, as a collector gets them.

use std::time::Duration;

use quorate_telemetry::testing::{Span, TestCollector};
use tokio::runtime::Runtime;

use crate::ensemble::{configs, leader_of};
use crate::process::{Server, free_ports, metric, run_refused, wait_for, write_config};
use crate::raw_client::Client;

const SOON: Duration = Duration::from_secs(30);

/// The parts of a whole, by their names.
fn parts<'a>(spans: &'a [Span], whole: &Span) -> Vec<&'a str> {
    let parts = spans.iter().filter(|span| span.parent == whole.id);
    let mut names: Vec<&str> = parts.map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn of<'a>(spans: &'a [Span], name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.name == name)
}

#[test]
fn a_follower_tells_what_a_write_waited_for_and_a_read_did_not() {
    let runtime = Runtime::new().unwrap();
    let taker = runtime.block_on(TestCollector::start()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let lines = format!(
        "quorate.traces.endpoint=http://{}\nquorate.traces.ratio=1\nquorate.zone=a\n",
        taker.address()
    );
    let configs = configs(dir.path());
    for config in &configs {
        let text = std::fs::read_to_string(config).unwrap();
        std::fs::write(config, text + &lines).unwrap();
    }
    let mut servers: Vec<Server> = configs.iter().map(|c| Server::start(c)).collect();
    for server in &mut servers {
        server.wait_serving();
    }
    let follower = (leader_of(&servers) + 1) % 3;
    let mut client = Client::connect(&servers[follower].client, None).unwrap();
    let created = client.create("/orders", b"v", 0).unwrap();
    assert_eq!(created.error, 0);
    assert_eq!(client.get("/none").unwrap(), Err(-101));

    let wanted = |spans: &[Span]| {
        let write = of(spans, "create").is_some_and(|span| parts(spans, span).len() >= 3);
        write && of(spans, "getData").is_some()
    };
    let spans = runtime.block_on(taker.until(SOON, wanted)).unwrap();
    let (write, read) = (
        of(&spans, "create").unwrap(),
        of(&spans, "getData").unwrap(),
    );
    let without_holds = |span| {
        let mut parts = parts(&spans, span);
        parts.retain(|name| *name != "held");
        parts
    };
    assert_eq!(without_holds(write), ["commit", "log", "propose"]);
    assert!(without_holds(read).is_empty());
    for part in spans.iter().filter(|span| span.parent == write.id) {
        assert_eq!(part.trace, write.trace);
        // The disk of this server may be later than the two others.
        let within = part.time.0 >= write.time.0 && part.time.1 <= write.time.1;
        assert!(within, "{part:?} is no part of {write:?}");
    }
    assert_eq!(write.attributes["zookeeper.path"], "/orders");
    assert_eq!(
        write.attributes["zookeeper.zxid"],
        format!("0x{:x}", created.zxid)
    );
    assert_eq!(read.attributes["error.type"], "NoNode");
    assert_eq!(read.kind, 2);
    assert_eq!(write.resource["service.name"], "quorate");
    let id = (follower + 1).to_string();
    assert_eq!(write.resource["zookeeper.server_id"], id);
    assert_eq!(write.resource["cloud.availability_zone"], "a");
    assert!(metric(&servers[follower], "zk_traced_requests_total") >= 2);
}

#[test]
fn a_collector_that_is_gone_costs_a_server_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin, nobody] = free_ports();
    let lines =
        format!("quorate.traces.endpoint=http://127.0.0.1:{nobody}\nquorate.traces.ratio=1\n");
    let mut server = Server::start(&write_config(dir.path(), client, admin, &lines));
    server.wait_serving();
    let mut client = Client::connect(&server.client, None).unwrap();
    for n in 0..100 {
        let made = client.create(&format!("/n{n}"), b"", 0).unwrap();
        assert_eq!(made.error, 0);
    }
    wait_for("a line about the collector", || {
        let log = server.log_text();
        log.contains("the collector of traces does not take them")
            .then_some(())
    });
    assert!(server.terminate().success());
}

#[test]
fn an_authority_that_is_none_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let lines = format!(
        "quorate.traces.endpoint=https://127.0.0.1:1\nquorate.traces.caFile={}\n",
        file.display()
    );
    let [client, admin] = free_ports();
    let output = run_refused(&write_config(dir.path(), client, admin, &lines), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for expected in ["ca.pem", "certificates in PEM", "quorate.traces.endpoint"] {
        assert!(said.contains(expected), "{said}");
    }
}
