//! The tests of the Go client `github.com/go-zookeeper/zk`, from its module.
//!
//! They start servers by `$ZOOKEEPER_BIN_PATH/zkServer.sh start-foreground zoo.cfg`, one or three,
//! and `suites/go/zkServer.sh` passes that on to the server under test.
//!
//! The client reads the build date in the answer to `srvr` only as 3.5 and 3.6 write it
//! (`10/08/2019`), and its tests wait for servers with that; so against any 3.9, Apache's too, none
//! of its integration tests gets as far as its first request. In the copy that runs, the date may
//! have the form of 3.9 (`2026-01-27`), too; everything else is as released.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::place::{Place, sources};
use super::verdict::{Verdict, Verdicts};
use crate::peers::apache;
use crate::progress::Progress;
use crate::shell;
use crate::tools::go_compiler;

const MODULE: &str = "github.com/go-zookeeper/zk@v1.0.4";

/// Some tests wait out session time-outs and elections; all together take two to five minutes.
const LIMIT: Duration = Duration::from_secs(900);

/// What is changed in the client's `flw.go`: the date of 3.9 beside the older one.
const DATES: [(&str, &str); 2] = [
    (
        r"(\d\d/\d\d/\d\d\d\d \d\d:\d\d",
        r"((?:\d\d/\d\d/\d\d\d\d|\d\d\d\d-\d\d-\d\d) \d\d:\d\d",
    ),
    (
        r#"time.Parse("01/02/2006 15:04 MST", match[1])"#,
        r#"time.Parse(map[bool]string{true: "01/02/2006 15:04 MST", false: "2006-01-02 15:04 MST"}[match[1][2] == '/'], match[1])"#,
    ),
];

/// Runs the tests, or those with the names in `only` with their subtests.
///
/// # Errors
/// When there is no Go, the module is not to be had, or the tests do not end.
pub fn run(progress: &Progress, place: &Place, only: Option<&[String]>) -> Result<Verdicts> {
    let go = go_compiler::ensure(progress)?;
    let copy = copy_of_module(&go, place.path())?;
    let mut command = Command::new(&go);
    command
        .args(["test", "-count=1", "-json", "-timeout"])
        .arg(format!("{}s", LIMIT.as_secs()));
    if let Some(names) = only {
        // Subtests run with their parents.
        let mut names: Vec<&str> = names
            .iter()
            .filter_map(|name| name.split('/').next())
            .collect();
        names.dedup();
        command.arg(format!("-run=^({})$", names.join("|")));
    }
    command
        .arg(".")
        .current_dir(&copy)
        .env("GOFLAGS", "-mod=mod")
        .env("ZOOKEEPER_BIN_PATH", sources("go"))
        .env("SUITE_SERVER", place.server())
        .env("ZK_VERSION", apache::VERSION);
    let log = place.run(
        progress,
        "the Go client's tests",
        &mut command,
        "go.json",
        LIMIT,
    )?;
    let verdicts = verdicts(&fs::read_to_string(&log)?);
    ensure!(
        !verdicts.is_empty(),
        "no test ran: {}",
        shell::log_tail(&log)
    );
    Ok(verdicts)
}

fn copy_of_module(go: &Path, place: &Path) -> Result<PathBuf> {
    let answer = shell::run(
        Command::new(go)
            .args(["mod", "download", "-json", MODULE])
            .env("GOFLAGS", "-mod=mod")
            .current_dir("/"),
    )?;
    let answer: Value = serde_json::from_str(&answer)?;
    let from = answer.get("Dir").and_then(Value::as_str);
    let from = Path::new(from.context("go told no directory")?);
    let copy = place.join("zk");
    if copy.exists() {
        return Ok(copy);
    }
    fs::create_dir(&copy)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        // Examples and the like are no part of the package.
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::write(copy.join(name), fs::read(&path)?)?;
        }
    }
    let file = copy.join("flw.go");
    let mut text = fs::read_to_string(&file)?;
    for (from, to) in DATES {
        ensure!(text.contains(from), "flw.go of {MODULE} is another one");
        text = text.replace(from, to);
    }
    fs::write(&file, text)?;
    Ok(copy)
}

/// Reads the lines of `go test -json`. The tests' own output may stand between them.
fn verdicts(text: &str) -> Verdicts {
    let mut found = Verdicts::new();
    let mut said = std::collections::BTreeMap::<String, String>::new();
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let field = |name: &str| event.get(name).and_then(Value::as_str);
        let (Some(test), Some(action)) = (field("Test"), field("Action")) else {
            continue;
        };
        let verdict = match action {
            "output" => {
                let line = field("Output").unwrap_or_default().trim();
                if line.contains("_test.go:") && !line.contains("[ZKERR]") {
                    said.insert(test.to_owned(), line.to_owned());
                }
                continue;
            }
            "pass" => Verdict::Passed,
            "fail" => Verdict::Failed(said.get(test).cloned().unwrap_or_default()),
            "skip" => Verdict::Skipped(said.get(test).cloned().unwrap_or_default()),
            _ => continue,
        };
        found.insert(test.to_owned(), verdict);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_events() {
        let text = r#"
{"Action":"run","Package":"zk","Test":"TestA"}
noise
{"Action":"output","Test":"TestA","Output":"    a_test.go:3: it broke\n"}
{"Action":"output","Test":"TestA","Output":"    a_test.go:15: [ZKERR] a server's log\n"}
{"Action":"fail","Package":"zk","Test":"TestA","Elapsed":1}
{"Action":"pass","Package":"zk","Test":"TestB/sub","Elapsed":1}
{"Action":"fail","Package":"zk","Elapsed":1}
"#;
        let found = verdicts(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found["TestA"],
            Verdict::Failed("a_test.go:3: it broke".into())
        );
        assert_eq!(found["TestB/sub"], Verdict::Passed);
    }
}
