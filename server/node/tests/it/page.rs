//! The stream of the page: its pace, its bound, and that it keeps no server from stopping.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, Server, free_ports, write_config};

/// As many as a server has at once.
const STREAMS_MAX: usize = 16;

/// Opens a stream; gives its status and what follows.
fn open(server: &Server) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(&server.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /v1/overview/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    (first, reader)
}

/// The next overview of a stream.
fn next(reader: &mut BufReader<TcpStream>) -> serde_json::Value {
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

#[test]
fn streams_are_few_and_slow_and_end_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let [client, admin] = free_ports();
    let mut server = Server::start(&write_config(dir.path(), client, admin, ""));
    server.wait_serving();
    let mut streams: Vec<_> = (0..STREAMS_MAX).map(|_| open(&server)).collect();
    for (status, reader) in &mut streams {
        assert!(status.contains(" 200 "), "{status}");
        assert_eq!(next(reader)["status"]["role"], "standalone");
    }
    let (refused, _) = open(&server);
    assert!(refused.contains(" 503 "), "{refused}");
    let (_, mut kept) = streams.pop().unwrap();
    let began = Instant::now();
    let (second, third) = (next(&mut kept), next(&mut kept));
    assert!(second["atMs"].as_i64() < third["atMs"].as_i64());
    assert!(
        began.elapsed() > Duration::from_millis(900),
        "not twice in a second"
    );
    drop(streams);
    let began = Instant::now();
    assert!(server.terminate().success());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
