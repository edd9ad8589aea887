//! Apache Kafka 3.9 in ZooKeeper mode: a broker on three servers starts, makes topics, takes
//! messages and gives them back, and goes on when the leader of the servers is killed.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::place::{jars, sources};
use super::verdict::{Verdict, Verdicts};
use crate::peers::{Ensemble, Kind, Process, Settings, ports, wait_for};
use crate::progress::Progress;
use crate::shell;

/// How long the broker may take to start.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How many messages are sent at a time.
const MESSAGES: &str = "1000";

/// A broker and the ensemble that it stands on.
#[derive(Debug)]
struct Kafka {
    jars: PathBuf,
    directory: TempDir,
    port: u16,
    ensemble: Ensemble,
    broker: Option<Process>,
}

/// Goes through the story step by step; a step that fails is the last one that runs.
///
/// # Errors
/// When Java, Maven or the packages are not to be had.
pub fn run(progress: &Progress, kind: Kind) -> Result<Verdicts> {
    let jars = jars(progress, "kafka")?;
    let ensemble = Ensemble::start(kind, 3, &Settings::default())?;
    let mut kafka = Kafka {
        jars,
        directory: tempfile::Builder::new().prefix("kafka-").tempdir()?,
        port: ports::free()?,
        ensemble,
        broker: None,
    };
    kafka.configure()?;
    let mut killed = None;
    let mut step = |n: usize| match n {
        0 => kafka.start_broker(),
        1 => kafka.messages("first"),
        2 => {
            let leader = kafka.ensemble.leader()?;
            kafka.ensemble.server(leader)?.kill()?;
            killed = Some(leader);
            kafka.messages("first")
        }
        3 => kafka.messages("second"),
        4 => {
            let leader = killed.context("no leader was killed")?;
            kafka.ensemble.server(leader)?.start()?;
            kafka.ensemble.wait_serving()?;
            kafka.messages("third")
        }
        _ => {
            kafka.stop_broker()?;
            kafka.start_broker()?;
            kafka.messages("second")
        }
    };
    let names = [
        "1 the broker starts on three servers",
        "2 makes a topic, produces and consumes",
        "3 goes on after kill -9 of the servers' leader",
        "4 makes another topic, produces and consumes",
        "5 goes on when the killed server is back",
        "6 stops, starts again and still has its topics",
    ];
    let mut verdicts = Verdicts::new();
    for (n, name) in names.into_iter().enumerate() {
        progress.say(format!("Kafka on {}: {name}", kind.name()));
        if let Err(error) = step(n) {
            progress.say(format!("{error:#}"));
            verdicts.insert(name.into(), Verdict::Failed(first_line(&error)));
            break;
        }
        verdicts.insert(name.into(), Verdict::Passed);
    }
    Ok(verdicts)
}

fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().to_owned()
}

impl Kafka {
    fn settings(&self) -> PathBuf {
        self.directory.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("broker.log")
    }

    fn configure(&self) -> Result<()> {
        let text = format!(
            "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             zookeeper.connect={servers}/kafka\nzookeeper.session.timeout.ms=6000\n\
             log.dirs={logs}\noffsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=3\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
            port = self.port,
            servers = self.ensemble.connect_string(),
            logs = self.directory.path().join("logs").display(),
        );
        fs::write(self.settings(), text)?;
        Ok(())
    }

    fn java(&self) -> Command {
        let log4j = sources("kafka").join("log4j.properties");
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j.configuration=file:{}", log4j.display()))
            .arg("-cp")
            .arg(self.jars.join("*"));
        command
    }

    fn start_broker(&mut self) -> Result<()> {
        let mut command = self.java();
        command.arg("kafka.Kafka").arg(self.settings());
        let log = self.log();
        let broker = self.broker.insert(Process::start(&mut command, &log)?);
        let port = self.port;
        let started = wait_for("a broker that listens", START_LIMIT, || {
            if let Ok(Some(status)) = broker.ended() {
                return Ok(Err(status));
            }
            TcpStream::connect(("127.0.0.1", port))
                .map(|_| Ok(()))
                .map_err(|error| error.to_string())
        });
        match started {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("the broker ended with {status}: {}", tail(&log)),
            Err(error) => Err(error.context(tail(&log))),
        }
    }

    fn stop_broker(&mut self) -> Result<()> {
        let mut broker = self.broker.take().context("no broker runs")?;
        broker.terminate()?;
        Ok(())
    }

    fn messages(&self, topic: &str) -> Result<()> {
        let mut command = self.java();
        command
            .arg(sources("kafka").join("Messages.java"))
            .arg(format!("127.0.0.1:{}", self.port))
            .args([topic, MESSAGES]);
        shell::run(&mut command)
            .map(drop)
            .with_context(|| format!("the broker's log ends with {}", tail(&self.log())))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Before the servers that it talks to, or it would wait for them.
        self.broker = None;
    }
}

fn tail(log: &Path) -> String {
    shell::log_tail(log)
}
