//! The command line client against a server that goes away and comes back.

use std::time::Duration;

use quorate_server::cli::client::{Client, Connect, CreateMode, Options, Removal, State};
use zk_wire::Acl;
use zk_wire::client::ErrorCode;

use crate::pki::Authority;
use crate::process::{PATIENCE, Server, free_ports, quorate, wait_for, write_config};

fn options(server: &str) -> Options {
    Options {
        connect: Connect::parse(server).unwrap(),
        timeout: Duration::from_secs(10),
        read_only: false,
        tls: None,
    }
}

fn open() -> Vec<Acl> {
    vec![Acl::world(31)]
}

#[test]
fn a_session_goes_on_with_its_watches_when_the_server_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let [client_port, admin] = free_ports();
    let config = write_config(dir.path(), client_port, admin, "");
    let mut server = Server::start(&config);
    server.wait_serving();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = format!("{}/below", server.client);
    let _inside = runtime.enter();
    let (root, _told) = Client::start(options(&server.client));
    let (client, mut notices) = Client::start(options(&address));
    let create = |client: &Client, path: &str, mode| {
        let made = client.create(path, Some("x".into()), open(), mode);
        runtime.block_on(made).unwrap()
    };
    create(&root, "/below", CreateMode::Persistent);
    assert_eq!(create(&client, "/eph", CreateMode::Ephemeral), "/eph");
    create(&client, "/watched", CreateMode::Persistent);
    runtime.block_on(client.get_data("/watched", true)).unwrap();
    runtime.block_on(client.add_watch("/tree", true)).unwrap();
    let session = client.session().unwrap();

    server.kill();
    let mut server = Server::start(&config);
    server.wait_serving();
    assert!(runtime.block_on(client.connected(PATIENCE)));
    assert!(runtime.block_on(root.connected(PATIENCE)));
    assert_eq!(client.session(), Some(session));
    runtime.block_on(client.exists("/eph", false)).unwrap();
    let set = root.set_data("/below/watched", "y".into(), -1);
    runtime.block_on(set).unwrap();
    create(&root, "/below/tree", CreateMode::Persistent);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| *last != "NodeCreated /tree") {
        let next = tokio::time::timeout(PATIENCE, notices.recv());
        let notice = runtime.block_on(next).unwrap().unwrap();
        let path = notice.path.as_deref().unwrap_or(notice.state);
        seen.push(format!("{} {path}", notice.kind).leak() as &str);
    }
    let want = [
        "None SyncConnected",
        "None Disconnected",
        "None SyncConnected",
        "NodeDataChanged /watched",
        "NodeCreated /tree",
    ];
    assert_eq!(seen, want);
    let none = runtime.block_on(client.remove_watches("/watched", Removal::Data));
    assert!(none.unwrap_err().is(ErrorCode::NoWatcher));
    runtime.block_on(client.close()).unwrap();
    wait_for("the end of the client", || {
        (client.state() == State::Closed).then_some(())
    });
    let gone = runtime.block_on(root.exists("/below/eph", false));
    assert!(gone.unwrap_err().is(ErrorCode::NoNode));
}

#[test]
fn nobody_there_is_said_and_ends_with_1() {
    let [port] = free_ports();
    let server = format!("127.0.0.1:{port}");
    let output = quorate()
        .args(["cli", "-server", &server, "ls", "/"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("KeeperErrorCode = ConnectionLoss for /\n"),
        "{errors}"
    );
    assert!(errors.contains(&server), "{errors}");
    assert!(output.stdout.is_empty());
    let waiting = quorate()
        .args([
            "cli",
            "-server",
            &server,
            "-timeout",
            "300",
            "-waitforconnection",
        ])
        .output()
        .unwrap();
    assert_eq!(waiting.status.code(), Some(1));
}

#[test]
fn certificates_let_the_client_in() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let file = |name: &str| dir.path().join(name).display().to_string();
    for name in ["server", "client"] {
        let pem = dir.path().join(format!("{name}.pem"));
        authority.sign(name, 2090).write(&pem);
    }
    std::fs::write(file("ca.pem"), &authority.pem).unwrap();
    let stranger = Authority::new("stranger");
    std::fs::write(file("stranger.pem"), &stranger.pem).unwrap();
    let [client, secure, admin] = free_ports();
    let extra = format!(
        "secureClientPort={secure}\nsecureClientPortAddress=127.0.0.1\n\
         ssl.keyStore.location={}\nssl.trustStore.location={}\n",
        file("server.pem"),
        file("ca.pem")
    );
    let config = write_config(dir.path(), client, admin, &extra);
    let mut server = Server::start(&config);
    server.wait_serving();
    let run = |ca: &str, own: bool| {
        let mut command = quorate();
        command
            .args(["cli", "-server", &format!("127.0.0.1:{secure}"), "--tls-ca"])
            .arg(file(ca));
        if own {
            let pem = file("client.pem");
            command.args(["--tls-cert", &pem, "--tls-key", &pem]);
        }
        let output = command.args(["whoami"]).output().unwrap();
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, errors) = run("ca.pem", true);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.starts_with("Auth scheme: User\n"), "{out}");
    assert!(out.contains("x509: "), "{out}");
    let (code, _, errors) = run("stranger.pem", true);
    assert_eq!(code, Some(1));
    assert!(errors.contains("certificate"), "{errors}");
    let (code, _, _) = run("ca.pem", false);
    assert_eq!(code, Some(1), "the server wants a certificate");
    let (code, _, errors) = run("nowhere.pem", true);
    assert_eq!(code, Some(1));
    assert!(errors.contains("nowhere.pem"), "{errors}");
}
