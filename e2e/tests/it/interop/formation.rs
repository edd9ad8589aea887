//! Ensembles of servers that write their members to the data volume: they form on somebody's word, grow
//! by servers that are in no list, shrink, and disks of earlier times do not bring back what was.
//!
//! All servers have the same ports and addresses of their own on loopback, as pods have.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::client::flags::PERSISTENT;
use quorate_e2e::peers::ensemble::START_LIMIT;
use quorate_e2e::peers::{Client, Process, four_letter, ports, quorate, wait_for};
use serde_json::{Value, json};

use super::LIMIT;
use crate::alone;

/// How long a server is watched that must not come to serve.
const WATCHED: Duration = Duration::from_secs(4);

/// How long an answer of the admin port may take.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

const ENSEMBLE: &str = "formation-test";

/// The ports of every server.
#[derive(Clone, Copy)]
struct Ports {
    client: u16,
    quorum: u16,
    election: u16,
    admin: u16,
}

/// One server as a pod: its volume, and its process.
struct Pod {
    id: u8,
    ports: Ports,
    home: PathBuf,
    process: Option<Process>,
}

impl Pod {
    fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, self.id)
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn line(&self) -> String {
        let Ports {
            client,
            quorum,
            election,
            ..
        } = self.ports;
        let (id, host) = (self.id, self.host());
        format!("server.{id}={host}:{quorum}:{election}:participant;{host}:{client}")
    }

    /// Writes `zoo.cfg` with this list and starts.
    fn start(&mut self, list: &str) -> Result<()> {
        fs::create_dir_all(self.data())?;
        let (host, data) = (self.host(), self.data());
        let text = format!(
            "dataDir={data}\nclientPort={}\nclientPortAddress={host}\ntickTime=500\ninitLimit=20\n\
             syncLimit=10\n4lw.commands.whitelist=*\nadmin.serverAddress={host}\n\
             admin.serverPort={}\ndb.autocreate=false\nskipACL=yes\n\
             quorate.ensembleId={ENSEMBLE}\nquorate.members.file={data}/members\n{list}\n",
            self.ports.client,
            self.ports.admin,
            data = data.display(),
        );
        let config = self.home.join("zoo.cfg");
        fs::write(&config, text)?;
        let mut command = quorate::command(&config, &[])?;
        command
            .env("QUORATE_POD_NAME", format!("zoo-{}", self.id - 1))
            .env("QUORATE_ID_BASE", "1")
            .env("QUORATE_POD_HOST", host.to_string())
            .current_dir(&self.home);
        self.process = Some(Process::start(&mut command, &self.home.join("server.log"))?);
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.process.take().context("it does not run")?.kill()
    }

    fn mode(&self) -> Result<String> {
        four_letter::mode((self.host(), self.ports.client).into())
    }

    fn wait_mode(&self, modes: &[&str]) -> Result<String> {
        let waited = wait_for("a mode", START_LIMIT, || match self.mode() {
            Ok(mode) if modes.contains(&mode.as_str()) => Ok(mode),
            Ok(mode) => Err(format!("server {} is {mode}", self.id)),
            Err(e) => Err(format!("server {}: {e}", self.id)),
        });
        waited.with_context(|| {
            let process = self.process.as_ref();
            process.map_or_else(String::new, Process::log_tail)
        })
    }

    fn http(&self, head: &str, body: &str) -> Result<(u16, Value)> {
        let address: SocketAddr = (self.host(), self.ports.admin).into();
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        write!(
            stream,
            "{head} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let code = head.split(' ').nth(1).context("no status")?.parse()?;
        let body = serde_json::from_str(body).with_context(|| format!("{code}: {body}"))?;
        Ok((code, body))
    }

    fn status(&self) -> Result<Value> {
        Ok(self.http("GET /v1/status", "")?.1)
    }

    fn wait_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(what, START_LIMIT, || match self.status() {
            Ok(status) if is(&status) => Ok(status),
            Ok(status) => Err(status.to_string()),
            Err(e) => Err(e.to_string()),
        })
    }

    fn form(&self, ensemble: &str) -> Result<(u16, Value)> {
        self.http(&format!("POST /v1/form?ensembleId={ensemble}"), "")
    }

    fn reconfig(&self, body: &Value) -> Result<(u16, Value)> {
        self.http("POST /v1/reconfig", &body.to_string())
    }

    fn version(&self) -> Result<String> {
        let status = self.status()?;
        let version = status.pointer("/config/version").and_then(Value::as_str);
        Ok(version.context("no version")?.to_owned())
    }
}

/// Servers 1 to 4, by id less one.
struct Place {
    pods: Vec<Pod>,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let ports = Ports {
            client: ports::free()?,
            quorum: ports::free()?,
            election: ports::free()?,
            admin: ports::free()?,
        };
        let pod = |id: u8| Pod {
            id,
            ports,
            home: directory.path().join(format!("server-{id}")),
            process: None,
        };
        Ok(Self {
            pods: (1..=4).map(pod).collect(),
            directory,
        })
    }

    fn pod(&mut self, id: u8) -> Result<&mut Pod> {
        let found = self.pods.iter_mut().find(|pod| pod.id == id);
        found.context("no such pod")
    }

    fn list(&self, ids: &[u8]) -> String {
        let pods = self.pods.iter().filter(|pod| ids.contains(&pod.id));
        let lines: Vec<String> = pods.map(Pod::line).collect();
        lines.join("\n")
    }

    fn start(&mut self, ids: &[u8], list: &str) -> Result<()> {
        for id in ids {
            self.pod(*id)?.start(list)?;
        }
        Ok(())
    }

    fn kill(&mut self, ids: &[u8]) -> Result<()> {
        for id in ids {
            self.pod(*id)?.kill()?;
        }
        Ok(())
    }

    fn wait_serving(&mut self, ids: &[u8]) -> Result<()> {
        for id in ids {
            self.pod(*id)?.wait_mode(&["leader", "follower"])?;
        }
        Ok(())
    }

    /// None of them serves any more: each hears of the end of the lead for itself.
    fn wait_ended(&mut self, ids: &[u8]) -> Result<()> {
        for id in ids {
            wait_for("the end of the lead", START_LIMIT, || {
                let mode = self.pod(*id).and_then(|pod| pod.mode());
                mode.map_or(Ok(()), Err)
            })?;
        }
        Ok(())
    }

    /// None of them serves for a while.
    fn watch_idle(&mut self, ids: &[u8], watched: Duration) -> Result<()> {
        for id in ids {
            self.pod(*id)?.wait_status("a status", |_| true)?;
        }
        let began = Instant::now();
        while began.elapsed() < watched {
            for id in ids {
                if let Ok(mode) = self.pod(*id)?.mode() {
                    anyhow::bail!("server {id} is {mode}");
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Servers 1 to 3, formed and serving.
    fn formed(&mut self) -> Result<()> {
        let list = self.list(&[1, 2, 3]);
        self.start(&[1, 2, 3], &list)?;
        self.watch_idle(&[1, 2, 3], Duration::from_secs(3))?;
        for id in 1..=3 {
            let pod = self.pod(id)?;
            ensure!(field(&pod.status()?, "history") == "lost");
            let (code, answer) = pod.form("another")?;
            let error = field(&answer, "error").as_str().unwrap_or_default();
            ensure!(
                code == 409 && error.contains("another") && error.contains(ENSEMBLE),
                "{code} {answer}"
            );
        }
        for id in 1..=3 {
            let (code, answer) = self.pod(id)?.form(ENSEMBLE)?;
            // The last one may follow the two others by now, which is as good.
            ensure!(code == 200 && field(&answer, "formed") == true || id == 3 && code == 409);
        }
        self.wait_serving(&[1, 2, 3])?;
        for id in 1..=3 {
            let pod = self.pod(id)?;
            ensure!(field(&pod.status()?, "history") == "whole");
            let (code, answer) = pod.form(ENSEMBLE)?;
            ensure!(
                code == 200 && field(&answer, "formed") == true,
                "again: {answer}"
            );
        }
        Ok(())
    }

    fn write(&mut self, id: u8, path: &str) -> Result<()> {
        let pod = self.pod(id)?;
        let address = (pod.host(), pod.ports.client).into();
        // The session is not closed before the write is done everywhere that matters.
        let mut client = Client::connect(address, LIMIT)?;
        client.create(path, b"", PERSISTENT)?;
        client.close()?;
        Ok(())
    }

    fn has(&mut self, id: u8, path: &str) -> Result<()> {
        let pod = self.pod(id)?;
        let mut client = Client::connect((pod.host(), pod.ports.client).into(), LIMIT)?;
        client.sync()?;
        client.get(path, false)?;
        client.close()?;
        Ok(())
    }

    fn copy_of(&mut self, id: u8) -> Result<PathBuf> {
        let to = self.directory.path().join(format!("old-{id}"));
        copy(&self.pod(id)?.data(), &to)?;
        Ok(to)
    }

    fn put(&mut self, id: u8, from: &Path) -> Result<()> {
        let data = self.pod(id)?.data();
        fs::remove_dir_all(&data)?;
        copy(from, &data)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(status.success(), "cp: {status}");
    Ok(())
}

fn joins(status: &Value) -> bool {
    field(status, "joining") == true && field(status, "serving") == true
}

/// A member of an object; null where there is none.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

#[test]
fn servers_form_join_leave_and_lose_their_disks() -> Result<()> {
    let _alone = alone();
    let mut place = Place::new()?;
    place.formed()?;
    place.write(1, "/formed")?;

    // A fourth that is in no list.
    let list = place.list(&[1, 2, 3]);
    place.start(&[4], &list)?;
    let four = place.pod(4)?;
    four.wait_status("a server that joins", joins)?;
    ensure!(four.mode()? == "follower");
    let (line, version) = (four.line(), four.version()?);
    let wrong = json!({"fromVersion": "77", "joining": [line]});
    let (code, answer) = place.pod(1)?.reconfig(&wrong)?;
    let error = field(&answer, "error").as_str().unwrap_or_default();
    ensure!(
        code == 409 && error.starts_with("BadVersion: "),
        "{code} {answer}"
    );
    let (code, _) = place.pod(1)?.reconfig(&json!({"joining": ["nonsense"]}))?;
    ensure!(code == 400);
    let change = json!({"fromVersion": version, "joining": [line], "leaving": []});
    let (code, answer) = place.pod(1)?.reconfig(&change)?;
    let members = field(&answer, "members").as_array().map(Vec::len);
    ensure!(code == 200 && members == Some(4), "{code} {answer}");
    let added = |s: &Value| {
        field(s, "joining") == false
            && field(field(s, "config"), "version") == field(&answer, "version")
    };
    place.pod(4)?.wait_status("a member", added)?;

    // The second is down while it is removed, and does not hear of it.
    place.kill(&[2])?;
    place.wait_serving(&[1, 3, 4])?;
    let (code, answer) = place.pod(4)?.reconfig(&json!({"leaving": [2]}))?;
    ensure!(code == 200, "{code} {answer}");
    let version = field(&answer, "version")
        .as_str()
        .context("no version")?
        .to_owned();
    let newer = format!(
        "{}\nquorate.members.version={version}",
        place.list(&[1, 3, 4])
    );
    place.write(4, "/without-2")?;
    place.start(&[2], &newer)?;
    let status = place.pod(2)?.wait_status("a server that joins", joins)?;
    ensure!(
        field(field(&status, "config"), "version") == version.as_str(),
        "{status}"
    );
    place.has(2, "/without-2")?;

    // A disk is lost: no vote until a leader has brought it level, and a vote then.
    place.kill(&[3])?;
    fs::remove_dir_all(place.pod(3)?.data())?;
    place.start(&[3], &newer)?;
    place.wait_serving(&[3])?;
    let log = fs::read_to_string(place.pod(3)?.home.join("server.log"))?;
    let last = log.rsplit("the data directory is empty").next();
    let said = last.unwrap_or_default();
    ensure!(
        said.contains("may have lost what it acknowledged"),
        "{said}"
    );
    ensure!(field(&place.pod(3)?.status()?, "history") == "whole");
    place.has(3, "/formed")?;
    place.kill(&[1])?;
    place.wait_serving(&[3, 4])?;
    place.write(3, "/without-1")?;
    // With a joiner and one of three members there is no quorum.
    place.kill(&[4])?;
    place.wait_ended(&[2, 3])?;
    place.watch_idle(&[2, 3], WATCHED)
}

#[test]
fn a_retired_majority_does_not_come_back() -> Result<()> {
    let _alone = alone();
    let mut place = Place::new()?;
    place.formed()?;
    place.write(1, "/of-three")?;
    place.kill(&[1, 2, 3])?;
    let old = [(2, place.copy_of(2)?), (3, place.copy_of(3)?)];
    let list = place.list(&[1, 2, 3]);
    place.start(&[1, 2, 3], &list)?;
    place.wait_serving(&[1, 2, 3])?;
    let (code, answer) = place.pod(1)?.reconfig(&json!({"leaving": [2, 3]}))?;
    // The leader may be one of those who leave; then the answer can be lost, and the change is not.
    ensure!([200, 504].contains(&code), "{code} {answer}");
    let one = |s: &Value| {
        field(field(s, "config"), "voters") == &json!([1]) && field(s, "role") == "leader"
    };
    place.pod(1)?.wait_status("a leader of one", one)?;
    let version = place.pod(1)?.version()?;
    place.write(1, "/of-one")?;
    place.kill(&[1, 2, 3])?;

    for (id, disk) in &old {
        place.put(*id, disk)?;
    }
    let newer = format!("{}\nquorate.members.version={version}", place.list(&[1]));
    place.start(&[2, 3], &newer)?;
    place.watch_idle(&[2, 3], WATCHED)?;
    place.start(&[1], &newer)?;
    for id in [2, 3] {
        place.pod(id)?.wait_status("a server that joins", joins)?;
        place.has(id, "/of-one")?;
    }
    ensure!(place.pod(1)?.mode()? == "leader");
    // Without the one they are nobody again, with what they have now.
    place.kill(&[1])?;
    for id in [2, 3] {
        wait_for("the end of the lead", START_LIMIT, || {
            let mode = place.pod(id).and_then(|pod| pod.mode());
            mode.map_or(Ok(()), Err)
        })?;
    }
    place.watch_idle(&[2, 3], WATCHED)
}
