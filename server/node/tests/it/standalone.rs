//! One server alone.

use std::io::{Read, Write};
use std::net::TcpStream;

use zk_wire::client::Request;

use crate::process::{PATIENCE, Server, free_ports, page, wait_for, word, write_config};
use crate::raw_client::{Client, read_frame, write_frame};

fn start(dir: &std::path::Path) -> (Server, std::path::PathBuf) {
    let [client, admin] = free_ports();
    let config = write_config(dir, client, admin, "");
    let mut server = Server::start(&config);
    server.wait_serving();
    (server, config)
}

#[test]
fn writes_survive_kill_and_an_orderly_end() {
    let dir = tempfile::tempdir().unwrap();
    let (server, config) = start(dir.path());
    let mut client = Client::connect(&server.client, None).unwrap();
    for n in 0..50 {
        assert_eq!(client.create(&format!("/n{n}"), b"v", 0).unwrap().error, 0);
    }
    let session = client.session.clone();
    assert_eq!(client.create("/mine", b"", 1).unwrap().error, 0);
    server.kill();

    let mut server = Server::start(&config);
    server.wait_serving();
    let mut client = Client::connect(&server.client, Some(&session)).unwrap();
    assert!(!client.refused(), "the session lives on");
    for n in 0..50 {
        assert_eq!(client.get(&format!("/n{n}")).unwrap().unwrap(), "v");
    }
    assert_eq!(client.get("/mine").unwrap().unwrap(), "");
    assert_eq!(client.call(&Request::CloseSession).unwrap().error, 0);
    assert!(client.ends());
    let status = server.terminate();
    assert!(status.success(), "{status}");

    let mut server = Server::start(&config);
    server.wait_serving();
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.get("/n49").unwrap().unwrap(), "v");
    assert_eq!(
        client.get("/mine").unwrap(),
        Err(-101),
        "gone with its session"
    );
    let gone = Client::connect(&server.client, Some(&session)).unwrap();
    assert!(gone.refused() && gone.ends());
}

#[test]
fn words_and_pages_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path());
    let client = Client::connect(&server.client, None).unwrap();
    assert_eq!(word(&server.client, "ruok"), "imok");
    assert_eq!(word(&server.client, "ruok\r\nfoo"), "imok");
    assert_eq!(word(&server.client, "isro"), "rw");
    assert!(!word(&server.client, "wchp").contains("whitelist"));
    assert!(word(&server.client, "srvr").contains("Mode: standalone\n"));
    assert!(word(&server.client, "stat").contains("Clients:\n /127.0.0.1:"));
    assert!(word(&server.client, "mntr").contains("zk_server_state\tstandalone\n"));
    assert!(word(&server.client, "conf").ends_with("serverId=0\n"));
    assert_eq!(word(&server.client, "RUOK"), "");
    assert!(page(&server.admin, "/livez").ends_with("\r\n\r\nok"));
    assert!(page(&server.admin, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(page(&server.admin, "/metrics").contains("\nnum_alive_connections 1\n"));
    let sessions = || server.status().filter(|s| s["sessions"] == 1);
    let status = wait_for("the session in the status", sessions);
    assert_eq!(status["role"], "standalone");
    drop(client);
}

#[test]
fn pipelined_requests_are_answered_in_order_past_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path());
    let mut client = Client::connect(&server.client, None).unwrap();
    assert_eq!(client.create("/a", b"", 0).unwrap().error, 0);
    let set = Request::SetData {
        path: "/a".into(),
        data: Some("x".into()),
        version: -1,
    };
    // More than one connection may have under way, and few enough for the socket buffers.
    let sent: Vec<i32> = (0..2000).map(|_| client.send(&set).unwrap()).collect();
    let answered: Vec<i32> = sent.iter().map(|_| client.read().unwrap().xid).collect();
    assert_eq!(sent, answered);
}

#[test]
fn garbage_closes_its_own_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path());
    let mut good = Client::connect(&server.client, None).unwrap();
    for raw in [
        &[0xff, 0xff, 0xff, 0xff][..],
        &[0x7f, 0xff, 0xff, 0xff],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.client).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(raw).unwrap();
        assert!(!matches!(stream.read(&mut [0]), Ok(1)), "{raw:?}");
    }
    let mut stream = TcpStream::connect(&server.client).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write_frame(&mut stream, b"no connect request").unwrap();
    assert!(read_frame(&mut stream).is_err());
    assert_eq!(good.create("/still", b"", 0).unwrap().error, 0);
}
