//! Each limit of the client port bites, is counted, and spares everyone else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use zk_wire::client::Request;

use crate::process::{PATIENCE, Server, free_ports, metric, wait_for, write_config};
use crate::raw_client::Client;

/// A server with `lines` in its configuration; the directory goes when it is dropped.
fn server(lines: &str) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin] = free_ports();
    let mut server = Server::start(&write_config(dir.path(), client, admin, lines));
    server.wait_serving();
    (server, dir)
}

fn set(path: &str, len: usize) -> Request {
    Request::SetData {
        path: path.into(),
        data: Some(Bytes::from(vec![b'x'; len])),
        version: -1,
    }
}

/// How often a limit was reached.
fn reached(server: &Server, limit: &str) -> u64 {
    metric(
        server,
        &format!("zk_limit_reached_total{{limit=\"{limit}\"}}"),
    )
}

/// What a four-letter word answers; empty when the connection was refused.
fn word(address: &str, word: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let written = stream.write_all(word.as_bytes());
    if written.is_ok() && stream.read_to_string(&mut answer).is_err() {
        answer.clear();
    }
    answer
}

#[test]
fn connections_per_address_and_in_all() {
    for (key, per_ip) in [("maxClientCnxns=2\n", true), ("maxCnxns=2\n", false)] {
        let (server, _dir) = server(key);
        let first = Client::connect(&server.client, None).unwrap();
        let _second = Client::connect(&server.client, None).unwrap();
        assert!(Client::connect(&server.client, None).is_err(), "{key}");
        assert_eq!(word(&server.client, "ruok"), "", "{key}");
        assert_eq!(metric(&server, "connection_rejected"), 2);
        let limit = if per_ip {
            "connections_per_address"
        } else {
            "connections"
        };
        assert_eq!(reached(&server, limit), 2);
        let named = if per_ip {
            "refused (maxClientCnxns)"
        } else {
            "refused (maxCnxns)"
        };
        assert!(server.log_text().contains(named));
        drop(first);
        wait_for("a free place", || {
            Client::connect(&server.client, None).ok()
        });
    }
}

#[test]
fn large_requests_have_a_sum() {
    let (server, _dir) = server("largeRequestThreshold=1000\nlargeRequestMaxBytes=1500\n");
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.create("/a", b"", 0).unwrap().error, 0);
    // One after the other they have room, whatever they add up to.
    for _ in 0..3 {
        assert_eq!(client.call(&set("/a", 1200)).unwrap().error, 0);
    }
    assert!(client.call(&set("/a", 2000)).is_err());
    assert_eq!(metric(&server, "large_requests_rejected"), 1);
    assert_eq!(reached(&server, "large_requests"), 1);
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.call(&set("/a", 900)).unwrap().error, 0);
}

#[test]
fn new_connections_cost_tokens_and_words_cost_none() {
    let hour = "connection_throttle_tokens=2\nconnection_throttle_fill_time=3600000\n";
    let (server, _dir) = server(hour);
    let old = Client::connect(&server.client, None).unwrap();
    let mut last = Client::connect(&server.client, None).unwrap();
    assert!(Client::connect(&server.client, None).is_err());
    assert!(Client::connect(&server.client, Some(&old.session)).is_err());
    assert_eq!(word(&server.client, "ruok"), "imok");
    assert_eq!(last.create("/a", b"", 0).unwrap().error, 0);
    assert_eq!(metric(&server, "connection_rejected"), 2);
    assert_eq!(reached(&server, "connection_rate"), 2);
}

#[test]
fn frames_have_a_length_limit() {
    let (server, _dir) = server("jute.maxbuffer=5000\n");
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.create("/a", b"", 0).unwrap().error, 0);
    // 8 of the header, 6 of the path, 4 of the data's length, 4 of the version.
    assert_eq!(client.call(&set("/a", 4978)).unwrap().error, 0);
    assert_eq!(reached(&server, "request_size"), 0);
    assert!(client.call(&set("/a", 4979)).is_err());
    assert_eq!(reached(&server, "request_size"), 1);
}

#[test]
fn who_asks_for_no_session_must_go() {
    let (server, _dir) = server("nio.sessionlessCnxnTimeout=200\n");
    for begun in [&b""[..], b"ru", b"\0\0\0\x2d\0\0"] {
        let mut stream = TcpStream::connect(&server.client).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(begun).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "{begun:?}");
    }
    assert_eq!(metric(&server, "sessionless_connections_expired"), 3);
    assert_eq!(reached(&server, "sessionless_time"), 3);
}

#[test]
fn requests_wait_at_the_throttle_and_late_ones_are_answered_so() {
    const CLIENTS: usize = 40;
    const EACH: i32 = 20;
    let (server, _dir) = server("request_throttle_max_requests=1\nthrottled_op_wait_time=1\n");
    let mut first = Client::connect(&server.client, None).unwrap();
    while first.create("/a", b"", 0).unwrap().error != 0 {}
    let threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = Client::connect(&server.client, None).unwrap();
            std::thread::spawn(move || {
                let sent: Vec<i32> = (0..EACH)
                    .map(|_| client.send(&set("/a", 1)).unwrap())
                    .collect();
                let replies = sent.into_iter().map(|xid| {
                    let reply = client.read().unwrap();
                    assert_eq!(reply.xid, xid, "in order");
                    reply.error
                });
                let errors: Vec<i32> = replies.collect();
                assert!(errors.iter().all(|e| [0, -127].contains(e)), "{errors:?}");
                errors.into_iter().filter(|e| *e == 0).count()
            })
        })
        .collect();
    let done: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    let throttled = usize::try_from(metric(&server, "throttled_ops")).unwrap();
    assert!(throttled > 0 && done > 0, "{throttled} late, {done} done");
    assert!(done + throttled >= CLIENTS * usize::try_from(EACH).unwrap());
    let waited = metric(&server, "request_throttle_wait_count");
    assert!(waited >= throttled as u64);
    assert_eq!(reached(&server, "throttle"), waited);
    // What was late was not done.
    let reply = wait_for("an answer in time", || {
        let exists = Request::Exists {
            path: "/a".into(),
            watch: false,
        };
        Some(first.call(&exists).unwrap()).filter(|reply| reply.error == 0)
    });
    let version = reply
        .body
        .get(32..36)
        .map(|raw| i32::from_be_bytes(raw.try_into().unwrap()));
    assert_eq!(version, Some(i32::try_from(done).unwrap()));
}

#[test]
fn a_client_that_does_not_read_is_closed_and_the_others_go_on() {
    let (server, _dir) = server("");
    let mut other = Client::connect(&server.client, None).unwrap();
    assert_eq!(
        other.create("/a", &vec![b'x'; 1_000_000], 0).unwrap().error,
        0
    );
    let mut slow = Client::connect(&server.client, None).unwrap();
    let get = Request::GetData {
        path: "/a".into(),
        watch: false,
    };
    wait_for("the end of the slow client", || {
        // Sending fails once the connection is closed.
        drop(slow.send(&get));
        (metric_or_zero(&server) == 1).then_some(())
    });
    assert_eq!(other.get("/a").unwrap().unwrap().len(), 1_000_000);
}

fn metric_or_zero(server: &Server) -> u64 {
    std::thread::sleep(Duration::from_millis(1));
    metric(server, "zk_slow_clients_closed_total")
}
