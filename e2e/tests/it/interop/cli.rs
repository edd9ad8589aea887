//! `quorate cli` beside Apache's zkCli: the same lines typed into both, each on a fresh server of
//! ours, and the output compared command by command.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{Ensemble, Kind, Settings, apache, quorate};

use crate::alone;

/// Printed between two commands, to tell their outputs apart.
const MARK: &str = "printwatches";
const MARK_OUTPUT: &str = "printwatches is on";

/// What is typed.
const SCRIPT: &str = r#"
whoami
ls /
ls
ls -s /
ls -R /
ls nopath
ls /nope
create /a
create /a
create /b hello
create -s /seq- x
create -e /eph
create -e -s /eph-
create -c /cont
create -c -e /cont
create -t 100000000 /ttl x
create -t -1 /ttl2 x
create -t abc /ttl2 x
create -t 10000 -e /ttl2 x
create /nope/x
create /a/b "hello world" world:anyone:cdrwa
create /a/b/c 'single q' digest:bob:abc:r
create /foo/
create foo
create /a//b
create -x /foo
create
create -e /eph/child
create '/quo ted' "da ta"
ls "/quo ted"
get /a
get -s /b
get /b
get -b /b
get -x /b
get -b -x /b
get -s -b /b
get /nope
get
get -s
get /b watch
set /b one
set -s /b two
set -v 0 /b three
set -v 2 /b three
set /nope x
set /b
set -v
set -b /b aGVsbG8=
get /b
stat /b
stat /nope
stat
stat foo
delete /a
delete -v 7 /seq-0000000002
delete /nope
delete
delete /
deleteall /nope
create /acl d
create /acl/deep d
getAcl /acl
getAcl -s /acl
getAcl /nope
getAcl
setAcl /acl bogus
setAcl /nope world:anyone:r
setAcl /acl
addauth digest bob:pw
addauth
whoami
create /sec x auth::cdrwa
getAcl /sec
setAcl -R /acl auth::cdrwa
getAcl /acl
getAcl /acl/deep
setAcl -v 99 /acl world:anyone:cdrwa
setAcl -s /acl world:anyone:cdrwa
setAcl /acl world:anyone:xyz
getAcl /acl
setAcl /acl/deep world:anyone:r
set /acl/deep x
sync /
sync /nope
sync
unknown
redo 500
listquota /acl
setquota -n 5 /b
setquota -b 100 /b
listquota /b
setquota -N 20 /b
setquota -B 1000 /b
listquota /b
delquota -n /b
listquota /b
delquota /b
listquota /b
delquota /nope
setquota -n 5 /nope
setquota /b
setquota -n x /b
setquota -n 5 -b 10 /b
setquota -n -1 /b
setquota -n 5 /zookeeper/quota
setquota -n 5 /a
setquota -n 5 /a/b
delquota -n -b /a
listquota
listquota foo
getEphemerals
getEphemerals /eph
getEphemerals bad
getAllChildrenNumber /
getAllChildrenNumber /nope
getAllChildrenNumber
addWatch /w
create /w
create /w/x
set /w/x y
delete /w/x
removewatches /w
removewatches /w
addWatch -m PERSISTENT /w
addWatch -m BOGUS /w
removewatches -p /w
get -w /b
stat -w /notyet
ls -w /w
create /notyet
set /b again
create /w/z
get -w /b
removewatches -d /b
removewatches -c /b
removewatches
removewatches foo
config
config -s
config -c
reconfig
reconfig -remove 3
reconfig -add server.2=localhost:2888:3888;2182 -members server.1=a:1:2
ls -x /acl
deleteall /w
deleteall /a
"#;

/// What came of the script: the output of each line, and the exit code.
type Typed = (Vec<(String, Vec<String>)>, Option<i32>);

/// Runs `command` with the script typed into it.
fn type_script(mut command: Command, log: &Path) -> Result<Typed> {
    let lines: Vec<&str> = SCRIPT.lines().filter(|line| !line.is_empty()).collect();
    let file = fs::File::create(log)?;
    let mut child = command
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let mut typed = String::new();
    for line in &lines {
        typed.push_str(&format!("{MARK}\n{line}\n"));
    }
    typed.push_str("quit\n");
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(typed.as_bytes())?;
    drop(stdin);
    let status = child.wait()?;
    let output = fs::read_to_string(log)?;
    let mark = format!("{MARK_OUTPUT}\n");
    let mut parts = output.split(&mark);
    // Before the first mark there is what each says when it starts.
    parts.next();
    let parts: Vec<Vec<String>> = parts.map(normalized).collect();
    ensure!(
        parts.len() == lines.len(),
        "{} parts: {output}",
        parts.len()
    );
    let lines = lines.into_iter().map(str::to_owned);
    Ok((lines.zip(parts).collect(), status.code()))
}

/// What is compared of the output of one command. Events come on a thread of their own in zkCli, so
/// they are compared separately, as `events` does.
fn normalized(part: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut text = part.to_owned();
    for name in [
        "UnrecognizedOption",
        "MissingArgument",
        "MissingOption",
        "AlreadySelected",
    ] {
        text = text.replace(&format!("org.apache.commons.cli.{name}Exception: "), "");
    }
    // zkCli names unknown commands twice, and adds its cause to a bad ACL.
    text = text.replace(
        "Command not found: Command not found ",
        "Command not found: ",
    );
    text = text.replace("KeeperErrorCode = InvalidACL\n", "");
    for line in text.lines() {
        let line = match line.split_once(" = ") {
            Some((name @ ("ctime" | "mtime"), time)) if !time.contains(" 1970") => {
                format!("{name} = T")
            }
            Some((name @ "ephemeralOwner", id)) if id != "0x0" => format!("{name} = S"),
            _ => line.to_owned(),
        };
        let is_usage = line.starts_with("ZooKeeper -server") || line.starts_with("quorate cli -");
        let is_event = line.is_empty() || line.starts_with("WATCHER::");
        if !is_usage
            && !is_event
            && !line.starts_with("WatchedEvent ")
            && !line.contains(":o.a.z.u.ServiceUtils]")
        {
            lines.push(line);
        }
    }
    lines
}

/// The events in the output, in their order, without their zxids: what zkCli refuses by itself takes
/// none, and some of that we leave to the server. Only zkCli tells of its own closing.
fn events(log: &Path) -> Result<Vec<String>> {
    let output = fs::read_to_string(log)?;
    let events = output
        .lines()
        .filter(|l| l.starts_with("WatchedEvent ") && !l.contains(" state:Closed "));
    let without_zxid = |l: &str| l.split(" zxid: ").next().unwrap_or(l).to_owned();
    Ok(events.map(without_zxid).collect())
}

pub(super) fn zkcli(address: SocketAddr) -> Result<Command> {
    let logback = apache::java_sources().join("logback.xml");
    let mut command = Command::new("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dlogback.configurationFile={}", logback.display()))
        .arg("-cp")
        .arg(apache::class_path()?)
        .arg("org.apache.zookeeper.ZooKeeperMain")
        .args(["-server", &address.to_string()]);
    Ok(command)
}

pub(super) fn ours(address: SocketAddr) -> Result<Command> {
    let mut command = Command::new(quorate::binary()?);
    command.args(["cli", "-server", &address.to_string()]);
    Ok(command)
}

fn server() -> Result<Ensemble> {
    let settings = Settings {
        extra: vec!["extendedTypesEnabled=true".to_owned()],
        ..Settings::default()
    };
    Ensemble::start(Kind::Quorate, 1, &settings)
}

fn address(ensemble: &Ensemble) -> Result<SocketAddr> {
    let first = ensemble.addresses().into_iter().next();
    first.context("an ensemble without servers")
}

#[test]
fn our_cli_prints_what_zkcli_prints() -> Result<()> {
    let _alone = alone();
    let directory = tempfile::tempdir()?;
    let (theirs_log, ours_log) = (
        directory.path().join("zkcli.log"),
        directory.path().join("quorate.log"),
    );
    let (first, second) = (server()?, server()?);
    let (theirs, their_code) = type_script(zkcli(address(&first)?)?, &theirs_log)?;
    let (own, own_code) = type_script(ours(address(&second)?)?, &ours_log)?;
    let mut differences = String::new();
    for ((line, theirs), (_, own)) in theirs.iter().zip(&own) {
        if theirs != own {
            differences.push_str(&format!("> {line}\nzkCli: {theirs:#?}\nours: {own:#?}\n"));
        }
    }
    ensure!(differences.is_empty(), "{differences}");
    ensure!(their_code == own_code, "codes {their_code:?}, {own_code:?}");
    let (theirs, own) = (events(&theirs_log)?, events(&ours_log)?);
    ensure!(
        theirs == own,
        "events of zkCli: {theirs:#?}\nours: {own:#?}"
    );
    Ok(())
}

#[test]
fn one_command_ends_with_the_code_of_zkcli() -> Result<()> {
    let _alone = alone();
    let ensemble = server()?;
    let address = address(&ensemble)?;
    for words in [
        &["get", "/zookeeper"][..],
        &["get", "/nope"],
        &["create", "no-slash"],
        &["ls", "-x", "/"],
        &["unknown"],
    ] {
        let theirs = zkcli(address)?.args(words).output()?.status;
        let own = ours(address)?.args(words).output()?.status;
        ensure!(theirs.code() == own.code(), "{words:?}: {theirs} and {own}");
    }
    Ok(())
}
