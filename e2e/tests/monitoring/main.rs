//! The chart, its rules and its dashboards, without a cluster: Helm renders them, promtool tries them.
//!
//! Both tools are brought by the harness; what cannot be brought makes the tests fail.

mod chart;
mod dashboards;
mod pages;
mod rules;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use quorate_e2e::progress::Progress;
use quorate_e2e::tools::clients;
use quorate_e2e::{monitoring, shell};

/// Helm; the first who asks brings it.
fn helm() -> &'static PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| clients::helm(&Progress::default()).expect("helm"))
}

/// promtool; the first who asks brings it.
fn promtool() -> Command {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let program =
        FOUND.get_or_init(|| monitoring::promtool(&Progress::default()).expect("promtool"));
    Command::new(program)
}

/// Runs a command that has to succeed, and shows all that it wrote when it does not.
fn succeeds(command: &mut Command) {
    let output = command.output().expect("a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// The errors of a command that has to fail.
fn refused(command: &mut Command) -> String {
    shell::run(command).expect_err("accepted").to_string()
}
