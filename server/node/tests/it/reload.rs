//! Settings that need no restart are taken while the server runs, all at once or not at all.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::{Server, free_ports, metric, wait_for, write_config};
use crate::raw_client::Client;

/// A server whose file is written anew.
struct Setup {
    server: Server,
    file: PathBuf,
    ports: [u16; 2],
    dir: tempfile::TempDir,
}

impl Setup {
    fn start(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let file = write_config(dir.path(), ports[0], ports[1], lines);
        let mut server = Server::start(&file);
        server.wait_serving();
        Self {
            server,
            file,
            ports,
            dir,
        }
    }

    /// Swaps the file as a kubelet does: another one gets its name.
    fn write(&self, lines: &str) {
        let aside = self.dir.path().join("aside");
        std::fs::create_dir_all(&aside).unwrap();
        let new = write_config(&aside, self.ports[0], self.ports[1], lines);
        let text = std::fs::read_to_string(&new).unwrap();
        let data = |dir: &Path| dir.join("data").display().to_string();
        let text = text.replace(&data(&aside), &data(self.dir.path()));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    /// Waits until the status has this about the settings.
    fn waits_for(&self, expected: &Value) {
        wait_for("the settings", || {
            let status = self.server.status()?;
            (status["settings"] == *expected).then_some(())
        });
    }

    fn word(&self, word: &str) -> String {
        crate::process::word(&self.server.client, word)
    }
}

#[test]
fn settings_are_taken_while_clients_stay() {
    let setup = Setup::start("quorate.settings.revision=one\n");
    setup.waits_for(&json!({"revision": "one", "refused": null, "pending": []}));
    let mut first = Client::connect(&setup.server.client, None).unwrap();
    assert!(setup.word("conf").contains("\nmaxClientCnxns=60\n"));
    setup.write(
        "quorate.settings.revision=two\nmaxClientCnxns=2\n4lw.commands.whitelist=conf\nsnapCount=9\n",
    );
    setup.waits_for(&json!({"revision": "two", "refused": null, "pending": ["snapCount"]}));
    assert!(setup.word("conf").contains("\nmaxClientCnxns=2\n"));
    assert!(setup.word("ruok").contains("not in the whitelist"));
    let _second = Client::connect(&setup.server.client, None).unwrap();
    assert!(Client::connect(&setup.server.client, None).is_err());
    assert_eq!(first.create("/a", b"", 0).unwrap().error, 0);
    assert_eq!(metric(&setup.server, "zk_settings_applied_total"), 1);
    assert_eq!(metric(&setup.server, "zk_settings_refused_total"), 0);
    let log = setup.server.log_text();
    let takes = "settings two: takes 4lw.commands.whitelist, maxClientCnxns of";
    assert!(log.contains(takes), "{log}");
    assert!(log.contains("wait for the next start: snapCount"), "{log}");
}

#[test]
fn a_file_with_anything_wrong_is_refused_as_a_whole() {
    let setup = Setup::start("quorate.settings.revision=one\n");
    setup.write("quorate.settings.revision=two\nmaxCnxns=1\nmaxClientCnxns=many\n");
    let refused = wait_for("the refusal", || {
        let status = setup.server.status()?;
        let refused = &status["settings"]["refused"];
        let why = refused["error"].as_str()?.to_owned();
        assert_eq!(refused["revision"], "two");
        assert_eq!(status["settings"]["revision"], "one");
        Some(why)
    });
    for expected in ["maxClientCnxns", "many", "write for example"] {
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(setup.word("conf").contains("\nmaxClientCnxns=60\n"));
    let _clients = [(); 2].map(|()| Client::connect(&setup.server.client, None).unwrap());
    assert_eq!(metric(&setup.server, "zk_settings_refused_total"), 1);
    assert_eq!(metric(&setup.server, "zk_settings_applied_total"), 0);
    // What was there before is as good as something new.
    setup.write("quorate.settings.revision=one\n");
    setup.waits_for(&json!({"revision": "one", "refused": null, "pending": []}));
    setup.write("quorate.settings.revision=three\nmaxClientCnxns=7\n");
    setup.waits_for(&json!({"revision": "three", "refused": null, "pending": []}));
    assert!(setup.word("conf").contains("\nmaxClientCnxns=7\n"));
}

#[test]
fn without_a_revision_the_file_is_read_at_the_start_only() {
    let setup = Setup::start("maxClientCnxns=5\n");
    let looks = Setup::start("quorate.settings.revision=one\n");
    let status = setup.server.status().unwrap();
    assert_eq!(status["settings"], Value::Null);
    setup.write("quorate.settings.revision=two\nmaxClientCnxns=6\n");
    // Meanwhile one that looks finds two changes.
    for revision in ["two", "three"] {
        looks.write(&format!("quorate.settings.revision={revision}\n"));
        looks.waits_for(&json!({"revision": revision, "refused": null, "pending": []}));
    }
    assert!(setup.word("conf").contains("\nmaxClientCnxns=5\n"));
}

/// What the admin port says of the levels of the log.
fn levels(setup: &Setup) -> Value {
    let page = crate::process::page(&setup.server.admin, "/v1/log/level");
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn the_levels_of_the_log_change_while_it_runs() {
    let setup = Setup::start("quorate.settings.revision=one\n");
    let start = levels(&setup);
    assert_eq!(
        (&start["source"], &start["secondsLeft"]),
        (&json!("start"), &Value::Null)
    );
    drop(Client::connect(&setup.server.client, None).unwrap());
    assert!(!setup.server.log_text().contains(" DEBUG "));
    setup.write("quorate.settings.revision=two\nquorate.log.level=warn,quorate_server=debug\n");
    setup.waits_for(&json!({"revision": "two", "refused": null, "pending": []}));
    assert_eq!(
        levels(&setup),
        json!({"level": "warn,quorate_server=debug", "source": "settings", "secondsLeft": null})
    );
    drop(Client::connect(&setup.server.client, None).unwrap());
    wait_for("a line of the level debug", || {
        setup.server.log_text().contains(" DEBUG ").then_some(())
    });
    setup.write("quorate.settings.revision=three\nquorate.log.level=warn,quorate_server=loud\n");
    let why = wait_for("the refusal", || {
        let status = setup.server.status()?;
        Some(status["settings"]["refused"]["error"].as_str()?.to_owned())
    });
    assert!(why.contains("\"quorate_server=loud\""), "{why}");
    setup.write("quorate.settings.revision=four\n");
    setup.waits_for(&json!({"revision": "four", "refused": null, "pending": []}));
    assert_eq!(levels(&setup), start);
}
