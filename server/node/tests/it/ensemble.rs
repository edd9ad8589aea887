//! Three servers.

use std::path::{Path, PathBuf};

use crate::process::{Server, free_ports, wait_for, write_config};
use crate::raw_client::Client;

pub(crate) fn configs(dir: &Path) -> Vec<PathBuf> {
    let ports: [u16; 12] = free_ports();
    let mut rows = ports.chunks_exact(4);
    let rows: [&[u16]; 3] = [(); 3].map(|()| rows.next().unwrap());
    let members: String = (1..)
        .zip(&rows)
        .map(|(n, p)| format!("server.{n}=127.0.0.1:{}:{}\n", p[2], p[3]))
        .collect();
    (1..)
        .zip(&rows)
        .map(|(n, p)| {
            let home = dir.join(format!("s{n}"));
            let config = write_config(&home, p[0], p[1], &members);
            std::fs::write(home.join("data/myid"), format!("{n}\n")).unwrap();
            config
        })
        .collect()
}

/// Waits until every server has applied the same and shows the same tree.
fn wait_equal(servers: &[Server]) {
    wait_for("equal trees", || {
        let pages: Vec<_> = servers.iter().map(Server::status).collect::<Option<_>>()?;
        let same = |key: &str| pages.iter().all(|p| p[key] == pages[0][key]);
        (same("zxidApplied") && same("digest")).then_some(())
    });
}

pub(crate) fn leader_of(servers: &[Server]) -> usize {
    wait_for("a leader", || {
        servers
            .iter()
            .position(|s| s.status().is_some_and(|p| p["role"] == "leader"))
    })
}

#[test]
fn writes_reach_all_and_survive_the_leader_and_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let configs = configs(dir.path());
    let mut servers: Vec<Server> = configs.iter().map(|c| Server::start(c)).collect();
    for server in &mut servers {
        server.wait_serving();
    }
    for (n, server) in servers.iter().enumerate() {
        let mut client = Client::connect(&server.client, None).unwrap();
        assert_eq!(
            client.create(&format!("/from{n}"), b"v", 0).unwrap().error,
            0
        );
    }
    wait_equal(&servers);

    // The leader goes; the two that are left elect another and serve.
    let leader = leader_of(&servers);
    let lost = servers.remove(leader);
    lost.kill();
    let after = wait_for("a write after the leader", || {
        let mut client = Client::connect(&servers[0].client, None).ok()?;
        client
            .create("/after", b"v", 0)
            .ok()
            .filter(|r| r.error == 0 || r.error == -110)
    });
    assert!(after.error == 0 || after.error == -110);
    // It comes back and catches up.
    servers.push(Server::start(&configs[leader]));
    servers[2].wait_serving();
    wait_equal(&servers);

    // All of them at once.
    for server in servers {
        server.kill();
    }
    let mut servers: Vec<Server> = configs.iter().map(|c| Server::start(c)).collect();
    for server in &mut servers {
        server.wait_serving();
    }
    wait_equal(&servers);
    for server in &servers {
        let mut client = Client::connect(&server.client, None).unwrap();
        for path in ["/from0", "/from1", "/from2", "/after"] {
            assert_eq!(client.get(path).unwrap().unwrap(), "v", "{path}");
        }
    }
    for server in servers {
        assert!(server.terminate().success());
    }
}

#[test]
fn without_a_quorum_probes_answer_and_sessions_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let configs = configs(dir.path());
    let server = Server::start(&configs[0]);
    let page = wait_for("a status", || server.status());
    assert_eq!(
        (&page["serving"], &page["role"]),
        (&false.into(), &"looking".into())
    );
    assert!(Client::connect(&server.client, None).is_err());
    assert!(server.terminate().success());
}
