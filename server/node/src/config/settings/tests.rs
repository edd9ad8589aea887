//! Tables of good and bad files.

use std::collections::BTreeSet;

use super::*;

const BASE: &str = "dataDir=/d\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n";
const THREE: &str =
    "server.1=a:2888:3888\nserver.2=b:2888:3888;2182\nserver.3=c:2888:3888:observer\n";

fn load(text: &str, my_id: Option<&str>) -> Result<Settings, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    if let Some(id) = my_id {
        std::fs::write(data.join("myid"), id).unwrap();
    }
    let path = dir.path().join("zoo.cfg");
    let text = text.replace("dataDir=/d\n", &format!("dataDir={}\n", data.display()));
    std::fs::write(&path, text).unwrap();
    Settings::load(&path, None, &Flags::default())
}

#[test]
fn defaults_are_those_of_apache() {
    let s = load("dataDir=/d\nclientPort=2181\n", None).unwrap();
    assert!(matches!(s.mode, Mode::Standalone));
    assert_eq!(s.client, Some(BindAddress::All(2181)));
    assert_eq!(
        (
            s.tick_ms,
            s.sessions.timeout_min_ms,
            s.sessions.timeout_max_ms
        ),
        (3000, 6000, 60_000)
    );
    assert_eq!(
        (s.runtime.connections_per_ip_max, s.runtime.connections_max),
        (Some(60), None)
    );
    assert_eq!(
        (
            s.limits.outstanding_max,
            s.limits.jute_maxbuffer,
            s.snap_count
        ),
        (1000, 0xf_ffff, 100_000)
    );
    assert_eq!(
        s.runtime.four_letter_words,
        BTreeSet::from(["srvr".to_owned()])
    );
    assert_eq!(s.data_dir, s.data_log_dir);
    assert!(
        s.admin.is_some() && s.retain.is_none() && s.warnings.is_empty(),
        "{:?}",
        s.warnings
    );
}

#[test]
fn members_are_read_and_the_own_line_gives_the_client_port() {
    let text = format!("{BASE}{THREE}server.4=d:2888:3888\nstandaloneEnabled=false\n");
    let s = load(&text.replace("clientPort=2181\n", ""), Some("2\n")).unwrap();
    let Mode::Ensemble { sid, membership } = &s.mode else {
        panic!("standalone")
    };
    assert_eq!(
        (*sid, membership.servers.len(), membership.voters().count()),
        (Sid(2), 4, 3)
    );
    assert_eq!(s.client, Some(BindAddress::All(2182)));
    assert_eq!(s.limits.outstanding_max, 500);
    assert_eq!(s.election_handshake_timeout, Duration::from_secs(15));
}

#[test]
fn one_server_line_runs_standalone_unless_told_otherwise() {
    let text = format!("{BASE}server.1=a:2888:3888\n");
    assert!(matches!(load(&text, None).unwrap().mode, Mode::Standalone));
    let text = format!("{text}standaloneEnabled=false\n");
    assert!(matches!(
        load(&text, Some("1")).unwrap().mode,
        Mode::Ensemble { .. }
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line per bad file")]
fn bad_files_are_refused_with_key_and_exit_code() {
    let three = format!("{BASE}{THREE}");
    for (text, my_id, code, part) in [
        ("clientPort=2181\n".to_owned(), None, 2, "dataDir"),
        (
            format!("{BASE}tickTime=abc\n"),
            None,
            2,
            "zoo.cfg:5: tickTime=abc",
        ),
        (format!("{BASE}tickTime=0\n"), None, 2, "tickTime=0"),
        (
            format!("{BASE}clientPort=99999\n"),
            None,
            2,
            "clientPort=99999",
        ),
        (
            format!("{BASE}quorumListenOnAllIPs=yes\n"),
            None,
            2,
            "true or false",
        ),
        (
            format!("{BASE}minSessionTimeout=9\nmaxSessionTimeout=8\n"),
            None,
            2,
            "maxSessionTimeout",
        ),
        (three.clone(), None, 2, "myid"),
        (three.clone(), Some("x"), 2, "\"x\" is not an id"),
        (three.clone(), Some("9"), 1, "server.9"),
        (
            three.replace("syncLimit=5\n", ""),
            Some("1"),
            2,
            "syncLimit",
        ),
        (
            format!("{three}group.1=1:x:3\n"),
            Some("1"),
            2,
            "group.1=1:x:3",
        ),
        (
            format!("{three}group.1=1\n"),
            Some("1"),
            2,
            "server 2 is in no group",
        ),
        (
            format!("{three}weight.1=2\n"),
            Some("1"),
            2,
            "weights without groups",
        ),
        (format!("{BASE}server.1=a:1\n"), None, 2, "server.1=a:1"),
        (
            format!("{BASE}server.1=a:1:2\nserver.2=b:1:2:observer\n"),
            None,
            2,
            "observers",
        ),
        (three.clone(), Some("2"), 2, "clientPort"),
        (format!("{BASE}sslQuorum=true\n"), None, 2, "sslQuorum"),
        (
            format!("{BASE}secureClientPort=2281\n"),
            None,
            2,
            "ssl.keyStore.location",
        ),
        (
            format!("{BASE}quorate.plainClientPort=false\n"),
            None,
            2,
            "secureClientPort",
        ),
        (
            "dataDir=/d\nclientPortAddress=h\n".to_owned(),
            None,
            2,
            "clientPortAddress",
        ),
    ] {
        let error = load(&text, my_id).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), code, "{text} {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn ignored_keys_are_named_once() {
    let text = format!("{BASE}fooBar=1\ncommitProcessor.numWorkerThreads=3\n");
    let text = load(&text, None).unwrap().warnings.join("\n");
    assert!(text.contains("fooBar: unknown"), "{text}");
    assert!(
        text.contains("commitProcessor.numWorkerThreads: without meaning"),
        "{text}"
    );
}

#[test]
fn a_dynamic_file_holds_the_members() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("myid"), "1").unwrap();
    let path = dir.path().join("zoo.cfg");
    let dynamic = "zoo.cfg.dynamic.100000000";
    std::fs::write(
        dir.path().join(dynamic),
        "server.1=a:1:2;3\nserver.2=b:1:2;3",
    )
    .unwrap();
    let text = format!(
        "dataDir={}\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile={dynamic}\n",
        dir.path().display()
    );
    std::fs::write(&path, text).unwrap();
    let s = Settings::load(
        &path,
        None,
        &Flags::collect(|_| Some("-Djute.maxbuffer=5000 -Dzookeeper.snapCount=9".into())),
    )
    .unwrap();
    let Mode::Ensemble { membership, .. } = &s.mode else {
        panic!("standalone")
    };
    assert_eq!(
        (membership.version, membership.servers.len()),
        (0x1_0000_0000, 2)
    );
    assert_eq!((s.limits.jute_maxbuffer, s.snap_count), (5000, 9));
}
