//! Starts and stops servers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Bound of every wait; reached only by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) client: String,
    pub(crate) admin: String,
    pub(crate) log: PathBuf,
}

/// Ports that nobody listens on and that this process did not get before.
///
/// They lie below 32768, where outgoing ports begin on Linux: a port that the system chose could
/// be taken again by a connection of another test before its server binds it.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests beside this one begins elsewhere.
    let first = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    [(); N].map(|()| {
        loop {
            let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
            assert!(port < 32_768, "no free port from {first} on");
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                break port;
            }
        }
    })
}

/// Writes `zoo.cfg` for one server into `dir`, with `extra` lines.
pub(crate) fn write_config(dir: &Path, client: u16, admin: u16, extra: &str) -> PathBuf {
    std::fs::create_dir_all(dir.join("data")).unwrap();
    let text = format!(
        "tickTime=500\ninitLimit=20\nsyncLimit=10\ndataDir={}\nclientPort={client}\n\
         clientPortAddress=127.0.0.1\nadmin.serverAddress=127.0.0.1\nadmin.serverPort={admin}\n\
         preAllocSize=64\n4lw.commands.whitelist=*\n{extra}",
        dir.join("data").display()
    );
    let path = dir.join("zoo.cfg");
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn quorate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
}

/// Runs a server that is expected to refuse to start.
pub(crate) fn run_refused(config: &Path, arguments: &[&str]) -> Output {
    let mut command = quorate();
    command.arg("serve").arg(config).args(arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let status = wait_for("the refusal", || child.try_wait().unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status, status);
    output
}

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// A page of the admin port, with its head.
pub(crate) fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A number of the metrics page.
pub(crate) fn metric(server: &Server, name: &str) -> u64 {
    let page = page(&server.admin, "/metrics");
    let number = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    let found = page.lines().find_map(number);
    found.unwrap_or_else(|| panic!("no {name} in {page}"))
}

impl Server {
    /// Starts a server; it may not serve yet.
    pub(crate) fn start(config: &Path) -> Self {
        let text = std::fs::read_to_string(config).unwrap();
        let key = |key: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap();
            format!("127.0.0.1:{}", line.trim_start_matches('='))
        };
        let log = config.with_extension("log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = quorate()
            .arg("serve")
            .arg(config)
            .stderr(file)
            .spawn()
            .unwrap();
        Self {
            child,
            client: key("clientPort="),
            admin: key("admin.serverPort="),
            log,
        }
    }

    /// The status page; `None` while there is none.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        quorate_server::status::fetch(&self.admin).ok()
    }

    /// Waits until clients are served and returns the status.
    #[track_caller]
    pub(crate) fn wait_serving(&mut self) -> serde_json::Value {
        wait_for("serving", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status}: {}", self.log_text());
            }
            self.status().filter(|s| s["serving"] == true)
        })
    }

    /// What it logged.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        wait_for("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// What a four-letter word answers.
pub(crate) fn word(address: &str, word: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(word.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
