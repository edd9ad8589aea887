//! `conf`, `envi`, `dirs`: what the server was told and where it runs.
//!
//! Source: `ConfCommand`, `ZooKeeperServerConf`, `Environment.list` of Apache ZooKeeper 3.9. What
//! only a Java machine has is filled with the nearest thing that there is.

use std::fmt::Write as _;
use std::path::Path;

use super::version;
use crate::config::BindAddress;
use crate::monitor::Monitor;

/// The settings, in Apache's order.
pub(super) async fn conf(monitor: &Monitor) -> String {
    let s = &monitor.settings;
    let secure = s.tls.as_ref().and_then(|tls| tls.secure_client.as_ref());
    let [data_size, log_size] = directory_sizes(monitor).await;
    let mut out = format!(
        "clientPort={}\nsecureClientPort={}\ndataDir={}\ndataDirSize={data_size}\n\
         dataLogDir={}\ndataLogSize={log_size}\ntickTime={}\nmaxClientCnxns={}\n\
         minSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\n",
        conf_port(s.client.as_ref()),
        conf_port(secure),
        s.data_dir.join("version-2").display(),
        s.data_log_dir.join("version-2").display(),
        s.tick_ms,
        monitor
            .in_force()
            .settings
            .connections_per_ip_max
            .unwrap_or(0),
        s.sessions.timeout_min_ms,
        s.sessions.timeout_max_ms,
        s.client_backlog_text(),
    );
    match monitor.ensemble() {
        None => out.push_str("serverId=0\n"),
        Some((sid, membership)) => {
            let own = membership.servers.get(&sid);
            let lines = write!(
                out,
                "serverId={sid}\ninitLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\n\
                 quorumPort={}\npeerType={}\nmembership: \n{}",
                s.init_limit,
                s.sync_limit,
                own.map_or(0, |spec| spec.election_port),
                own.map_or(0, |spec| spec.quorum_port),
                i32::from(membership.voters().all(|voter| voter != sid)),
                membership_text(monitor)
            );
            debug_assert!(lines.is_ok(), "writing to a String");
        }
    }
    out
}

/// The port of a listener; -1: there is none.
pub(crate) fn conf_port(at: Option<&BindAddress>) -> i32 {
    match at {
        Some(BindAddress::All(port)) => i32::from(*port),
        Some(BindAddress::Host(host)) => i32::from(host.port),
        None => -1,
    }
}

/// The members as the config node shows them; empty without an ensemble.
fn membership_text(monitor: &Monitor) -> String {
    let members = monitor.ensemble();
    members.map_or_else(String::new, |(_, membership)| membership.to_text())
}

/// Bytes in the two `version-2` directories.
pub(crate) async fn directory_sizes(monitor: &Monitor) -> [u64; 2] {
    let (data, log) = (&monitor.settings.data_dir, &monitor.settings.data_log_dir);
    let dirs = [data.join("version-2"), log.join("version-2")];
    // Thousands of files may be there; that is not a job for a socket's thread.
    let sizes = tokio::task::spawn_blocking(move || dirs.map(|dir| size_of_files(&dir)));
    sizes.await.unwrap_or_default()
}

fn size_of_files(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|m| m.len())
        .sum()
}

/// Where the server runs, by Apache's names and in its order.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| "?".into());
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let mebibytes = |name: &str| -> String {
        let line = memory.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
        let kib: u64 = kib.and_then(|n| n.parse().ok()).unwrap_or(0);
        format!("{}MB", kib / 1024)
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    };
    let shown = |path: std::io::Result<std::path::PathBuf>| {
        path.map_or_else(|_| "?".into(), |p| p.display().to_string())
    };
    vec![
        ("zookeeper.version", version()),
        (
            "host.name",
            read("/proc/sys/kernel/hostname").trim().to_owned(),
        ),
        ("java.version", "none".into()),
        ("java.vendor", "Quorate".into()),
        ("java.home", "/".into()),
        ("java.class.path", shown(std::env::current_exe())),
        ("java.library.path", String::new()),
        ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
        ("java.compiler", "<NA>".into()),
        ("os.name", "Linux".into()),
        ("os.arch", arch.into()),
        (
            "os.version",
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", shown(std::env::current_dir())),
        ("os.memory.free", mebibytes("MemAvailable")),
        ("os.memory.max", mebibytes("MemTotal")),
        ("os.memory.total", mebibytes("MemTotal")),
    ]
}
