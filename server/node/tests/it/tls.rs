//! TLS for clients: who is let in, who is refused and what the log says about it, and renewal while
//! a session goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zk_wire::client::Request;

use crate::pki::{Authority, Signed, client_config, client_config_of};
use crate::process::{Server, free_ports, metric, wait_for, write_config};
use crate::raw_client::{Client, Stream};

/// A server with TLS, its directory, and what it trusts.
struct Setup {
    dir: tempfile::TempDir,
    server: Server,
    authority: Authority,
    secure: String,
}

impl Setup {
    /// Starts a server that has both ports, with `extra` lines.
    fn start(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("first authority");
        authority
            .sign("server", 2090)
            .write(&dir.path().join("server.pem"));
        std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
        let [client, secure, admin] = free_ports();
        let config = write_config(
            dir.path(),
            client,
            admin,
            &format!(
                "secureClientPort={secure}\nsecureClientPortAddress=127.0.0.1\n\
                 ssl.keyStore.location={0}/server.pem\nssl.trustStore.location={0}/ca.pem\n{extra}",
                dir.path().display()
            ),
        );
        let mut server = Server::start(&config);
        server.wait_serving();
        Self {
            dir,
            server,
            authority,
            secure: format!("127.0.0.1:{secure}"),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens a session over TLS.
    fn connect(&self, config: &Arc<ClientConfig>) -> std::io::Result<Client> {
        let (socket, stream) = dial(&self.secure, config)?;
        Client::open(socket, stream, None)
    }

    /// Waits for a line of the log with all `parts`; returns it.
    #[track_caller]
    fn logged(&self, parts: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.server.log_text();
            let found = log
                .lines()
                .find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.to_owned();
            }
            assert!(Instant::now() < end, "no line with {parts:?} in\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn metric(&self, name: &str) -> u64 {
        metric(&self.server, name)
    }
}

fn dial(
    address: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<(TcpStream, Box<dyn Stream>)> {
    let socket = TcpStream::connect(address)?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
    let stream = StreamOwned::new(tls, socket.try_clone()?);
    Ok((socket, Box::new(stream)))
}

#[test]
fn certificates_let_clients_in() {
    let setup = Setup::start("");
    let alice = setup.authority.sign("alice", 2090);
    let mut client = setup
        .connect(&client_config(&setup.authority, Some(&alice)))
        .unwrap();
    assert_eq!(client.create("/a", b"over TLS", 0).unwrap().error, 0);
    assert_eq!(client.get("/a").unwrap().unwrap(), &b"over TLS"[..]);
    let mut plain = Client::connect(&setup.server.client, None).unwrap();
    assert_eq!(plain.get("/a").unwrap().unwrap(), &b"over TLS"[..]);
    assert_eq!(setup.metric("unsuccessful_handshake"), 0);
    assert_eq!(setup.metric("outstanding_tls_handshake"), 0);
    let certificate = |end: &str| {
        let name = format!("zk_tls_certificate_{end}_seconds{{listener=\"client\"}}");
        setup.metric(&name)
    };
    // The year 2090, after seventy years.
    assert!(certificate("not_after") > 3_700_000_000);
    assert!(certificate("not_before") < 2_000_000_000);
}

#[test]
fn who_is_refused_and_why_is_in_the_log() {
    let setup = Setup::start("");
    let other = Authority::new("other authority");
    let (expired, stranger) = (setup.authority.sign("old", 2021), other.sign("eve", 2090));
    for (own, reason) in [
        (
            None,
            "shows no certificate, and ssl.clientAuth=need asks for one",
        ),
        (
            Some(&expired),
            r#"certificate "CN=old,O=Acme\, Inc" expired at 2021-12-31T00:00:00Z"#,
        ),
        (
            Some(&stranger),
            r#""CN=eve,O=Acme\, Inc" is issued by "CN=other authority", which the trust store"#,
        ),
    ] {
        let config = client_config(&setup.authority, own);
        let (socket, stream) = dial(&setup.secure, &config).unwrap();
        let from = socket.local_addr().unwrap().to_string();
        assert!(Client::open(socket, stream, None).is_err(), "{reason}");
        setup.logged(&[&format!("TLS client {from} refused: "), reason]);
    }
    // A client that does not trust this server.
    let (socket, stream) = dial(&setup.secure, &client_config(&other, None)).unwrap();
    let from = socket.local_addr().unwrap().to_string();
    assert!(Client::open(socket, stream, None).is_err());
    setup.logged(&[
        &from,
        "does not accept this server's certificate (alert UnknownCA)",
    ]);
    // A plain client, and one that says a four-letter word.
    let socket = TcpStream::connect(&setup.secure).unwrap();
    let from = socket.local_addr().unwrap().to_string();
    assert!(Client::open(socket.try_clone().unwrap(), Box::new(socket), None).is_err());
    setup.logged(&[&from, "does not speak TLS, and this port is for TLS only"]);
    assert_eq!(setup.metric("unsuccessful_handshake"), 4);
    assert_eq!(setup.metric("auth_failed_count"), 3);
    assert_eq!(setup.metric("zk_tls_plain_refused_total"), 1);
    // Nobody took anything from those who may come in.
    let alice = setup.authority.sign("alice", 2090);
    setup
        .connect(&client_config(&setup.authority, Some(&alice)))
        .unwrap();
}

#[test]
fn certificates_of_version_one_are_held_to_the_same() {
    let setup = Setup::start("");
    let same_name = Authority::new("first authority");
    let other = Authority::new("other authority");
    let authority = &setup.authority;
    for version in rustls::ALL_VERSIONS {
        let alice = authority.sign_version_one("alice", 2090);
        let config = client_config_of(authority, Some(&alice), &[version]);
        let mut client = setup.connect(&config).unwrap();
        let subject = br"CN=alice,O=Acme\, Inc";
        let identities = client.call(&Request::WhoAmI).unwrap().body;
        assert!(
            identities
                .windows(subject.len())
                .any(|part| part == subject),
            "{identities:?}"
        );
        let mut stolen = authority.sign_version_one("mallory", 2090);
        stolen.key = alice.key;
        for (own, reason) in [
            (
                authority.sign_version_one("old", 2021),
                r#"certificate "CN=old,O=Acme\, Inc" expired at 2021-12-31T00:00:00Z"#,
            ),
            (
                other.sign_version_one("eve", 2090),
                r#"issued by "CN=other authority", which the trust store does not know"#,
            ),
            (
                same_name.sign_version_one("eve", 2090),
                r#"not signed by the authority of the name "CN=first authority""#,
            ),
            (
                stolen,
                "does not have the private key of the certificate that it shows",
            ),
        ] {
            let config = client_config_of(authority, Some(&own), &[version]);
            let (socket, stream) = dial(&setup.secure, &config).unwrap();
            let from = socket.local_addr().unwrap().to_string();
            assert!(Client::open(socket, stream, None).is_err(), "{reason}");
            let line = setup.logged(&[&format!("TLS client {from} refused: ")]);
            assert!(line.contains(reason), "{line}");
        }
    }
}

#[test]
fn one_port_takes_plain_and_tls_and_words() {
    let setup = Setup::start("client.portUnification=true\nssl.clientAuth=want\n");
    let address = &setup.server.client;
    let alice = setup.authority.sign("alice", 2090);
    for own in [None, Some(&alice)] {
        let (socket, stream) = dial(address, &client_config(&setup.authority, own)).unwrap();
        let mut client = Client::open(socket, stream, None).unwrap();
        assert_eq!(
            client
                .call(&Request::WhoAmI)
                .unwrap_or_else(|e| panic!("{e}"))
                .error,
            0
        );
    }
    let mut plain = Client::connect(address, None).unwrap();
    assert_eq!(plain.create("/p", b"", 0).unwrap().error, 0);
    for tls in [false, true] {
        let mut stream: Box<dyn Stream> = if tls {
            dial(address, &client_config(&setup.authority, None))
                .unwrap()
                .1
        } else {
            Box::new(TcpStream::connect(address).unwrap())
        };
        stream.write_all(b"ruok").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "imok", "tls: {tls}");
    }
    // `want` is no licence for a certificate that is shown and bad.
    let eve = Authority::new("other").sign("eve", 2090);
    let (socket, stream) = dial(address, &client_config(&setup.authority, Some(&eve))).unwrap();
    assert!(Client::open(socket, stream, None).is_err());
}

/// Writes without pause on one session until told to stop; returns how often.
struct Load {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    fn start(mut client: Client) -> Self {
        let (stop, writes) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (told, count) = (stop.clone(), writes.clone());
        assert_eq!(client.create("/load", b"", 0).unwrap().error, 0);
        let thread = std::thread::spawn(move || {
            while !told.load(Relaxed) {
                let set = Request::SetData {
                    path: "/load".into(),
                    data: Some(bytes::Bytes::from(vec![b'x'; 2000])),
                    version: -1,
                };
                assert_eq!(client.call(&set).unwrap().error, 0);
                count.fetch_add(1, Relaxed);
            }
        });
        Self {
            stop,
            writes,
            thread,
        }
    }

    /// Waits until some more writes are through.
    fn goes_on(&self) {
        let before = self.writes.load(Relaxed);
        wait_for("writes", || {
            (self.writes.load(Relaxed) > before + 20).then_some(())
        });
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
        self.writes.load(Relaxed)
    }
}

fn replace(path: &std::path::Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn both(signed: &Signed) -> String {
    format!("{}{}", signed.key, signed.certificate)
}

#[test]
fn certificate_and_authority_are_renewed_under_load() {
    let setup = Setup::start("");
    let first = &setup.authority;
    let alice = client_config(first, Some(&first.sign("alice", 2090)));
    let load = Load::start(setup.connect(&alice).unwrap());

    // A new authority is trusted beside the old one, then the server's certificate is its, then the
    // old one goes: the order in which it is done everywhere.
    let second = Authority::new("second authority");
    replace(
        &setup.file("ca.pem"),
        &format!("{}{}", first.pem, second.pem),
    );
    wait_for("the first renewal", || {
        (setup.metric("zk_tls_reloads_total") == 1).then_some(())
    });
    load.goes_on();
    let bob = second.sign("bob", 2090);
    setup.connect(&client_config(first, Some(&bob))).unwrap();
    setup.connect(&alice).unwrap();

    replace(
        &setup.file("server.pem"),
        &both(&second.sign("server again", 2090)),
    );
    setup.logged(&["TLS: certificates renewed", "CN=server again,O=Acme"]);
    load.goes_on();
    setup.connect(&client_config(&second, Some(&bob))).unwrap();
    assert!(
        setup.connect(&alice).is_err(),
        "it does not trust the new authority"
    );

    replace(&setup.file("ca.pem"), &second.pem);
    wait_for("the third renewal", || {
        (setup.metric("zk_tls_reloads_total") == 3).then_some(())
    });
    load.goes_on();
    let late = client_config(&second, Some(&first.sign("late", 2090)));
    assert!(setup.connect(&late).is_err(), "its authority is gone");
    setup.logged(&["CN=late", "issued by \"CN=first authority\""]);
    assert!(load.finish() >= 60);
    assert_eq!(setup.metric("zk_tls_reload_failures_total"), 0);
}

#[test]
fn bad_files_are_refused_and_the_old_ones_stay() {
    let setup = Setup::start("");
    let authority = &setup.authority;
    let alice = client_config(authority, Some(&authority.sign("alice", 2090)));
    let load = Load::start(setup.connect(&alice).unwrap());
    let (one, two) = (authority.sign("one", 2090), authority.sign("two", 2090));
    let mismatched = format!("{}{}", one.key, two.certificate);
    for (file, text, reason) in [
        (
            "server.pem",
            "garbage".to_owned(),
            "no certificate in PEM form",
        ),
        ("server.pem", mismatched, "do not fit together"),
        (
            "server.pem",
            both(&authority.sign("old", 2021)),
            "expired at 2021-12-31",
        ),
        ("ca.pem", String::new(), "no certificate in PEM form"),
    ] {
        let path = setup.file(file);
        let good = std::fs::read_to_string(&path).unwrap();
        replace(&path, &text);
        setup.logged(&[
            "the new files are refused, the old ones stay in use",
            reason,
        ]);
        setup.connect(&alice).unwrap();
        load.goes_on();
        replace(&path, &good);
    }
    std::fs::remove_file(setup.file("ca.pem")).unwrap();
    setup.logged(&["refused", "ca.pem: No such file"]);
    setup.connect(&alice).unwrap();
    std::fs::write(setup.file("ca.pem"), &authority.pem).unwrap();
    replace(&setup.file("server.pem"), &both(&two));
    setup.logged(&["TLS: certificates renewed", "CN=two"]);
    setup.connect(&alice).unwrap();
    load.finish();
}

#[test]
fn a_mounted_secret_is_taken_as_it_is() {
    let setup = Setup::start("");
    let dir = tempfile::tempdir().unwrap();
    let signed = setup.authority.sign("in a directory", 2090);
    std::fs::write(dir.path().join("tls.key"), &signed.key).unwrap();
    std::fs::write(dir.path().join("tls.crt"), &signed.certificate).unwrap();
    std::fs::write(dir.path().join("ca.crt"), &setup.authority.pem).unwrap();
    let [client, secure, admin] = free_ports();
    let at = dir.path().display();
    let lines = format!(
        "secureClientPort={secure}\nssl.keyStore.location={at}\nssl.trustStore.location={at}\n"
    );
    let mut server = Server::start(&write_config(dir.path(), client, admin, &lines));
    server.wait_serving();
    let config = client_config(&setup.authority, Some(&signed));
    let (socket, stream) = dial(&format!("127.0.0.1:{secure}"), &config).unwrap();
    Client::open(socket, stream, None).unwrap();
}

#[test]
fn the_plain_port_can_stay_closed() {
    let setup = Setup::start("ssl.clientAuth=none\nquorate.plainClientPort=false\n");
    let refused = TcpStream::connect(&setup.server.client).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    setup
        .connect(&client_config(&setup.authority, None))
        .unwrap();
}

#[test]
fn handshakes_are_bounded_in_number_and_time() {
    let setup = Setup::start("netty.server.outstandingHandshake.limit=1\n");
    let mut stuck = TcpStream::connect(&setup.secure).unwrap();
    stuck.write_all(&[0x16]).unwrap();
    wait_for("a handshake", || {
        (setup.metric("outstanding_tls_handshake") == 1).then_some(())
    });
    let alice = client_config(&setup.authority, Some(&setup.authority.sign("alice", 2090)));
    assert!(setup.connect(&alice).is_err());
    setup.logged(&["too many handshakes under way"]);
    assert_eq!(setup.metric("tls_handshake_exceeded"), 1);
    let refused = setup.metric("zk_limit_reached_total{limit=\"handshakes\"}");
    assert_eq!(refused, 1);
    assert!(
        matches!(stuck.read(&mut [0]), Ok(0) | Err(_)),
        "it is closed in the end"
    );
    setup.logged(&["the handshake was not finished within 10 s"]);
    setup.connect(&alice).unwrap();
}
